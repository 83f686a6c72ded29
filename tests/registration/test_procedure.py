"""Whole registrations of a small head with known truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import motion, moved, textured_pair

from monai_fusion.registration import Registration, register
from monai_fusion.registration.procedure import match
from monai_fusion.registration.similarity import mean_distance
from monai_fusion.registration.starts import MIRRORED, TURNED
from monai_fusion.registration.volume import Volume

TRUTH = motion((8, -5, 10), (12, -15, 9))
PATIENT = 600.0  # seconds, for a busy machine
FLIP = np.diag([-1.0, 1, 1, 1])


def error_mm(found: Registration, truth: np.ndarray = TRUTH) -> float:
    mri, _, affine = textured_pair()
    head = Volume.reduced(mri, affine)
    return mean_distance(found.matrix_lps, truth, head.points(head.mask))


@pytest.fixture(scope="module")
def found() -> Registration:
    mri, pet, affine = textured_pair()
    return register(mri, affine, pet, moved(affine, TRUTH), timeout=PATIENT)


def test_a_known_motion_is_found(found: Registration) -> None:
    assert error_mm(found) < 0.5  # an eighth of a voxel
    assert (found.verdict, found.reasons) == ("good", [])
    np.testing.assert_allclose(found.matrix_lps[:3, :3] @ found.matrix_lps[:3, :3].T, np.eye(3), atol=1e-9)
    assert found.moved_mm == pytest.approx(error_mm(found, np.eye(4)), rel=0.01)


def test_the_report_is_complete(found: Registration) -> None:
    report = json.loads(json.dumps(found.report(), allow_nan=False))
    assert set(report) == {
        *("mode", "rule", "matrix_lps", "similarity", "coverage", "verdict", "reasons"),
        *("cut_off", "restarts_mm", "alternatives", "scales", "start", "moved_mm", "seconds", "parameters"),
    }
    assert report["mode"] == "rigid"
    assert np.array_equal(report["matrix_lps"], found.matrix_lps)
    assert 1 < report["similarity"]["before"] < report["similarity"]["after"] < 2
    assert 0.95 < report["coverage"] <= 1
    assert len(report["restarts_mm"]) == 2
    assert set(report["alternatives"]) == {MIRRORED, *TURNED}


def test_a_mirrored_image_is_found_out() -> None:
    mri, pet, affine = textured_pair()
    wrong = register(mri, affine, pet, FLIP @ moved(affine, TRUTH), timeout=PATIENT)
    assert wrong.verdict == "failed"
    assert wrong.reasons[0] == f"the functional image matches better {MIRRORED}"


def test_an_affine_one_begins_where_it_is_told() -> None:
    """Far from where the headers are: stretched by 4 % and stored upside down."""
    mri, pet, affine = textured_pair()
    truth = TRUTH @ np.diag([1.04, -1, -0.97, 1])
    start = motion((4, -9, 10), (18, -15, 3)) @ np.diag([1.0, -1, -1, 1])
    found = register(mri, affine, pet, moved(affine, truth), "affine", start=start, timeout=PATIENT)
    assert found.verdict == "good"
    assert found.start == "given"
    assert error_mm(found, truth) < 0.8
    assert found.report()["scales"] == pytest.approx([1.04, 1.0, 0.97], abs=0.01)


def test_a_transform_from_elsewhere_is_rated(found: Registration) -> None:
    mri, pet, affine = textured_pair()
    numbers = match(mri, affine, pet, moved(affine, TRUTH), found.matrix_lps)
    assert numbers == {name: found.report()[name] for name in ("similarity", "coverage")}
    inverse = match(mri, affine, pet, moved(affine, TRUTH), np.linalg.inv(TRUTH))
    assert inverse["similarity"]["after"] < inverse["similarity"]["before"]


def test_modes() -> None:
    mri, pet, affine = textured_pair()
    with pytest.raises(ValueError, match="choose rigid or affine"):
        register(mri, affine, pet, affine, "elastic")  # type: ignore[arg-type]
