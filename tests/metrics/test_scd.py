from __future__ import annotations

import numpy as np
import torch
from fusion_pairs import arrays, constant, fused_pairs

from monai_fusion.metrics import compute_scd


def test_is_numpys() -> None:
    images = fused_pairs()
    expected = [
        np.corrcoef((f - b).ravel(), a.ravel())[0, 1] + np.corrcoef((f - a).ravel(), b.ravel())[0, 1]
        for f, a, b in arrays(images)
    ]
    np.testing.assert_allclose(compute_scd(*images), expected, rtol=1e-12)


def test_the_sum_of_the_sources_is_best() -> None:
    _, a, b = fused_pairs()
    torch.testing.assert_close(compute_scd(a + b, a, b), torch.full((3,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(compute_scd(-a - b, -a, -b), torch.full((3,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(compute_scd(255 - a, a, 0 * b), -torch.ones(3, dtype=torch.float64))


def test_constant_images_and_differences_count_nothing() -> None:
    _, a, b = (image[:1] for image in fused_pairs())
    assert compute_scd(constant(3), constant(3), constant(200)).item() == 0
    left = np.corrcoef((b - a).numpy().ravel(), b.numpy().ravel())[0, 1]
    np.testing.assert_allclose(compute_scd(b, a, b), left)  # F - B is black
    faint = (b / 255 + 0.1).float()  # F - B is 0.1 but for rounding
    np.testing.assert_allclose(
        compute_scd(faint * 255, (a / 255).float() * 255, (b / 255).float() * 255), left, rtol=1e-5
    )
