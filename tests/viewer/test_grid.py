"""The display grid against nibabel and MONAI, and what travels against the sources."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import ResampleToMatch
from runs import turned

from monai_fusion.viewer.grid import Grid, Scale, as_displayed
from monai_fusion.viewer.voxels import Voxels, picture_to_volume

RNG = np.random.default_rng(0)
STORED = {
    "RAS": np.diag([1.0, 1.2, 3.0, 1.0]),
    "LPS": np.diag([-1.0, -1.2, 3.0, 1.0]),
    "sagittal": np.array([[0, 0, 1.3, -60], [-1.0, 0, 0, 50], [0, -1.1, 0, 40], [0, 0, 0, 1]]),
    "oblique": turned(np.diag([-1.0, -1.2, 3.0, 1.0])),
}


@pytest.mark.parametrize("name", STORED)
def test_turns_as_nibabel_does(name: str) -> None:
    volume = RNG.random((5, 6, 7)).astype(np.float32)
    wanted = nib.as_closest_canonical(nib.Nifti1Image(volume, STORED[name]))
    grid = Grid((5, 6, 7), STORED[name])
    assert np.array_equal(grid.turn(volume), wanted.get_fdata(dtype=np.float32))
    assert np.allclose(grid.affine, wanted.affine)
    assert grid.shape == wanted.shape
    assert np.allclose(grid.spacing, wanted.header.get_zooms())


@pytest.mark.parametrize("name", STORED)
def test_resamples_as_the_bundle_does(name: str) -> None:
    """MONAI's step of the bundle, away from the border, where the two treat half a voxel differently."""
    functional = RNG.random((12, 14, 9)).astype(np.float32)
    affine = turned(np.diag([2.1, -2.2, 3.0, 1.0]))
    to_ras = STORED[name].copy()
    to_ras[:3, 3] = -to_ras[:3, :3] @ [4.5, 4, 3.5]  # one centre
    affine[:3, 3] = -affine[:3, :3] @ [5.5, 6.5, 4]
    grid = Grid((10, 9, 8), to_ras)
    got = grid.resample(Voxels(functional, affine))
    resample = ResampleToMatch(mode="bilinear", padding_mode="zeros", dtype=torch.float64)
    moving = MetaTensor(torch.from_numpy(functional)[None], affine=torch.from_numpy(affine))
    fixed = MetaTensor(torch.zeros((1, *grid.shape)), affine=torch.from_numpy(grid.affine))
    wanted = resample(moving, fixed)[0].numpy()
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    inside = index @ (np.linalg.inv(affine) @ grid.affine)[:3, :3].T + (np.linalg.inv(affine) @ grid.affine)[:3, 3]
    well = ((inside >= 0) & (inside <= np.array(functional.shape) - 1)).all(axis=-1)
    far = ((inside < -1) | (inside > np.array(functional.shape))).any(axis=-1)
    assert well.sum() > 20
    assert np.allclose(got[well], wanted[well], atol=1e-4)
    assert not got[far].any()


def test_values_come_back() -> None:
    whole = RNG.integers(0, 4000, (5, 6, 7)).astype(np.float32)
    scale = Scale.of(whole, resampled=False)
    assert scale == Scale(1.0, 0.0)
    stored = np.frombuffer(scale.store(whole), "<u2").reshape((5, 6, 7), order="F")  # x fastest
    assert np.array_equal(stored, whole)
    real = RNG.normal(3, 5, (5, 6, 7)).astype(np.float32)
    scale = Scale.of(real, resampled=True)
    stored = np.frombuffer(scale.store(real), "<u2").reshape((5, 6, 7), order="F")
    assert np.abs(stored * scale.slope + scale.intercept - real).max() <= scale.slope * 0.51
    assert Scale.of(real + 100, resampled=True).intercept == 0  # zeros come in from outside


def test_a_picture_is_shown_as_it_is() -> None:
    picture = RNG.random((4, 6)).astype(np.float32)
    volume = picture_to_volume(picture)
    assert volume.shape == (6, 4, 1)
    assert np.array_equal(as_displayed(volume, 2, 0), picture)


def test_right_is_on_the_left_of_the_screen() -> None:
    volume = np.zeros((5, 6, 7), dtype=np.float32)
    volume[4, 5, 6] = 1  # right, front, head
    assert as_displayed(volume, 2, 6)[0, 0] == 1
    assert as_displayed(volume, 1, 5)[0, 0] == 1
    assert as_displayed(volume, 0, 4)[0, 0] == 1
