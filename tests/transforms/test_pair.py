from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_fusion.transforms.pair import overlap


def grid(affine: np.ndarray, *shape: int) -> MetaTensor:
    return MetaTensor(torch.zeros(1, *shape), affine=torch.from_numpy(affine))


@pytest.mark.parametrize(("shift", "share"), [(0.0, 1.0), (50.0, 0.5), (25.0, 0.75), (200.0, 0.0)])
def test_overlap(shift: float, share: float) -> None:
    """Two cubes of 100 mm, one moved along an axis."""
    moved = np.diag([2.0, 2, 2, 1])
    moved[:3, 3] = [shift + 0.5, 0.5, 0.5]
    assert overlap(grid(np.eye(4), 100, 100, 100), grid(moved, 50, 50, 50)) == pytest.approx(share, abs=0.04)


def test_overlap_of_a_turned_square() -> None:
    """A square turned by 45 degrees covers 2 (sqrt 2 - 1) of itself."""
    turned = np.eye(4)
    turned[:2, :2] = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    turned[:2, 3] = 50 - turned[:2, :2] @ [50, 50]
    shape = (101, 101, 9)
    assert overlap(grid(np.eye(4), *shape), grid(turned, *shape)) == pytest.approx(2 * (2**0.5 - 1), abs=0.03)
