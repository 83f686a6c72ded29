from __future__ import annotations

import numpy as np
import pytest
from conftest import motion

from monai_fusion.registration.similarity import mean_distance
from monai_fusion.registration.starts import MIRRORED, TURNED, first_starts, nearby_starts, wrong_starts
from monai_fusion.registration.volume import Volume


def body(height: int, shift: float) -> Volume:
    """A head of 80 mm radius on top of a body that ends after `height` slices of 4 mm; its crown is at z = 80."""
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-98 + shift, -98, 100 - 4 * height]
    index = np.stack(np.meshgrid(np.arange(50), np.arange(50), np.arange(height), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3] - [shift, 0, 0], -1, 0)
    head = x**2 + y**2 + z**2 < 80**2
    return Volume((head | ((x**2 + y**2 < 70**2) & (z < 0))).astype(np.float32), affine)


def test_crowns_and_masses_meet() -> None:
    starts = first_starts(body(45, 0), body(200, 30))
    assert np.array_equal(starts["header"], np.eye(4))
    np.testing.assert_allclose(starts["crowns of the heads"][:3, 3], [30, 0, 0], atol=5)
    masses = starts["centres of mass"][:3, 3]
    assert masses[0] == pytest.approx(30, abs=2)
    assert masses[2] < -200  # the body pulls it down, which is why the crowns are tried too
    same = first_starts(body(45, 0), body(45, 30))
    np.testing.assert_allclose(same["centres of mass"][:3, 3], [30, 0, 0], atol=1e-6)


def test_nearby_starts_lie_10_mm_and_8_degrees_away() -> None:
    center = np.array([5.0, 6, 7])
    result = motion((10, 20, 30), (1, 2, 3))
    for start in nearby_starts(result, center):
        between = np.linalg.inv(result) @ start
        assert np.rad2deg(np.arccos((np.trace(between[:3, :3]) - 1) / 2)) == pytest.approx(8)
        assert mean_distance(start, result, center[None]) == pytest.approx(10, abs=0.6)


def test_wrong_starts_keep_the_middle() -> None:
    center = np.array([5.0, 6, 7])
    result = motion((10, 20, 30), (1, 2, 3))
    starts = wrong_starts(result, center)
    for name, start in starts.items():
        assert mean_distance(start, result, center[None]) == pytest.approx(0, abs=1e-9)
        assert np.linalg.det(start) == pytest.approx(-1 if name == MIRRORED else 1)
    for name in TURNED:
        assert np.trace((np.linalg.inv(result) @ starts[name])[:3, :3]) == pytest.approx(-1)  # half a turn
