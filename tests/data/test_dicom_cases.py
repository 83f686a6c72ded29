"""Every kind of DICOM: the right value at the right place of the patient, or a refusal. The rows of docs/dicom.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_cases import READ, REFUSED, Refused, Right

from monai_fusion.data.reader import SourceReader
from monai_fusion.errors import InputError

LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])
PAGE = Path(__file__).resolve().parents[2] / "docs" / "dicom.md"


def assert_same(array: np.ndarray, affine: np.ndarray, expected: np.ndarray, grid: np.ndarray) -> None:
    """Voxel for voxel at the same place, in whatever order the arrays hold them; affines in one convention."""
    assert array.size == expected.size
    between = np.linalg.inv(grid) @ affine
    index = between @ np.stack([*np.indices(array.shape).reshape(3, -1), np.ones(array.size)])
    np.testing.assert_allclose(index, np.round(index), atol=1e-3)
    at = tuple(np.round(index[:3]).astype(int))
    assert min(map(np.min, at)) >= 0
    np.testing.assert_allclose(array.ravel(), expected[at], rtol=1e-6, atol=1e-9)


def by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """As SimpleITK reads it, its affine to LPS."""
    if path.is_dir() and len(list(path.iterdir())) > 1:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        reader.SetOutputPixelType(sitk.sitkFloat64)
        image = reader.Execute()
    else:
        image = sitk.ReadImage(str(next(path.iterdir()) if path.is_dir() else path), sitk.sitkFloat64)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0), affine


def by_highdicom(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """As highdicom reads it, its affine to LPS."""
    files = list(path.iterdir()) if path.is_dir() else [path]
    datasets = [pydicom.dcmread(file) for file in files]
    if len(datasets) > 1:
        volume = highdicom.get_volume_from_series(datasets)
    else:
        volume = highdicom.Image.from_dataset(datasets[0]).get_volume()
    return volume.array, volume.affine


@pytest.mark.parametrize("make", READ.values(), ids=READ.keys())
def test_read(make: Callable[[Path], Right], tmp_path: Path) -> None:
    case = make(tmp_path)
    reader = SourceReader(case.role, **case.options)
    voxels, meta = reader.get_data(reader.read(case.path))  # type: ignore[arg-type]
    array = voxels.numpy()
    affine = LPS_TO_RAS @ meta["affine"]
    assert array.dtype == np.float32
    assert_same(array, affine, case.volume, case.grid)
    assert np.linalg.det(affine[:3, :3]) > 0
    facts = json.loads(meta["source"])
    assert {key: facts[key] for key in case.facts} == case.facts
    assert len(facts["warnings"]) == bool(case.warns), facts["warnings"]
    assert case.warns in "".join(facts["warnings"])
    for judge in case.judges:
        assert_same(array, affine, *(by_itk if judge == "itk" else by_highdicom)(case.path))  # type: ignore[arg-type]


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_refused(make: Callable[[Path], Refused], tmp_path: Path) -> None:
    case = make(tmp_path)
    reader = SourceReader(case.role, **case.options)
    with pytest.raises(InputError) as error:
        reader.get_data(reader.read(case.path))  # type: ignore[arg-type]
    for text in case.says:
        assert text in str(error.value)
    assert "\n" not in str(error.value)
    assert "Doe" not in str(error.value)
    assert "4711" not in str(error.value)


def test_the_page_has_a_row_for_each_case() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert [name for name in [*READ, *REFUSED] if name not in rows] == []
