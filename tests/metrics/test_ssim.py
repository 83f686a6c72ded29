from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import Triple, arrays, constant, fused_pairs
from monai.metrics.regression import compute_ssim_and_cs
from skimage.metrics import structural_similarity

from monai_fusion.metrics import FusionSSIM, compute_ssim


@pytest.mark.parametrize("data_range", [2.0, 255.0])
def test_is_scikit_images(data_range: float) -> None:
    images = fused_pairs()
    expected = [
        sum(structural_similarity(f, source, data_range=data_range) for source in (a, b)) for f, a, b in arrays(images)
    ]
    np.testing.assert_allclose(compute_ssim(*images, data_range=data_range), expected, rtol=1e-9)


def monai_ssim(images: Triple, data_range: float, k2: float) -> torch.Tensor:
    fused, a, b = images
    maps = [
        compute_ssim_and_cs(fused, source, 2, (7, 7), (1.5, 1.5), data_range, "uniform", 0.01, k2)[0]
        for source in (a, b)
    ]
    return sum(m.double().mean(dim=(1, 2, 3)) for m in maps)


def test_monais_is_the_same_but_for_its_biased_variances() -> None:
    """A smaller c2 makes up for them: c2 stands beside 2 cov 49/48, so c2 48/49 beside 2 cov."""
    images = fused_pairs()
    torch.testing.assert_close(
        compute_ssim(*images), monai_ssim(images, 255, 0.03 * (48 / 49) ** 0.5), rtol=2e-5, atol=0
    )
    torch.testing.assert_close(compute_ssim(*images), monai_ssim(images, 255, 0.03), rtol=1e-3, atol=0)


def test_bright_flat_ground_with_range_2() -> None:
    """Where float32 fails: c2 is 0.0036, the rounding error of the squares' mean as large."""
    fused, a, b = ((image + 100).clamp(max=255) for image in fused_pairs())
    expected = [sum(structural_similarity(f, s, data_range=2) for s in (x, y)) for f, x, y in arrays((fused, a, b))]
    np.testing.assert_allclose(compute_ssim(fused, a, b, data_range=2), expected, rtol=1e-8)
    np.testing.assert_allclose(compute_ssim(fused.float(), a.float(), b.float(), data_range=2), expected, rtol=1e-6)


def test_closed_forms() -> None:
    _, a, _ = fused_pairs()
    torch.testing.assert_close(compute_ssim(a, a, a), torch.full((3,), 2.0, dtype=torch.float64))
    c1 = (0.01 * 255) ** 2
    luminance = [(2 * 60 * level + c1) / (60**2 + level**2 + c1) for level in (0, 180)]
    value = compute_ssim(constant(60), constant(0), constant(180))
    torch.testing.assert_close(value, torch.tensor([sum(luminance)], dtype=torch.float64))
    assert compute_ssim(constant(0), constant(0), constant(0), data_range=2).item() == 2


def test_class_passes_its_data_range_on() -> None:
    fused, a, b = fused_pairs()
    value = FusionSSIM(data_range=2)(fused, torch.cat([a, b], dim=1))
    assert isinstance(value, torch.Tensor)
    torch.testing.assert_close(value[:, 0], compute_ssim(fused, a, b, data_range=2))
