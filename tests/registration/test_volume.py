from __future__ import annotations

import nibabel as nib
import numpy as np
from conftest import motion, moved
from nibabel.processing import resample_from_to
from scipy import ndimage

from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.registration.volume import Volume


def test_reducing_keeps_everything_in_its_place() -> None:
    """nibabel finds the same values at the coarse voxels of a smooth oblique volume of thick slices."""
    rng = np.random.default_rng(0)
    fine = ndimage.gaussian_filter(rng.normal(size=(64, 60, 12)), (8, 8, 2)).astype(np.float32)
    affine = moved(
        np.array([[0, 0, 5.0, -30], [0.9, 0, 0, -20], [0, -0.5, 0, 14], [0, 0, 0, 1]]), motion((9, 5, 7), (3, 2, 1))
    )
    coarse = Volume.reduced(fine, affine)
    assert coarse.array.shape == (32, 15, 12)
    np.testing.assert_allclose(coarse.spacing, [1.8, 2.0, 5.0])
    target = (coarse.array.shape, LPS_TO_RAS @ coarse.affine)
    expected = resample_from_to(nib.Nifti1Image(fine, affine), target, order=1).get_fdata()
    inner = (slice(1, -1),) * 3
    assert abs(coarse.array - expected)[inner].max() < 0.03 * np.ptp(fine)


def test_outliers_are_clipped() -> None:
    array = np.random.default_rng(0).normal(100, 10, (40, 40, 40)).astype(np.float32)
    array[3, 4, 5] = 1e6
    assert Volume.reduced(array, np.diag([2.0, 2, 2, 1])).array.max() < 140


def test_the_mask_is_a_ball() -> None:
    x, y, z = np.mgrid[-35:35, -35:35, -150:150]
    ball = ((x * 2) ** 2 + (y * 2) ** 2 + (z * 2.0) ** 2 < 50**2).astype(np.float32)
    mask = Volume(ball, np.diag([2.0, 2, 2, 1])).mask
    assert mask.shape == ball.shape  # thinned out inside, along z
    assert abs(mask.sum() * 8 / (4 / 3 * np.pi * 50**3) - 1) < 0.05
