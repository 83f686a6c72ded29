from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor

from monai_fusion.errors import InputError
from monai_fusion.transforms.pair import overlap
from monai_fusion.transforms.registration import read_itk_transform


def volume(affine: np.ndarray, shape: tuple[int, ...]) -> MetaTensor:
    return MetaTensor(torch.zeros(1, *shape), affine=affine)


@pytest.mark.parametrize(("shift", "share"), [(0.0, 1.0), (50.0, 0.5), (25.0, 0.75), (200.0, 0.0)])
def test_overlap(shift: float, share: float) -> None:
    """Two cubes of 100 mm, one moved along an axis."""
    moved = np.diag([2.0, 2, 2, 1])
    moved[:3, 3] = [shift + 0.5, 0.5, 0.5]
    assert overlap(volume(np.eye(4), (100,) * 3), volume(moved, (50,) * 3)) == pytest.approx(share, abs=0.04)


def test_overlap_of_a_turned_square() -> None:
    """A square turned by 45 degrees covers 2 (sqrt 2 - 1) of itself."""
    turned = np.eye(4)
    turned[:2, :2] = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    turned[:2, 3] = 50 - turned[:2, :2] @ [50, 50]
    square = (101, 101, 9)
    assert overlap(volume(np.eye(4), square), volume(turned, square)) == pytest.approx(2 * (2**0.5 - 1), abs=0.03)


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_itk_transform(suffix: str, tmp_path: Path) -> None:
    """A rotation about a centre that is not the origin, as ITK itself maps points."""
    transform = sitk.Euler3DTransform((10.0, -20.0, 30.0), 0.1, -0.2, 0.3, (4.0, 5.0, -6.0))
    path = tmp_path / f"t{suffix}"
    sitk.WriteTransform(transform, str(path))
    matrix = read_itk_transform(path)
    for point in ([0.0, 0, 0], [50.0, -7, 12]):
        np.testing.assert_allclose((matrix @ [*point, 1])[:3], list(transform.TransformPoint(point)), atol=1e-9)


def test_a_nonlinear_transform_is_refused(tmp_path: Path) -> None:
    sitk.WriteTransform(sitk.BSplineTransform(3), str(tmp_path / "t.tfm"))
    with pytest.raises(InputError, match="not a rigid or affine transform"):
        read_itk_transform(tmp_path / "t.tfm")
