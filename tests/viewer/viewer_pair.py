"""A small pair with a lesion of known uptake, for the viewer's tests, and the session that opens it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import SUV_BW, save_dicom

from monai_fusion.viewer.addresses import Addresses
from monai_fusion.viewer.case import Case, Choice, open_case
from monai_fusion.viewer.images import find_images
from monai_fusion.viewer.session import Session

MRI_AFFINE = np.array([[3.0, 0, 0, -70], [0, 3.0, 0, -80], [0, 0, 4.0, -40], [0, 0, 0, 1]])
PET_AFFINE = np.array([[4.0, 0, 0, -70], [0, 4.0, 0, -80], [0, 0, 4.0, -40], [0, 0, 0, 1]])
MRI_SHAPE, PET_SHAPE = (48, 52, 20), (36, 40, 20)

#: In the patient's left front: RAS mm, mm, Bq/ml of the lesion and of the brain around it.
LESION, LESION_RADIUS, LESION_UPTAKE, BRAIN_UPTAKE = np.array([-30.0, 24.0, 4.0]), 14.0, 42_000, 9_000
LESION_SUV, BRAIN_SUV = LESION_UPTAKE * SUV_BW, BRAIN_UPTAKE * SUV_BW
NAME = "PLANTED^NAME"


def _points(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def volumes() -> tuple[np.ndarray, np.ndarray]:
    """MRI and PET of an ellipsoid head, the PET with the lesion."""
    mri_points, pet_points = _points(MRI_SHAPE, MRI_AFFINE), _points(PET_SHAPE, PET_AFFINE)
    x, y, z = np.moveaxis(mri_points, -1, 0)
    mri = np.where((x / 60) ** 2 + (y / 68) ** 2 + (z / 60) ** 2 < 1, 500 + 2 * x + y + 40 * np.sin(z / 8), 0)
    x, y, z = np.moveaxis(pet_points, -1, 0)
    pet = np.where((x / 60) ** 2 + (y / 68) ** 2 + (z / 60) ** 2 < 1, BRAIN_UPTAKE, 0)
    pet[np.linalg.norm(pet_points - LESION, axis=-1) < LESION_RADIUS] = LESION_UPTAKE
    return np.rint(mri).astype(np.float32), pet.astype(np.float32)


def write_pair(folder: Path, changed: int = 0) -> tuple[Path, Path]:
    """Two DICOM series; `changed` is added to the PET in three slices of the middle."""
    mri, pet = volumes()
    pet[..., 9:12] += np.where(pet[..., 9:12] > 0, changed, 0)
    name = f"pair {changed}"
    return (
        save_dicom(folder / "mri", mri, MRI_AFFINE, "MR", f"{name} mri"),
        save_dicom(folder / "pet", pet, PET_AFFINE, "PT", f"{name} pet"),
    )


def new_session(folder: Path) -> Session:
    folder.mkdir()
    return Session("a session", folder, Addresses())


def open_pair(mri: Path, functional: Path, folder: Path) -> Case:
    [first], [second] = find_images(mri), find_images(functional)
    return open_case(Choice(first, second), folder, lambda fraction, text: None)
