"""The presentation state, applied as the Standard says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from conftest import AFFINE, SUV_BW, head, save_dicom, save_nifti
from dicom_tools import MovedPair, every_object, study_of, validate, window
from pydicom.dataset import Dataset
from runs import read_series, turned

import monai_fusion
from monai_fusion.data.dicom_blending import blending_obstacle
from monai_fusion.transforms.color import color_table
from monai_fusion.workflow import FusionResult


@pytest.fixture(scope="module")
def result(moved_pair: MovedPair, tmp_path_factory: pytest.TempPathFactory) -> FusionResult:
    transform = {"functional_transform": moved_pair.transform}
    out = tmp_path_factory.mktemp("blending") / "out"
    return monai_fusion.fuse(
        moved_pair.mri, moved_pair.pet, out, presentation_state=True, color_map="hot_iron", **transform
    )


@pytest.fixture
def state(result: FusionResult) -> Dataset:
    assert result.output_dir is not None
    return pydicom.dcmread(result.output_dir / "dicom" / "blending.dcm")


@pytest.mark.parametrize(("position", "role"), [("UNDERLYING", "mri"), ("SUPERIMPOSED", "functional")])
def test_grey_scale_of_each_source(
    position: str, role: str, moved_pair: MovedPair, result: FusionResult, state: Dataset
) -> None:
    """Stored values through rescale and window of the state give what the run made of the values: [0, 1]."""
    series = read_series(moved_pair.mri if role == "mri" else moved_pair.pet)
    unit = SUV_BW if role == "functional" else 1.0
    low, high = (result.report["intensity"][role][end] / unit for end in ("low", "high"))
    [item] = [item for item in state.BlendingSequence if item.BlendingPosition == position]
    [referred] = item.ReferencedSeriesSequence
    assert (item.StudyInstanceUID, referred.SeriesInstanceUID) == (
        series[0].StudyInstanceUID,
        series[0].SeriesInstanceUID,
    )
    uids = {str(instance.SOPInstanceUID) for instance in series}
    assert {str(image.ReferencedSOPInstanceUID) for image in referred.ReferencedImageSequence} == uids
    for instance in series:
        [lut] = [
            lut
            for lut in item.SoftcopyVOILUTSequence
            if "ReferencedImageSequence" not in lut
            or lut.ReferencedImageSequence[0].ReferencedSOPInstanceUID == instance.SOPInstanceUID
        ]
        stored = instance.pixel_array.astype(np.float64)
        shown = window(lut, stored * float(item.RescaleSlope) + float(item.RescaleIntercept))
        values = stored * float(instance.get("RescaleSlope", 1)) + float(instance.get("RescaleIntercept", 0))
        np.testing.assert_allclose(shown, np.clip((values - low) / (high - low), 0, 1), atol=1e-9)


def test_colours(state: Dataset) -> None:
    """The palette is hot iron, 16 bits."""
    for name, expected in zip(("Red", "Green", "Blue"), color_table("hot_iron").numpy().T):
        assert list(state[f"{name}PaletteColorLookupTableDescriptor"].value) == [256, 0, 16]
        curve = np.frombuffer(state[f"{name}PaletteColorLookupTableData"].value, "<u2")
        np.testing.assert_allclose(curve / 65535, expected, atol=1e-5)


def test_refers_to_the_registration(state: Dataset, result: FusionResult) -> None:
    assert result.output_dir is not None
    registration = pydicom.dcmread(result.output_dir / "dicom" / "registration.dcm")
    [study] = state.ReferencedSpatialRegistrationSequence
    [series] = study.ReferencedSeriesSequence
    assert study.StudyInstanceUID == registration.StudyInstanceUID
    assert series.SeriesInstanceUID == registration.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == registration.SOPInstanceUID


def test_validators(moved_pair: MovedPair, result: FusionResult) -> None:
    assert result.output_dir is not None
    objects = every_object(result.output_dir)
    assert "blending.dcm" in {path.name for path in objects}
    for path in objects:
        assert validate("dciodvfy", path) == []
    assert validate("dcentvfy", *objects, *moved_pair.mri.iterdir(), *moved_pair.pet.iterdir()) == []


def test_one_frame_of_reference_needs_no_registration(tmp_path: Path) -> None:
    mri, pet = (np.round(volume) for volume in head((24, 28, 8)))
    pair = save_dicom(tmp_path / "m", mri, AFFINE, "MR", "m"), save_dicom(tmp_path / "p", pet, AFFINE, "PT", "p")
    monai_fusion.fuse(*pair, tmp_path / "out", presentation_state=True)
    state = pydicom.dcmread(tmp_path / "out" / "dicom" / "blending.dcm")
    assert "ReferencedSpatialRegistrationSequence" not in state
    assert validate("dciodvfy", tmp_path / "out" / "dicom" / "blending.dcm") == []


def test_where_there_can_be_none_the_report_says_why(moved_pair: MovedPair, tmp_path: Path) -> None:
    """A NIfTI file cannot be referred to."""
    pet = save_nifti(tmp_path / "pet.nii", head((24, 28, 12))[1], turned(AFFINE))
    options = {"functional_transform": moved_pair.transform, "presentation_state": True}
    result = monai_fusion.fuse(moved_pair.mri, pet, tmp_path / "out", **options)
    assert not (tmp_path / "out" / "dicom" / "blending.dcm").exists()
    assert "no blending presentation state" in result.report["warnings"][-1]


def test_two_frames_of_reference_need_a_registration(moved_pair: MovedPair) -> None:
    assert "no registration" in str(blending_obstacle(study_of(moved_pair.mri, moved_pair.pet)))
    registration = {"matrix_lps": moved_pair.matrix.tolist()}
    assert blending_obstacle(study_of(moved_pair.mri, moved_pair.pet, registration=registration)) is None


def test_one_window_cannot_be_told_of_an_suv_that_differs_from_slice_to_slice(moved_pair: MovedPair) -> None:
    study = study_of(moved_pair.mri, moved_pair.pet, registration={"matrix_lps": moved_pair.matrix.tolist()})
    study.report["functional"]["suv"] = {"factor": {"min": 1.0, "max": 1.1}}
    assert "SUV" in str(blending_obstacle(study))
