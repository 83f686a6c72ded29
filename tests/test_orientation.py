"""Left stays left: one anatomy, stored in every way, fuses to the same picture."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from conftest import AFFINE, head, save_dicom, save_nifti
from scipy import ndimage
from scipy.spatial.transform import Rotation

import monai_fusion

ORIENTATIONS = ["RAS", "LPS", "ASR", "PIL", "SRA"]


def stored_as(array: np.ndarray, axcodes: str) -> tuple[np.ndarray, np.ndarray]:
    """The volume of `head` with its axes in another order and direction, and the affine (to RAS) that says so."""
    image = nib.Nifti1Image(array, AFFINE)
    orientation = nib.orientations.axcodes2ornt(axcodes)
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), orientation))
    return np.asarray(turned.dataobj), turned.affine


def on_ras(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The volume sampled at the voxel centres of `head`, in RAS."""
    image = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-3)
    return np.asarray(image.dataobj)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("expected")
    mri, pet = head()
    pair = save_nifti(folder / "mri.nii.gz", mri), save_nifti(folder / "pet.nii.gz", pet)
    return monai_fusion.fuse(*pair, axis="axial").fused


def test_the_phantom_is_asymmetric(expected: np.ndarray) -> None:
    for axis in range(3):
        assert np.abs(expected - np.flip(expected, axis)).max() > 0.2


@pytest.mark.parametrize("axcodes", ORIENTATIONS)
def test_nifti(axcodes: str, tmp_path: Path, expected: np.ndarray) -> None:
    mri, pet = head()
    result = monai_fusion.fuse(
        save_nifti(tmp_path / "mri.nii.gz", *stored_as(mri, axcodes)),
        save_nifti(tmp_path / "pet.nii.gz", *stored_as(pet, "LPS")),
        axis="axial",
    )
    assert nib.aff2axcodes(result.affine) == tuple(axcodes)
    np.testing.assert_allclose(on_ras(result.fused, result.affine), expected, atol=1e-4)


@pytest.mark.parametrize("axcodes", ["LPS", "ASR", "LAI"])
def test_dicom(axcodes: str, tmp_path: Path, expected: np.ndarray) -> None:
    mri, pet = head()
    result = monai_fusion.fuse(
        save_dicom(tmp_path / "mri", *stored_as(np.round(mri), axcodes), "MR", "mri"),
        save_dicom(tmp_path / "pet", *stored_as(np.round(pet), "LPS"), "PT", "pet"),
        output_dir=tmp_path / "out",
        axis="axial",
    )
    np.testing.assert_allclose(on_ras(result.fused, result.affine), expected, atol=3e-3)  # stored as integers

    folder = str(tmp_path / "out" / "dicom" / "fused")
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    stored = sitk.GetArrayFromImage(image).transpose(2, 1, 0) / 4095
    np.testing.assert_allclose(on_ras(stored, np.diag([-1.0, -1, 1, 1]) @ affine), expected, atol=3e-3)


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_oblique(kind: str, tmp_path: Path, expected: np.ndarray) -> None:
    """The PET on a grid turned by 12 degrees and finer: the same anatomy to within interpolation."""
    mri, pet = head()
    angle = np.deg2rad(12)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = turn @ np.diag([2.0, 2.0, 2.5, 1.0])
    shape = np.array((84, 96, 48))
    oblique[:3, 3] = -oblique[:3, :3] @ (shape - 1) / 2 + AFFINE[:3, :3] @ (np.array(pet.shape) - 1) / 2 + AFFINE[:3, 3]
    to_index = np.linalg.inv(AFFINE) @ oblique
    turned = ndimage.affine_transform(pet, to_index[:3, :3], to_index[:3, 3], tuple(shape), order=1)
    if kind == "nifti":
        functional = save_nifti(tmp_path / "pet.nii.gz", turned, oblique)
    else:
        functional = save_dicom(tmp_path / "pet", turned, oblique, "PT", "pet")
    same = {"axis": "axial", "functional_unit": "native", "functional_window": [0, 20000]}
    result = monai_fusion.fuse(save_nifti(tmp_path / "mri.nii.gz", mri), functional, **same)
    straight = monai_fusion.fuse(tmp_path / "mri.nii.gz", save_nifti(tmp_path / "s.nii.gz", pet), **same)
    inside = ndimage.binary_erosion(pet > 0, iterations=2) & ~ndimage.binary_dilation(pet == 20000, iterations=2)
    difference = np.abs(result.fused - straight.fused)
    assert difference[inside].max() < 0.02  # interpolated twice
    flipped = np.abs(np.flip(result.fused, 0) - straight.fused)
    assert flipped[inside].mean() > 5 * difference[inside].mean()


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_an_oblique_scan(kind: str, tmp_path: Path, expected: np.ndarray) -> None:
    """Both volumes turned in space by 15 and 10 degrees, voxels untouched: the same voxels come out."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xz", [15, 10], degrees=True).as_matrix()
    pair = [
        save_nifti(tmp_path / f"{name}.nii.gz", array, turn @ AFFINE)
        if kind == "nifti"
        else save_dicom(tmp_path / name, np.round(array), turn @ AFFINE, modality, name)
        for name, array, modality in zip(("mri", "pet"), head(), ("MR", "PT"))
    ]
    result = monai_fusion.fuse(*pair, axis="axial")
    straightened = np.linalg.inv(turn) @ result.affine
    np.testing.assert_allclose(on_ras(result.fused, straightened), expected, atol=3e-3)


def test_a_mirrored_affine_is_followed(tmp_path: Path) -> None:
    """SPECT stored mirrored in x, as SPM's template is: left stays left."""
    mri, pet = head()
    mirror = np.diag([-1.0, 1, 1, 1])
    mirror[0, 3] = pet.shape[0] - 1
    results = [
        monai_fusion.fuse(
            save_nifti(tmp_path / "mri.nii.gz", mri), save_nifti(tmp_path / f"{name}.nii.gz", array, affine)
        ).fused
        for name, array, affine in (("straight", pet, AFFINE), ("mirrored", pet[::-1], AFFINE @ mirror))
    ]
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)
