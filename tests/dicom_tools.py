"""What other programs say to DICOM that was written here, and the inputs these tests share."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from conftest import AFFINE, head
from pydicom.dataset import Dataset
from runs import turned
from scipy.spatial.transform import Rotation

from monai_fusion.data.dicom_common import FusedStudy
from monai_fusion.data.nifti import RGB24
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.data.synthetic_dicom import write_synthetic_series


def validate(program: str, *files: Path) -> list[str]:
    """The errors that one of dicom3tools' validators finds."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} (dicom3tools) is not installed")
    done = subprocess.run([program, *map(str, files)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def read_by_dcm2niix(series: Path, folder: Path) -> nib.Nifti1Image:
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is not installed")
    folder.mkdir()
    command = ["dcm2niix", "-z", "n", "-b", "n", "-f", "back", "-o", str(folder), str(series)]
    subprocess.run(command, check=True, capture_output=True)
    return nib.load(folder / "back.nii")


def read_by_itk(series: Path, folder: Path) -> nib.Nifti1Image:
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series))
    image = sitk.ReadImage(files if len(files) > 1 else files[0])
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 3:
        array = np.ascontiguousarray(array).view(RGB24)[..., 0]
    return nib.Nifti1Image(array.transpose(2, 1, 0), LPS_TO_RAS @ affine)


@dataclass(frozen=True)
class MovedPair:
    """An oblique MRI and a PET of it from another scanner: other study, other frame of reference, a slope a slice."""

    mri: Path
    pet: Path
    transform: Path
    matrix: np.ndarray
    """4x4, LPS: points of the MRI to those of the PET."""


def write_moved_pair(folder: Path) -> MovedPair:
    array, uptake = head((24, 28, 12))
    to_lps = LPS_TO_RAS @ turned(AFFINE)
    write_synthetic_series(folder / "mri", np.round(array), to_lps, "MR", "mri")
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [5, -8, 12], degrees=True).as_matrix()
    matrix[:3, 3] = [7, -4, 9]
    slopes = [float(slope) for slope in np.linspace(0.5, 1.6, uptake.shape[2])]
    write_synthetic_series(folder / "pet", uptake, matrix @ to_lps, "PT", "pet", slopes, study="another")
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    sitk.WriteTransform(transform, str(folder / "mri_to_pet.tfm"))
    return MovedPair(folder / "mri", folder / "pet", folder / "mri_to_pet.tfm", matrix)


def every_object(out: Path) -> list[Path]:
    """All that a run wrote for the archive."""
    return sorted((out / "dicom").rglob("*.dcm"))


def study_of(mri: Path, functional: Path, **report: Any) -> FusedStudy:
    """What the writers get of two sources, without a run; `report` adds to the report."""
    facts, meta = {}, {}
    for role, path in (("mri", mri), ("functional", functional)):
        _, meta[role] = SourceReader(role).get_data(path)
        facts[role] = json.loads(meta[role]["source"])
    model = {"name": "model", "version": "1", "sha256": "0" * 64}
    shape = tuple(int(n) for n in meta["mri"]["spatial_shape"])
    return FusedStudy.of({**facts, "model": model, **report}, "identity", meta["mri"]["affine"], shape, 2)


def window(dataset: Dataset, values: np.ndarray) -> np.ndarray:
    """The linear VOI LUT function of PS3.3 C.11.2.1.2.1, to [0, 1]."""
    center, width = float(dataset.WindowCenter), float(dataset.WindowWidth)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
