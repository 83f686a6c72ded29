"""Where a result's slices lie, as DICOM writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

__all__ = ["decimal", "plane_attributes", "set_plane"]


def set_plane(instance: Dataset, affine: np.ndarray, k: int, frame_of_reference: str) -> None:
    """Sets the Image Plane and Frame of Reference modules of slice `k`.

    Args:
        instance: the slice.
        affine: 4x4, (column, row, slice) indices to LPS in mm.
        k: the number of the slice, from 0.
        frame_of_reference: its UID.
    """
    instance.FrameOfReferenceUID = frame_of_reference
    for keyword, values in plane_attributes(affine, k).items():
        setattr(instance, keyword, values)


def plane_attributes(affine: np.ndarray, k: int) -> dict[str, Any]:
    """The attributes of the Image Plane module, of slice `k` on a grid: see `set_plane`."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    position = affine @ [0, 0, k, 1]
    return {
        "ImageOrientationPatient": [decimal(v) for v in directions[:, :2].T.ravel()],
        "ImagePositionPatient": [decimal(v) for v in position[:3]],
        "PixelSpacing": [decimal(spacing[1]), decimal(spacing[0])],
        "SliceThickness": decimal(spacing[2]),
        "SpacingBetweenSlices": decimal(spacing[2]),
    }


def decimal(value: float) -> DSfloat:
    """A DS of at most 16 characters, without a negative zero."""
    return DSfloat(float(value) + 0.0, auto_format=True)
