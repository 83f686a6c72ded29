from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs
from scipy import signal

from monai_fusion.errors import InputError
from monai_fusion.metrics import compute_vif


def plain_vif(source: np.ndarray, fused: np.ndarray) -> float:
    """Sheikh's and Bovik's vifp_mscale, from its description, by SciPy's two-dimensional convolution."""
    kept = present = 0.0
    for scale in (1, 2, 3, 4):
        size = 2 ** (5 - scale) + 1
        t = np.arange(size) - size // 2
        window = np.exp(-(t[:, None] ** 2 + t**2) / (2 * (size / 5) ** 2))
        window /= window.sum()

        def mean(image: np.ndarray, window: np.ndarray = window) -> np.ndarray:
            return signal.convolve2d(image, window, mode="valid")

        if scale > 1:
            source, fused = mean(source)[::2, ::2], mean(fused)[::2, ::2]
        variance_s = np.maximum(mean(source**2) - mean(source) ** 2, 0)
        variance_f = np.maximum(mean(fused**2) - mean(fused) ** 2, 0)
        covariance = mean(source * fused) - mean(source) * mean(fused)
        gain = covariance / (variance_s + 1e-10)
        noise = variance_f - gain * covariance
        gain[variance_s < 1e-10] = 0
        noise[variance_s < 1e-10] = variance_f[variance_s < 1e-10]
        variance_s[variance_s < 1e-10] = 0
        gain[variance_f < 1e-10] = 0
        noise[variance_f < 1e-10] = 0
        noise[gain < 0] = variance_f[gain < 0]
        gain[gain < 0] = 0
        noise[noise <= 1e-10] = 1e-10
        kept += np.log10(1 + gain**2 * variance_s / (noise + 2)).sum()
        present += np.log10(1 + variance_s / 2).sum()
    return float(kept / present)


def test_is_the_plain_formula() -> None:
    images = fused_pairs()
    expected = [plain_vif(a, f) + plain_vif(b, f) for f, a, b in arrays(images)]
    np.testing.assert_allclose(compute_vif(*images), expected, rtol=1e-9)


def test_a_copy_is_1_and_contrast_raises_it() -> None:
    _, a, _ = fused_pairs()
    torch.testing.assert_close(compute_vif(a, a, a), torch.full((3,), 2.0, dtype=torch.float64))
    assert (compute_vif(2 * a, a, a) > 2.1).all()
    assert (compute_vif(a / 2, a, a) < 1.9).all()
    torch.testing.assert_close(compute_vif(255 - a, a, a), torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("level", [0, 100.3, 255])
def test_a_constant_source_has_nothing_to_lose(level: float) -> None:
    fused, a, _ = (image[:1] for image in fused_pairs())
    alone = compute_vif(fused, a, a).item() / 2
    assert compute_vif(fused, a, constant(level)).item() == pytest.approx(1 + alone)
    assert compute_vif(fused, constant(level), constant(level)).item() == 2
    assert compute_vif(constant(level), a, a).item() == pytest.approx(0, abs=1e-9)


def test_smallest_image() -> None:
    small = fused_pairs(height=41, width=41)
    assert compute_vif(*small).isfinite().all()
    with pytest.raises(InputError, match="40x41 pixels, needs at least 41x41"):
        compute_vif(*(image[..., 1:, :] for image in small))
