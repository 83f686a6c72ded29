from __future__ import annotations

import numpy as np
import pytest
from conftest import motion

from monai_fusion.registration.coverage import coverage, cut_off
from monai_fusion.registration.volume import Volume

CENTRED = np.diag([2.0, 2.0, 2.0, 1.0])
CENTRED[:3, 3] = -63


def ball(radius: float) -> Volume:
    x, y, z = np.meshgrid(*[np.arange(64) * 2 - 63.0] * 3, indexing="ij")
    return Volume((x**2 + y**2 + z**2 < radius**2).astype(np.float32), CENTRED)


@pytest.mark.parametrize("shift", [0.0, 20.0, 30.0])
def test_coverage_of_two_balls(shift: float) -> None:
    """The volume of a lens of two balls of radius r, d apart: pi (4 r + d) (2 r - d)^2 / 12."""
    lens = np.pi * (4 * 40 + shift) * (2 * 40 - shift) ** 2 / 12
    found = coverage(ball(40), ball(40), motion((0, 0, 0), (shift, 0, 0)))
    assert found == pytest.approx(lens / (4 / 3 * np.pi * 40**3), abs=0.03)


def test_what_the_mri_does_not_show_does_not_count() -> None:
    """A body in the functional image, a slab of its head in the MRI."""
    slab = Volume(
        ball(40).array[:, :, 28:36], CENTRED @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 28], [0, 0, 0, 1]])
    )
    assert coverage(slab, ball(40), np.eye(4)) == 1
    assert coverage(ball(40), ball(40), motion((0, 0, 0), (500, 0, 0))) == 0


@pytest.mark.parametrize("missing", ["zero", "not there"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_a_head_is_cut_off(missing: str, axis: int) -> None:
    """A ball of 35 mm in a head of 45 mm ends in its largest cross section; a whole one nowhere in more than a cap."""
    half = (slice(None),) * axis + (slice(32, None),)
    array, affine = ball(35).array.copy(), CENTRED.copy()
    if missing == "zero":
        array[(slice(None),) * axis + (slice(0, 32),)] = 0
    else:
        array = array[half]
        affine[axis, 3] += 64
    assert cut_off(ball(45), Volume(array, affine), np.eye(4)) > 0.9
    cap = (35**2 - 29**2) / 35**2  # the cross section 6 mm below the pole
    assert cut_off(ball(45), ball(35), np.eye(4)) == pytest.approx(cap, abs=0.1)


def test_the_end_of_the_mri_is_no_cut() -> None:
    half = Volume(ball(45).array[32:], CENTRED @ np.array([[1, 0, 0, 32], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    cut = Volume(ball(45).array[32:], half.affine)
    assert cut_off(half, cut, np.eye(4)) < 0.4
