"""One image as it was read: voxels, geometry, and the facts about it that the report keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion.data.zip_file import open_file
from monai_fusion.errors import InputError

__all__ = ["LPS_TO_RAS", "Source", "check_affine", "facts_of", "hash_files", "join_hashes", "name_of"]

#: DICOM's and ITK's patient axes point to Left, Posterior, Superior; NIfTI's and MONAI's to Right, Anterior, Superior.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass
class Source:
    """An image and where it lies.

    Args:
        array: voxels in the image's own units: ``(I, J, K)`` for a volume, ``(H, W)`` or ``(H, W, 3)`` for a picture.
        affine: 4x4, voxel index to patient coordinates in mm, **RAS** (NIfTI's convention; DICOM's LPS is converted
            where it is read); identity for a picture.
        slice_axis: the axis along which slices were acquired, or None for a picture.
        facts: what the report says about the source, JSON values only. ``kind`` is ``"nifti"``, ``"dicom"`` or
            ``"picture"``.
    """

    array: np.ndarray
    affine: np.ndarray
    slice_axis: int | None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        return self.array.shape[:2] if self.slice_axis is None else self.array.shape

    def check(self, name: str) -> None:
        """Refuses what no later step can make a right picture of.

        Args:
            name: the file or series, for the message.

        Raises:
            InputError: NaN or infinite voxels, one single value, fewer than 3 pixels a side, or an affine that is
                singular or has a zero spacing.
        """
        if 0 in self.spatial_shape or sum(size >= 3 for size in self.spatial_shape) < 2:
            shape = "x".join(str(size) for size in self.spatial_shape)
            raise InputError(f"{name}: its size is {shape}; fusion needs slices of at least 3x3 pixels")
        check_affine(self.affine, name)
        bad = self.array.size - int(np.isfinite(self.array).sum())
        if bad:
            raise InputError(
                f"{name}: {bad} of {self.array.size} voxels are NaN or infinite; "
                "replace them first (for example with numpy.nan_to_num)"
            )
        if self.array.min() == self.array.max():
            raise InputError(
                f"{name}: every voxel has the value {self.array.flat[0]:g}, so there is nothing to fuse; "
                "choose another image"
            )


def check_affine(affine: np.ndarray, name: str) -> None:
    """Refuses an affine that places no voxels: it is asked before anything is computed from the affine.

    Raises:
        InputError: it holds NaN or infinity, has a zero spacing, or is singular.
    """
    if not np.isfinite(affine).all():
        raise InputError(f"{name}: its affine holds NaN or infinity; repair the header")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if (spacing < 1e-6).any():
        raise InputError(f"{name}: a voxel spacing is zero; repair the header")
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise InputError(f"{name}: its affine is singular (two axes point the same way); repair the header")


def name_of(meta: dict[str, Any], otherwise: object) -> str:
    """What `LoadImage` read into a ``MetaTensor``, for messages; `otherwise` where it was not read from a file."""
    return str(meta.get("filename_or_obj", otherwise))


def facts_of(meta: dict[str, Any]) -> dict[str, Any]:
    """The facts that `SourceReader` put into a ``MetaTensor``'s metadata (as JSON: MONAI's collate keeps text whole).

    Raises:
        InputError: the tensor was not loaded by `SourceReader`.
    """
    if "source" not in meta:
        raise InputError("the image was not loaded by monai_fusion.data.SourceReader; use it as LoadImaged's reader")
    facts: dict[str, Any] = json.loads(meta["source"])
    return facts


def hash_files(files: Iterable[Path]) -> str:
    """SHA-256 of a set of files, also within a zip: of the file for one, of all digests for several.

    Names and order do not count.
    """
    digests = []
    for file in files:
        digest = hashlib.sha256()
        with open_file(file) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        digests.append(digest.hexdigest())
    return join_hashes(digests)


def join_hashes(digests: Sequence[str]) -> str:
    """What `hash_files` makes of the SHA-256 of each file."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
