from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs
from scipy import signal

from monai_fusion.metrics import compute_gmsd


def plain_gmsd(a: np.ndarray, b: np.ndarray) -> float:
    """The paper's Matlab program in SciPy."""
    prewitt = np.array([[1, 0, -1]] * 3) / 3
    strengths = []
    for image in (a, b):
        mean = signal.convolve2d(image, np.full((2, 2), 0.25), mode="full")[1:, 1:][::2, ::2]
        x, y = (signal.convolve2d(mean, kernel, mode="same") for kernel in (prewitt, prewitt.T))
        strengths.append(np.sqrt(x**2 + y**2))
    m, n = strengths
    return float(np.std((2 * m * n + 170) / (m**2 + n**2 + 170)))


@pytest.mark.parametrize("size", [(60, 72), (61, 71)])
def test_is_the_papers_program(size: tuple[int, int]) -> None:
    images = fused_pairs(height=size[0], width=size[1])
    expected = [plain_gmsd(f, a) + plain_gmsd(f, b) for f, a, b in arrays(images)]
    np.testing.assert_allclose(compute_gmsd(*images), expected, rtol=1e-9)


def test_a_copy_deviates_by_nothing() -> None:
    fused, a, _ = fused_pairs()
    torch.testing.assert_close(compute_gmsd(a, a, a), torch.zeros(3, dtype=torch.float64))
    assert (compute_gmsd(fused, a, a) > compute_gmsd(0.9 * a, a, a)).all()
    assert compute_gmsd(constant(0), constant(0), constant(0)).item() == 0
