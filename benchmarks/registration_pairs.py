"""The data sets that registration is measured on: pairs of known or unknown truth, and what can be wrong with them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from monai_fusion.data.phantom import motion_matrix, write_demo_pair
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.registration.volume import Volume

__all__ = ["HARD", "MAIN", "PAIRS", "WRONG", "Pair", "displacement"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
MOST_MM, MOST_DEGREES = 30.0, 20.0


@dataclass(frozen=True)
class Pair:
    """An MRI and a functional image, affines to RAS, and the true transform from one to the other (LPS), if known."""

    name: str
    mri: np.ndarray
    mri_affine: np.ndarray
    functional: np.ndarray
    functional_affine: np.ndarray
    truth: np.ndarray | None

    @cached_property
    def targets(self) -> np.ndarray:
        head = Volume.reduced(self.mri, self.mri_affine)
        return head.points(head.mask)[::50]

    @cached_property
    def middle(self) -> np.ndarray:
        """Of the functional image's mask, LPS."""
        functional = Volume.reduced(self.functional, self.functional_affine)
        return functional.points(functional.mask).mean(axis=0)

    def displaced(self, motion: np.ndarray) -> Pair:
        """The functional image moved in space by a 4x4 in LPS; its voxels stay as they are."""
        affine = LPS_TO_RAS @ motion @ LPS_TO_RAS @ self.functional_affine
        return replace(self, functional_affine=affine, truth=None if self.truth is None else motion @ self.truth)


def spm(functional: str) -> Pair:
    mri, uptake = (nib.load(SHARED / "volumes" / f"{name}.nii.gz") for name in ("T1", functional))
    arrays = (image.get_fdata(dtype=np.float32) for image in (mri, uptake))
    return Pair(f"SPM {functional}", next(arrays), mri.affine, next(arrays), uptake.affine, None)


def demo() -> Pair:
    with tempfile.TemporaryDirectory() as folder:
        files = write_demo_pair(Path(folder))
        return Pair("demo", *read(files.mri, "mri"), *read(files.functional, "functional"), motion_matrix())


def siemens() -> Pair:
    mri, affine = read(SHARED / "dicom" / "siemens_prisma_t1_sag", "mri")
    return Pair("Siemens series", mri, affine, *functional_of(mri, affine), np.eye(4))


def read(path: Path, role: Any) -> tuple[np.ndarray, np.ndarray]:
    reader = SourceReader(role=role)
    array, meta = reader.get_data(reader.read(str(path)))
    return np.asarray(array, dtype=np.float32), np.asarray(meta["affine"])


def functional_of(mri: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An uptake that rises and falls with the MRI's intensity, blurred by 6 mm, on voxels of 2 mm, with noise."""
    head = Volume(mri, affine).mask
    level = np.clip(mri / np.percentile(mri[head], 99), 0, 1)
    uptake = (head * (0.15 + np.sin(np.pi * level**1.3))).astype(np.float32)
    uptake = ndimage.gaussian_filter(uptake, 6 / np.sqrt(8 * np.log(2)) / np.linalg.norm(affine[:3, :3], axis=0))
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in mri.shape], [1])).reshape(4, -1)
    corners = (affine @ ends)[:3]
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    grid[:3, 3] = corners.min(axis=1) - 8
    shape = tuple(np.ceil((np.ptp(corners, axis=1) + 16) / 2).astype(int))
    index = np.linalg.inv(affine) @ grid
    uptake = ndimage.affine_transform(uptake, index[:3, :3], index[:3, 3], output_shape=shape, order=1)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), 1.0)
    return (uptake + 0.15 * np.sqrt(uptake.clip(0)) * noise / noise.std()).clip(0), grid


def displacement(seed: int, center: np.ndarray) -> np.ndarray:
    """A turn of up to 20 degrees about any axis through the head's middle, and a shift of up to 30 mm, LPS."""
    rng = np.random.default_rng(seed)
    axis, shift = rng.normal(size=3), rng.normal(size=3)
    turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.deg2rad(rng.uniform(0, MOST_DEGREES))).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = center - turn @ center + shift / np.linalg.norm(shift) * rng.uniform(0, MOST_MM)
    return matrix


def about(center: np.ndarray, signs: tuple[float, float, float]) -> np.ndarray:
    matrix = np.diag([*signs, 1.0])
    matrix[:3, 3] = center - np.array(signs) * center
    return matrix


def mirrored(pair: Pair, seed: int) -> Pair:
    return pair.displaced(about(pair.middle, (-1, 1, 1)))


def turned(pair: Pair, seed: int) -> Pair:
    return pair.displaced(about(pair.middle, [(1, -1, -1), (-1, 1, -1), (-1, -1, 1)][seed % 3]))


def noise(pair: Pair, seed: int) -> Pair:
    values = np.random.default_rng(seed).normal(size=pair.functional.shape)
    return replace(pair, functional=np.abs(ndimage.gaussian_filter(values, 1.5)).astype(np.float32))


