"""Reading DICOM: the right values in the right place, whatever the object."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from conftest import AFFINE, head, save_dicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, RLELossless, generate_uid

from monai_fusion.data.dicom_index import find_series
from monai_fusion.data.dicom_series import choose_series
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.synthetic_dicom import write_synthetic_series


def read(path: Path, role: str = "mri", **choice: str) -> tuple[np.ndarray, np.ndarray, dict]:
    reader = SourceReader(role, **choice)
    array, meta = reader.get_data(reader.read(str(path)))
    return array, meta["affine"], json.loads(meta["source"])


def at(array: np.ndarray, affine: np.ndarray, point: np.ndarray) -> float:
    """The voxel whose centre lies at a point (RAS, mm)."""
    index = np.linalg.inv(affine) @ [*point, 1]
    np.testing.assert_allclose(index, np.round(index), atol=1e-3)
    return float(array[tuple(np.round(index[:3]).astype(int))])


def assert_same_volume(array: np.ndarray, affine: np.ndarray, expected: np.ndarray, tolerance: float = 0.5) -> None:
    """The values of `head`-like voxels, each at its place."""
    for index in np.ndindex(4, 4, 4):
        voxel = np.array(index) * (np.array(expected.shape) - 1) // 3
        point = (AFFINE @ [*voxel, 1])[:3]
        assert abs(at(array, affine, point) - expected[tuple(voxel)]) <= tolerance


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return save_dicom(tmp_path / "mri", np.round(head()[0]), AFFINE, "MR", "mri")


def test_order_comes_from_positions_alone(series: Path) -> None:
    """File names and instance numbers shuffled, an own slice location that lies."""
    expected, affine, _ = read(series)
    rng = np.random.default_rng(0)
    files = sorted(series.iterdir())
    for file, k in zip(files, rng.permutation(len(files))):
        dataset = pydicom.dcmread(file)
        dataset.InstanceNumber, dataset.SliceLocation = int(k), float(-k)
        dataset.save_as(series / f"x{k:04d}")
        file.unlink()
    array, same, _ = read(series)
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_allclose(same, affine)
    assert_same_volume(array, affine, np.round(head()[0]))


def test_each_slice_has_its_own_slope(tmp_path: Path) -> None:
    """A slope of 1 in the first slice and fractions in the others loses nothing."""
    pet = head()[1]
    slopes = [1.0, *np.linspace(0.31, 0.77, pet.shape[2] - 1)]
    write_synthetic_series(tmp_path / "pet", pet, np.diag([-1.0, -1, 1, 1]) @ AFFINE, "PT", "pet", slopes)
    array, affine, facts = read(tmp_path / "pet", "functional")
    assert_same_volume(array, affine, pet, tolerance=0.5)  # half a stored unit of the coarsest slope
    flat = array[..., ::-1] if affine[2, 2] < 0 else array
    for k, slope in enumerate(slopes):
        assert np.abs(flat[..., k] - pet[..., k]).max() <= slope / 2 + 1e-2
    assert facts["units"] == "BQML"
    assert facts["modality"] == "PT"


@pytest.mark.parametrize("modality", ["MR", "PT"])
def test_enhanced_multiframe(modality: str, tmp_path: Path) -> None:
    """The legacy-converted enhanced object that highdicom makes of a series reads as the series does."""
    classic = {
        "MR": highdicom.legacy.LegacyConvertedEnhancedMRImage,
        "PT": highdicom.legacy.LegacyConvertedEnhancedPETImage,
    }
    folder = save_dicom(tmp_path / "classic", np.round(head()[0]), AFFINE, modality, "classic")
    expected, affine, _ = read(folder)
    enhanced = classic[modality](
        [pydicom.dcmread(f) for f in sorted(folder.iterdir())], generate_uid(), 9, generate_uid(), 1
    )
    (tmp_path / "enhanced").mkdir()
    enhanced.save_as(tmp_path / "enhanced" / "image.dcm")
    array, same, _ = read(tmp_path / "enhanced")
    np.testing.assert_allclose(same, affine, atol=1e-4)
    np.testing.assert_allclose(array, expected, rtol=1e-6)


def test_compressed_pixels(series: Path) -> None:
    expected, _, _ = read(series)
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.compress(RLELossless)
        dataset.save_as(file)
    np.testing.assert_array_equal(read(series)[0], expected)


def nm_tomogram(path: Path, array: np.ndarray, spacing_between_slices: float, kind: str = "RECON TOMO") -> Path:
    """A SPECT object: frames (slice, row, column) from a first slice at (-50, -60, 40) LPS."""
    detector = Dataset()
    detector.ImagePositionPatient = [-50, -60, 40]
    detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = NuclearMedicineImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.Modality = "NM"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    dataset.DetectorInformationSequence = [detector]
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = array.shape
    dataset.FrameIncrementPointer = [0x00540080]
    dataset.NumberOfSlices = array.shape[0]
    dataset.SliceVector = list(range(1, array.shape[0] + 1))
    dataset.PixelSpacing = [4, 3]
    dataset.SliceThickness = abs(spacing_between_slices)
    dataset.SpacingBetweenSlices = spacing_between_slices
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = array.astype(np.uint16).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("spacing", [5.0, -5.0])
def test_spect_tomogram(spacing: float, tmp_path: Path) -> None:
    """The sign of SpacingBetweenSlices says towards which side of the normal the slices follow."""
    frames = np.random.default_rng(0).integers(0, 999, (6, 8, 7))
    array, affine, facts = read(nm_tomogram(tmp_path / "nm.dcm", frames, spacing), "functional")
    assert facts["modality"] == "NM"
    for slice_, row, column in np.ndindex(6, 8, 7):
        lps = np.array([-50 + 3 * column, -60 + 4 * row, 40 + spacing * slice_])
        assert at(array, affine, lps * [-1, -1, 1]) == frames[slice_, row, column]


def test_choice_among_series(tmp_path: Path) -> None:
    mri, pet = head()
    mri_folder = save_dicom(tmp_path / "study" / "a", mri, AFFINE, "MR", "mri")
    save_dicom(tmp_path / "study" / "b", pet, AFFINE, "PT", "pet")
    (tmp_path / "study" / "README.txt").write_text("not DICOM, passed over")
    found = find_series(tmp_path / "study")
    assert [(s.modality, len(s.files)) for s in found] == [("MR", 20), ("PT", 20)]
    assert choose_series(found, None, "mri", "study")[0].modality == "MR"
    assert choose_series(found, None, "functional", "study")[0].modality == "PT"
    assert choose_series(found, "pt", "mri", "study")[0].modality == "PT"
    assert choose_series(found, found[0].uid, "functional", "study")[0].modality == "MR"
    assert [s.uid for s in find_series(mri_folder)] == [found[0].uid]
