from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.slices import SlicePlan, slice_axis_of

ALL_ORIENTATIONS = [
    "".join(pair[flip] for pair, flip in zip(order, flips))
    for order in itertools.permutations([("L", "R"), ("P", "A"), ("I", "S")])
    for flips in itertools.product((0, 1), repeat=3)
]


def affine_of(axcodes: str, spacing: tuple[float, float, float] = (1, 1, 1)) -> np.ndarray:
    """An affine whose array axes run towards the named sides, with a spacing for each array axis."""
    affine = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(axcodes), (2, 2, 2))
    affine = np.linalg.inv(affine)
    affine[:3, :3] *= spacing
    return affine


@pytest.mark.parametrize("axcodes", ALL_ORIENTATIONS)
@pytest.mark.parametrize(("axis", "sides"), [("axial", "RLAP"), ("coronal", "RLHF"), ("sagittal", "APHF")])
def test_every_orientation_is_shown_alike(axcodes: str, axis: str, sides: str) -> None:
    """A turned slice holds, at its left, right, top and bottom, the patient's sides that the letters say."""
    shape = (4, 5, 6)
    affine = affine_of(axcodes)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"))
    world = np.einsum("ab,bijk->aijk", affine[:3, :3], index) + affine[:3, 3, None, None, None]
    plan = SlicePlan.for_volume(affine, axis)
    shown = plan.take(torch.from_numpy(world), 0, shape[plan.axis]).numpy()  # slices, RAS, rows, columns
    towards = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "H": (2, 1), "F": (2, -1)}
    left, right, top, bottom = plan.letters(affine)
    assert left + right + top + bottom == sides
    for low, high, dim in ((left, right, 3), (top, bottom, 2)):
        a, sign = towards[high]
        assert towards[low] == (a, -sign)
        assert (np.diff(shown[:, a] * sign, axis=dim - 1) > 0).all()


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SAR", "PIR"])
def test_put_undoes_take(axcodes: str) -> None:
    volume = torch.rand(2, 4, 5, 6)
    for axis in (0, 1, 2):
        plan = SlicePlan.for_volume(affine_of(axcodes), axis)
        back = torch.zeros_like(volume)
        for start in range(0, volume.shape[axis + 1], 2):
            plan.put(plan.take(volume, start, min(start + 2, volume.shape[axis + 1])), back, start)
        assert torch.equal(back, volume)


def test_affine_of_the_turned_volume() -> None:
    shape = (4, 5, 6)
    affine = affine_of("PIR", (1.0, 2.0, 3.0))
    plan = SlicePlan.for_volume(affine, "sagittal")
    marked = torch.zeros(1, *shape)
    marked[0, 1, 2, 3] = 1
    k, _, row, column = (int(v) for v in torch.nonzero(plan.take(marked, 0, shape[plan.axis]))[0])
    np.testing.assert_allclose(plan.affine(affine, shape) @ [column, row, k, 1], affine @ [1, 2, 3, 1])


def test_acquisition_axis() -> None:
    assert slice_axis_of(np.diag([5.0, 1, 1, 1])) == 0
    assert slice_axis_of(affine_of("SAR")) == 0  # isotropic: axial
    assert SlicePlan.for_volume(np.diag([1.0, 1, 5, 1]), acquired=1).axis == 1
    with pytest.raises(InputError, match="choose acquisition, sagittal, coronal, axial"):
        SlicePlan.for_volume(np.eye(4), "diagonal")
