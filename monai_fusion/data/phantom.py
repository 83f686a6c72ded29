"""The demo's MRI/PET pair: a head with known truth.

Made on the spot from the MNI152 T1 template and the grey and white matter maps that the nilearn package ships: the MRI
is the template, the PET an FDG-like uptake with grey to white matter 4:1, one hot and one cold lesion, a scanner's blur
and noise. The PET was "scanned" with the head in another position, in a frame of reference of its own: without the
known motion (or a registration) the two do not match.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from monai.utils import optional_import
from scipy import ndimage
from scipy.spatial.transform import Rotation

from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.data.synthetic_dicom import write_synthetic_series
from monai_fusion.data.transform_file import write_itk_transform
from monai_fusion.errors import InputError

__all__ = ["COLD_LESION", "HOT_LESION", "MOTION", "DemoPair", "Lesion", "write_demo_pair"]


@dataclass(frozen=True)
class Lesion:
    """A sphere in the uptake: centre in RAS of the MRI in mm, diameter in mm, SUV."""

    center: tuple[float, float, float]
    diameter: float
    suv: float


HOT_LESION = Lesion((-38.0, 34.0, 22.0), 12.0, 16.0)
COLD_LESION = Lesion((44.0, -50.0, 40.0), 16.0, 1.0)

#: Degrees about x, y, z and the shift in mm (LPS) that carry a point of the head from the MRI to the PET scanner.
MOTION = ((4.0, -3.0, 7.0), (6.0, -9.0, 5.0))

_SUV_GREY, _SUV_WHITE = 8.0, 2.0
_BQML_PER_SUV = 370e6 * 2 ** (-3600 / 6586.2) / 70e3  # dose decayed for an hour, over the weight in grams
_PET_FWHM_MM, _NOISE_FWHM_MM = 5.0, 4.0
_PET_SHAPE, _PET_SPACING_MM = (112, 112, 72), (2.3, 2.3, 2.5)
_MR_MAX = 1000
_TWIST_MM, _HEAD_LENGTH_MM, _HEAD_WIDTH_MM = 4.0, 180.0, 140.0


@dataclass(frozen=True)
class DemoPair:
    """Where `write_demo_pair` wrote: two DICOM folders, and the ITK transform from the MRI to the PET."""

    mri: Path
    functional: Path
    transform: Path


def motion_matrix() -> np.ndarray:
    """`MOTION` as 4x4, LPS: points of the MRI to points of the PET."""
    angles, shift = MOTION
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def write_demo_pair(folder: Path, seed: int = 0) -> DemoPair:
    """Writes ``mri/``, ``pet/`` and ``mri_to_pet.tfm``.

    Args:
        folder: made here; files of an earlier run are written over.
        seed: of the noise.

    Raises:
        InputError: nilearn is not installed.
    """
    t1, uptake, affine = _head()
    rng = np.random.default_rng(seed)
    pair = DemoPair(folder / "mri", folder / "pet", folder / "mri_to_pet.tfm")

    mri = t1 / t1.max() * _MR_MAX
    mri = np.hypot(mri + rng.normal(0, 8, mri.shape), rng.normal(0, 8, mri.shape))
    mri = mri[::-1, ::-1, ::2]  # columns to the left, rows to the back, slices of 2 mm to the head
    turn = np.diag([-1.0, -1.0, 2.0, 1.0])
    turn[:2, 3] = np.array(t1.shape[:2]) - 1
    write_synthetic_series(pair.mri, mri, LPS_TO_RAS @ affine @ turn, "MR", "demo T1")

    pet, pet_affine = _scan_pet(uptake, affine, rng)
    slopes = np.maximum(pet.max(axis=(0, 1)), 1.0) / 32767
    write_synthetic_series(pair.functional, pet, pet_affine, "PT", "demo FDG PET", slopes=[float(s) for s in slopes])
    write_itk_transform(pair.transform, motion_matrix())
    return pair


def _head() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1 and uptake (SUV) of 1 mm, and their affine to RAS."""
    datasets, found = optional_import("nilearn.datasets")
    if not found:
        raise InputError("the demo needs nilearn's templates; pip install 'monai-fusion[demo]'")
    template = datasets.load_mni152_template(resolution=1)
    grey = np.asarray(datasets.load_mni152_gm_template(resolution=1).dataobj)
    white = np.asarray(datasets.load_mni152_wm_template(resolution=1).dataobj)
    affine = np.asarray(template.affine)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grey.shape], indexing="ij"), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    t1, grey, white = _twisted([np.asarray(template.dataobj), grey, white], points, affine)
    uptake = _SUV_GREY * grey + _SUV_WHITE * white
    for lesion in (HOT_LESION, COLD_LESION):
        uptake[np.linalg.norm(points - lesion.center, axis=-1) < lesion.diameter / 2] = lesion.suv
    return t1.clip(0), uptake, affine


def _twisted(volumes: list[np.ndarray], points: np.ndarray, affine: np.ndarray) -> list[np.ndarray]:
    """The template is its own mirror image, which no head is, and which no registration can tell from its mirror image.

    As in most brains the right frontal and the left occipital lobe reach further out and across the midline.

    Args:
        volumes: ``(I, J, K)``.
        points: ``(I, J, K, 3)``, RAS in mm, of their voxels.
        affine: 4x4, voxel index to RAS in mm.
    """
    source = points.copy()
    source[..., 0] += _TWIST_MM * np.sin(np.pi * points[..., 1] / _HEAD_LENGTH_MM)
    source[..., 1] -= _TWIST_MM * points[..., 0] / (_HEAD_WIDTH_MM / 2)
    index = np.moveaxis((source - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T, -1, 0)
    return [ndimage.map_coordinates(volume, index, order=1) for volume in volumes]


def _scan_pet(uptake: np.ndarray, affine: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The moved uptake in Bq/ml on the PET's grid (column, row, slice), and that grid's affine to LPS."""
    blurred = ndimage.gaussian_filter(uptake, _fwhm_to_sigma(_PET_FWHM_MM))
    spacing, shape = np.array(_PET_SPACING_MM), np.array(_PET_SHAPE)
    center = motion_matrix() @ LPS_TO_RAS @ affine @ [*(np.array(uptake.shape) - 1) / 2, 1]
    pet_affine = np.diag([*spacing, 1.0])
    pet_affine[:3, 3] = np.round(center[:3] - spacing * (shape - 1) / 2, 1)
    to_head = np.linalg.inv(LPS_TO_RAS @ affine) @ np.linalg.inv(motion_matrix()) @ pet_affine
    pet = ndimage.affine_transform(blurred, to_head[:3, :3], to_head[:3, 3], output_shape=_PET_SHAPE, order=1)
    noise = ndimage.gaussian_filter(rng.normal(size=pet.shape), _fwhm_to_sigma(_NOISE_FWHM_MM) / spacing)
    pet += 0.25 * np.sqrt(pet.clip(0)) * noise / noise.std()
    return pet.clip(0) * _BQML_PER_SUV, pet_affine


def _fwhm_to_sigma(fwhm: float) -> float:
    return fwhm / np.sqrt(8 * np.log(2))
