from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs
from scipy import ndimage

from monai_fusion.metrics import compute_qabf


def plain_qabf(fused: np.ndarray, *sources: np.ndarray) -> float:
    """Xydeas' and Petrovic's measure by SciPy's Sobel filter."""

    def sobel(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = (ndimage.sobel(image, axis, mode="constant") for axis in (1, 0))
        return np.hypot(x, y), np.where(x == 0, np.pi / 2, np.arctan(-y / np.where(x == 0, 1, x)))

    strength_f, angle_f = sobel(fused)
    kept = present = 0.0
    for source in sources:
        strength, angle = sobel(source)
        larger = np.maximum(strength, strength_f)
        ratio = np.divide(np.minimum(strength, strength_f), larger, where=larger > 0, out=np.zeros_like(larger))
        ratio[strength == strength_f] = np.inf  # as published
        alike = 1 - abs(angle - angle_f) * 2 / np.pi
        quality = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5))) * 0.9879 / (1 + np.exp(-22 * (alike - 0.8)))
        kept += (quality * strength).sum()
        present += strength.sum()
    return kept / present


def test_is_the_plain_formula() -> None:
    images = fused_pairs()
    np.testing.assert_allclose(compute_qabf(*images), [plain_qabf(*triple) for triple in arrays(images)], rtol=1e-9)


def test_a_copy_has_the_highest_value() -> None:
    _, a, _ = fused_pairs()
    best = 0.9994 * 0.9879 / (1 + math.exp(-22 * 0.2))
    torch.testing.assert_close(compute_qabf(a, a, a), torch.full((3,), best, dtype=torch.float64))
    torch.testing.assert_close(compute_qabf(a, a, constant(0).expand_as(a)), compute_qabf(a, a, a))


def test_half_the_contrast_is_the_middle_of_the_sigmoid() -> None:
    _, a, _ = fused_pairs()
    half = 0.9994 / 2 * 0.9879 / (1 + math.exp(-22 * 0.2))
    torch.testing.assert_close(compute_qabf(a / 2, a, a), torch.full((3,), half, dtype=torch.float64))


def test_no_edges() -> None:
    fused, a, _ = (image[:1] for image in fused_pairs())
    assert compute_qabf(fused, constant(0), constant(0)).item() == 0
    assert compute_qabf(constant(0), a, a).item() == pytest.approx(0, abs=1e-3)
    assert compute_qabf(constant(9), constant(9), constant(9)).item() > 0.97  # the outside of an image is black
