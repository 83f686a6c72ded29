"""The Spatial Registration object, applied as the Standard says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from conftest import AFFINE, head, save_nifti
from dicom_tools import MovedPair, every_object, study_of, validate
from pydicom.dataset import Dataset
from runs import read_series, turned

import monai_fusion
from monai_fusion.data.dicom_registration import spatial_registration
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.data.synthetic_dicom import write_synthetic_series
from monai_fusion.workflow import FusionResult


@pytest.fixture(scope="module")
def result(moved_pair: MovedPair, tmp_path_factory: pytest.TempPathFactory) -> FusionResult:
    out = tmp_path_factory.mktemp("registration") / "out"
    return monai_fusion.fuse(moved_pair.mri, moved_pair.pet, out, functional_transform=moved_pair.transform)


@pytest.fixture
def out(moved_pair: MovedPair, result: FusionResult) -> Path:
    assert result.output_dir is not None
    return result.output_dir


def items_by_series(registration: Dataset, *folders: Path) -> list[Dataset]:
    """The item of the Registration Sequence that refers to the images of each folder."""
    found = []
    for folder in folders:
        wanted = {str(instance.SOPInstanceUID) for instance in read_series(folder)}
        [item] = [
            item
            for item in registration.RegistrationSequence
            if {str(image.ReferencedSOPInstanceUID) for image in item.ReferencedImageSequence} == wanted
        ]
        found.append(item)
    return found


def matrix_of(item: Dataset) -> np.ndarray:
    [registration] = item.MatrixRegistrationSequence
    [matrix] = registration.MatrixSequence
    return np.reshape([float(v) for v in matrix.FrameOfReferenceTransformationMatrix], (4, 4))


def test_matrix_takes_the_pet_to_the_mri(moved_pair: MovedPair, out: Path) -> None:
    """PS3.3 C.20.2.1.1: the matrix maps the item's frame of reference to the registered one."""
    registration = pydicom.dcmread(out / "dicom" / "registration.dcm")
    fixed, moving = items_by_series(registration, moved_pair.mri, moved_pair.pet)
    mri, pet = read_series(moved_pair.mri)[0], read_series(moved_pair.pet)[0]
    assert registration.FrameOfReferenceUID == fixed.FrameOfReferenceUID == mri.FrameOfReferenceUID
    assert moving.FrameOfReferenceUID == pet.FrameOfReferenceUID != mri.FrameOfReferenceUID
    np.testing.assert_array_equal(matrix_of(fixed), np.eye(4))
    points = np.random.default_rng(0).uniform(-100, 100, (20, 3))
    in_pet = points @ moved_pair.matrix[:3, :3].T + moved_pair.matrix[:3, 3]
    back = np.c_[in_pet, np.ones(20)] @ matrix_of(moving).T
    np.testing.assert_allclose(back[:, :3], points, atol=1e-6)
    [matrix] = moving.MatrixRegistrationSequence[0].MatrixSequence
    assert matrix.FrameOfReferenceTransformationMatrixType == "RIGID"
    assert not moving.MatrixRegistrationSequence[0].RegistrationTypeCodeSequence  # a file does not say how


def test_itk_moves_the_pet_as_the_run_did(moved_pair: MovedPair, out: Path, result: FusionResult) -> None:
    """ITK, given the source files and the object's matrix alone, finds the functional image that was fused."""
    registration = pydicom.dcmread(out / "dicom" / "registration.dcm")
    [moving] = items_by_series(registration, moved_pair.pet)
    to_pet = np.linalg.inv(matrix_of(moving))
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_pet[:3, :3].ravel().tolist())
    transform.SetTranslation(to_pet[:3, 3].tolist())
    mri, pet = (
        sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)), sitk.sitkFloat32)
        for folder in (moved_pair.mri, moved_pair.pet)
    )
    uptake = sitk.GetArrayFromImage(sitk.Resample(pet, mri, transform, sitk.sitkLinear, 0.0)).transpose(2, 1, 0)
    if result.affine[2, 2] * mri.GetDirection()[8] < 0:
        uptake = uptake[..., ::-1]
    window = result.report["intensity"]["functional"]
    expected = np.clip((uptake - window["low"]) / (window["high"] - window["low"]), 0, 1)
    np.testing.assert_allclose(result.sources["functional"][:, :, 1:-1], expected[:, :, 1:-1], atol=1e-3)


def test_both_studies_are_referred_to(moved_pair: MovedPair, out: Path) -> None:
    """SlicerRT applies a registration to the series that the object names in another study."""
    registration = pydicom.dcmread(out / "dicom" / "registration.dcm")
    mri, pet = read_series(moved_pair.mri)[0], read_series(moved_pair.pet)[0]
    [here] = registration.ReferencedSeriesSequence
    [study] = registration.StudiesContainingOtherReferencedInstancesSequence
    [there] = study.ReferencedSeriesSequence
    assert registration.StudyInstanceUID == mri.StudyInstanceUID
    assert here.SeriesInstanceUID == mri.SeriesInstanceUID
    assert (study.StudyInstanceUID, there.SeriesInstanceUID) == (pet.StudyInstanceUID, pet.SeriesInstanceUID)


