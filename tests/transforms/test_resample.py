from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import ResampleToMatch
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from monai_fusion.transforms.resample import ResampleOntod


def volume(shape: tuple[int, ...], spacing: tuple[float, ...], turn: float, shift: float) -> MetaTensor:
    """Noise on a grid about the origin."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [turn, -turn, 2 * turn], degrees=True).as_matrix() * spacing
    affine[:3, 3] = shift - affine[:3, :3] @ (np.array(shape) - 1) / 2
    values = torch.rand(1, *shape, generator=torch.Generator().manual_seed(len(shape)))
    return MetaTensor(values, affine=torch.from_numpy(affine), meta={"slice_axis": 2})


@pytest.mark.parametrize("turn", [0, 11, 180])
@pytest.mark.parametrize("shift", [0, 7.3, 1000])
def test_as_monai_and_scipy(turn: float, shift: float) -> None:
    mri, pet = volume((23, 20, 17), (1, 1.1, 1.6), 4, 0), volume((12, 13, 9), (2, 2, 3), turn, shift)
    mri.meta["name"] = "mri"
    found = ResampleOntod("functional", "mri")({"mri": mri, "functional": pet})["functional"]
    assert found.meta["name"] == "mri"
    assert torch.equal(found.affine, mri.affine)
    matrix = np.linalg.inv(pet.affine.numpy()) @ mri.affine.numpy()
    exact = affine_transform(pet[0].double().numpy(), matrix, output_shape=mri.shape[1:], order=1, mode="grid-constant")
    np.testing.assert_allclose(found[0].numpy(), exact, atol=2e-5)
    assert (exact.max() == 0) == (shift == 1000)
    monai = ResampleToMatch(mode="bilinear", padding_mode="zeros", dtype=torch.float32)(pet, mri)
    torch.testing.assert_close(found.as_tensor(), monai.as_tensor(), atol=5e-5, rtol=0)


def test_pictures_stay() -> None:
    picture = MetaTensor(torch.rand(1, 5, 6), meta={})
    found = ResampleOntod("functional", "mri")({"mri": MetaTensor(torch.zeros(1, 5, 6)), "functional": picture})
    assert torch.equal(found["functional"].as_tensor(), picture.as_tensor())
