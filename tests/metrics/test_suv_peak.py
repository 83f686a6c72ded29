"""SUVpeak against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from monai_fusion.metrics.suv_peak import PEAK_RADIUS_MM, suv_peak


def radii(shape: tuple[int, ...], spacing: tuple[float, ...], center: tuple[int, ...]) -> np.ndarray:
    """Distance in mm of each voxel from one of them."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return np.linalg.norm((index - center) * spacing, axis=-1)


def test_a_cubic_centimetre() -> None:
    assert 4 / 3 * np.pi * PEAK_RADIUS_MM**3 == pytest.approx(1000)
    assert pytest.approx(12.4, abs=0.01) == 2 * PEAK_RADIUS_MM


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 3.0), (4.07, 4.07, 5.0)])
def test_one_hot_voxel_counts_by_its_volume(spacing: tuple[float, ...]) -> None:
    """Whole in the sphere, it adds value * volume / 1 cm3."""
    volume = np.full((21, 23, 25), 2.0)
    volume[12, 9, 11] += 50
    peak, index = suv_peak(volume, np.diag([*spacing, 1]))
    assert peak == pytest.approx(2 + 50 * np.prod(spacing) / 1000, rel=0.01)
    assert np.linalg.norm((np.array(index) - [12, 9, 11]) * spacing) < PEAK_RADIUS_MM


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.1, 1.5)])
def test_a_round_lesion(spacing: tuple[float, ...]) -> None:
    """Of 10 - r²/50 the mean over the sphere is 10 - 3/5 R²/50; voxels hold it at their centres."""
    volume = 10 - radii((41, 35, 31), spacing, (20, 17, 15)) ** 2 / 50
    peak, index = suv_peak(volume, np.diag([*spacing, 1]))
    assert index == (20, 17, 15)
    assert peak == pytest.approx(10 - 0.6 * PEAK_RADIUS_MM**2 / 50, abs=0.01)


def test_a_lesion_smaller_than_the_sphere() -> None:
    """SUVmax 8, and in the sphere as much of it as the lesion's share of 1 cm³: here a quarter."""
    hot = radii((41, 41, 41), (0.5, 0.5, 0.5), (20, 20, 20)) < 4
    assert hot.sum() * 0.5**3 == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.03)
    peak, _ = suv_peak(8.0 * hot, np.diag([0.5, 0.5, 0.5, 1]))
    assert peak == pytest.approx(8 * hot.sum() * 0.5**3 / 1000, rel=0.005)


def test_only_within_the_region() -> None:
    volume = np.zeros((40, 40, 40))
    volume[5:15, 5:15, 5:15] = 5
    volume[24:38, 24:38, 24:38] = 9
    region = np.zeros(volume.shape, dtype=bool)
    region[8:12, 8:12, 8:12] = True
    peak, index = suv_peak(volume, np.diag([2.0, 2, 2, 1]), region)
    assert peak == pytest.approx(5)
    assert region[index]
    assert suv_peak(volume, np.diag([2.0, 2, 2, 1]))[0] == pytest.approx(9)


def test_at_the_edge_the_part_within_counts() -> None:
    assert suv_peak(np.full((9, 9, 2), 3.0), np.diag([2.0, 2, 4, 1]))[0] == pytest.approx(3)


def test_a_turned_grid_changes_nothing() -> None:
    volume = np.random.default_rng(0).random((15, 16, 17))
    affine = np.diag([3.0, 2.5, 4.0, 1])
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("xyz", [20, -30, 40], degrees=True).as_matrix()
    peak, (i, j, k) = suv_peak(volume, affine)
    for same, grid, index in (
        (volume, turned @ affine, (i, j, k)),
        (volume[::-1], affine @ np.diag([-1, 1, 1, 1]), (14 - i, j, k)),
        (volume.transpose(2, 0, 1), affine[:, [2, 0, 1, 3]], (k, i, j)),
    ):
        again, there = suv_peak(same, grid)
        assert again == pytest.approx(peak)
        assert there == index


def test_an_empty_region() -> None:
    with pytest.raises(ValueError, match="empty"):
        suv_peak(np.ones((5, 5, 5)), np.eye(4), np.zeros((5, 5, 5)))