def test_validators(moved_pair: MovedPair, out: Path) -> None:
    objects = every_object(out)
    assert "registration.dcm" in {path.name for path in objects}
    for path in objects:
        assert validate("dciodvfy", path) == []
    assert validate("dcentvfy", *objects, *moved_pair.mri.iterdir(), *moved_pair.pet.iterdir()) == []


def test_slices_name_the_pet_slices_they_were_computed_from(moved_pair: MovedPair, out: Path) -> None:
    """Found here from the geometry alone: those on both sides of the plane's corners, moved into the PET."""
    pet = sorted(read_series(moved_pair.pet), key=lambda i: i.InstanceNumber)
    positions = np.array([[float(v) for v in i.ImagePositionPatient] for i in pet])
    normal = np.cross(*np.reshape([float(v) for v in pet[0].ImageOrientationPatient], (2, 3)))
    depths = (positions - positions[0]) @ normal / 5.0
    np.testing.assert_allclose(depths, np.arange(12), atol=1e-6)
    for instance in read_series(out / "dicom" / "fused"):
        row, column = np.reshape([float(v) for v in instance.ImageOrientationPatient], (2, 3))
        corner = np.array([float(v) for v in instance.ImagePositionPatient])
        corners = [corner + 3 * (c * row + r * column) for c in (0, 23) for r in (0, 27)]
        in_pet = np.array(corners) @ moved_pair.matrix[:3, :3].T + moved_pair.matrix[:3, 3]
        cut = (in_pet - positions[0]) @ normal / 5.0
        low, high = np.floor(cut.min() + 2e-3), np.ceil(cut.max() - 2e-3)
        expected = {str(i.SOPInstanceUID) for k, i in enumerate(pet) if low <= k <= high}
        named = [i for i in instance.SourceImageSequence if i.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"]
        assert {str(i.ReferencedSOPInstanceUID) for i in named} == expected
        assert len(expected) < 12 or (low <= 0 and high >= 11)


@pytest.mark.parametrize(("scale", "kind"), [(1.0, "RIGID"), (1.1, "AFFINE")])
def test_registration_that_was_computed(scale: float, kind: str, moved_pair: MovedPair) -> None:
    """125024 is Image Content-based Alignment: CID 7100."""
    matrix = moved_pair.matrix @ np.diag([scale, 1, 1, 1])
    study = study_of(moved_pair.mri, moved_pair.pet, registration={"mode": kind.lower(), "matrix_lps": matrix.tolist()})
    instance = spatial_registration(study)
    assert instance is not None
    [_, moving] = items_by_series(instance, moved_pair.mri, moved_pair.pet)
    [registration] = moving.MatrixRegistrationSequence
    assert registration.RegistrationTypeCodeSequence[0].CodeValue == "125024"
    assert registration.MatrixSequence[0].FrameOfReferenceTransformationMatrixType == kind


def test_images_alone_tell_two_places_in_one_frame_of_reference(moved_pair: MovedPair, tmp_path: Path) -> None:
    """The head moved between MRI and PET: naming the frame of reference twice would say two things of one."""
    pet = tmp_path / "pet"
    write_synthetic_series(
        pet, head((24, 28, 12))[1], LPS_TO_RAS @ turned(AFFINE), "PT", "pet", frame_of_reference="mri"
    )
    study = study_of(moved_pair.mri, pet, registration={"matrix_lps": moved_pair.matrix.tolist()})
    instance = spatial_registration(study)
    assert instance is not None
    [fixed, moving] = instance.RegistrationSequence
    assert fixed.FrameOfReferenceUID == instance.FrameOfReferenceUID
    assert "FrameOfReferenceUID" not in moving
    assert len(moving.ReferencedImageSequence) == 12


def test_nifti_sources(moved_pair: MovedPair, tmp_path: Path) -> None:
    """Of a NIfTI PET there is nothing to refer to; for a NIfTI MRI the fused series stands, which lies on its grid."""
    mri, pet = head((24, 28, 12))
    transform = {"functional_transform": moved_pair.transform}
    monai_fusion.fuse(
        moved_pair.mri, save_nifti(tmp_path / "pet.nii", pet, turned(AFFINE)), tmp_path / "a", **transform
    )
    assert not (tmp_path / "a" / "dicom" / "registration.dcm").exists()

    monai_fusion.fuse(
        save_nifti(tmp_path / "mri.nii", mri, turned(AFFINE)), moved_pair.pet, tmp_path / "b", **transform
    )
    registration = pydicom.dcmread(tmp_path / "b" / "dicom" / "registration.dcm")
    fused = read_series(tmp_path / "b" / "dicom" / "fused")
    items_by_series(registration, tmp_path / "b" / "dicom" / "fused", moved_pair.pet)
    assert registration.FrameOfReferenceUID == fused[0].FrameOfReferenceUID
    for path in every_object(tmp_path / "b"):
        assert validate("dciodvfy", path) == []
    assert validate("dcentvfy", *every_object(tmp_path / "b"), *moved_pair.pet.iterdir()) == []