def trunk(pair: Pair, seed: int) -> Pair:
    """A body with lungs, liver, heart, spine and kidneys, in the field of view of the PET."""
    rng = np.random.default_rng(seed)
    shape = pair.functional.shape
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    points = index @ pair.functional_affine[:3, :3].T + pair.functional_affine[:3, 3]
    points = points - points.reshape(-1, 3).mean(axis=0) + rng.uniform(-10, 10, 3)
    uptake = np.zeros(shape)
    organs = [  # middle and half axes in mm, uptake
        ((0, 0, 0), (140, 95, 1e4), 1.0),
        ((65, 0, 60), (48, 70, 110), 0.35),
        ((-65, 0, 60), (48, 70, 110), 0.35),
        ((-20, 25, 20), (35, 35, 40), 4.0),
        ((60, 5, -70), (70, 70, 55), 2.5),
        ((0, -65, 0), (18, 18, 1e4), 1.6),
        ((50, -50, -110), (22, 20, 40), 6.0),
        ((-50, -50, -110), (22, 20, 40), 6.0),
    ]
    for middle, axes, value in organs:
        size = np.array(axes) * rng.uniform(0.85, 1.15, 3)
        uptake[(((points - middle) / size) ** 2).sum(axis=-1) < 1] = value
    uptake = ndimage.gaussian_filter(uptake, 1.2)
    return replace(pair, functional=(uptake + 0.1 * rng.normal(size=shape)).clip(0).astype(np.float32))


def halved(pair: Pair, seed: int) -> Pair:
    """Half of the head is missing: voxels set to zero, or (odd seeds) not there at all."""
    axis, side = seed % 3, seed // 3 % 2
    plane = ndimage.center_of_mass(Volume(pair.functional, pair.functional_affine).mask)[axis]
    keep = [slice(None)] * 3
    keep[axis] = slice(None, round(plane)) if side else slice(round(plane), None)
    if seed % 2:
        affine = pair.functional_affine.copy()
        affine[:3, 3] += affine[:3, axis] * (keep[axis].start or 0)
        return replace(pair, functional=pair.functional[tuple(keep)], functional_affine=affine)
    functional = np.zeros_like(pair.functional)
    functional[tuple(keep)] = pair.functional[tuple(keep)]
    return replace(pair, functional=functional)


def slab(pair: Pair, seed: int) -> Pair:
    """Of the MRI 4 cm are there."""
    affine = pair.mri_affine.copy()
    affine[:3, 3] += 35 * affine[:3, 2]
    return replace(pair, mri=pair.mri[:, :, 35:55], mri_affine=affine)


def oblique(pair: Pair, seed: int) -> Pair:
    """An MRI of 1x1x6 mm on a grid turned by 25 and 15 degrees."""
    affine = np.diag([1.0, 1.0, 6.0, 1.0])
    affine[:3, :3] = Rotation.from_euler("xz", [25, 15], degrees=True).as_matrix() @ affine[:3, :3]
    shape = (180, 220, 26)
    affine[:3, 3] = np.array([0, -18, 18]) - affine[:3, :3] @ (np.array(shape) / 2)
    index = np.linalg.inv(pair.mri_affine) @ affine
    thick = ndimage.gaussian_filter(pair.mri, (0, 0, 1))
    mri = ndimage.affine_transform(thick, index[:3, :3], index[:3, 3], output_shape=shape, order=1)
    return replace(pair, mri=mri, mri_affine=affine)


#: How far from the MRI's header `whole_body` has the head: LPS mm.
WHOLE_BODY_SHIFT = np.array([0.0, 0.0, -700.0])


def whole_body(pair: Pair, seed: int) -> Pair:
    """A trunk of 40 cm hangs on the PET, 70 cm from where the MRI's header has it."""
    pad, slices, height = 40, 300, pair.functional.shape[2]
    top = float(pair.functional.max())
    shape = (*(np.array(pair.functional.shape[:2]) + 2 * pad), slices)
    x, y, z = np.meshgrid(*[np.arange(n) - n // 2 for n in shape[:2]], np.arange(slices), indexing="ij")
    below = slices - height - 20
    body = np.zeros(shape, dtype=np.float32)
    body[((x / 80) ** 2 + (y / 50) ** 2 < 1) & (z < below)] = 0.35 * top
    body[((x - 30) / 20) ** 2 + (y / 25) ** 2 + ((z - 90) / 30) ** 2 < 1] = 1.2 * top
    body[((x + 25) / 15) ** 2 + (y / 20) ** 2 + ((z - 150) / 20) ** 2 < 1] = 1.5 * top
    body[((x / 28) ** 2 + ((y + 10) / 28) ** 2 < 1) & (z >= below) & (z < below + 28)] = 0.3 * top
    body = ndimage.gaussian_filter(body, 1.5)
    head = (slice(pad, -pad), slice(pad, -pad), slice(slices - height, None))
    body[head] = np.maximum(body[head], pair.functional)
    affine = pair.functional_affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [pad, pad, slices - height] - WHOLE_BODY_SHIFT
    return replace(pair, functional=body, functional_affine=affine)


HARD: dict[str, Callable[[Pair, int], Pair]] = {
    "MRI of 4 cm": slab,
    "oblique MRI of 1x1x6 mm": oblique,
    "whole-body PET": whole_body,
}

WRONG: dict[str, Callable[[Pair, int], Pair]] = {
    "mirrored": mirrored,
    "turned": turned,
    "noise": noise,
    "trunk": trunk,
    "half a head": halved,
}

PAIRS: dict[str, Callable[[], Pair]] = {
    "SPM PET": partial(spm, "PET"),
    "demo": demo,
    "Siemens series": siemens,
    "SPM SPECT": partial(spm, "SPECT"),
}
MAIN = list(PAIRS)[:3]
