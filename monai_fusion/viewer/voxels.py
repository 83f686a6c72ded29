"""A source as it was read: its own voxels, in its own unit, and where they lie in the MRI's space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from monai_fusion.transforms.color import rgb_to_ycc
from monai_fusion.workflow import ReadPair

__all__ = ["Voxels", "is_suv", "picture_to_volume", "voxels_of"]


@dataclass(frozen=True)
class Voxels:
    """Args:
    array: ``(I, J, K)``.
    affine: 4x4, voxel index to RAS in mm, after any registration.
    unit: as it is shown; empty where it is not known.
    """

    array: np.ndarray
    affine: np.ndarray
    unit: str = ""


def voxels_of(pair: ReadPair, role: str) -> Voxels:
    """The voxels of ``"mri"`` or ``"functional"``; a picture becomes a volume of one slice, a colour one its luma."""
    image = torch.as_tensor(pair.data[role]).cpu()
    affine = np.asarray(pair.data[role].affine, dtype=np.float64)
    if image.shape[0] == 3:
        image = rgb_to_ycc(image / 255)[0] * 255
    array = image[0].numpy()
    if array.ndim == 2:
        return Voxels(picture_to_volume(array), np.eye(4), "")
    unit = "" if role == "mri" else str(pair.report[role].get("units", ""))
    return Voxels(array, affine, unit)


def picture_to_volume(picture: np.ndarray) -> np.ndarray:
    """``(H, W)`` as ``(W, H, 1)`` on RAS axes, so that an axial slice shows it as it is: x to the left, y upwards."""
    return np.ascontiguousarray(picture[::-1, ::-1].T[:, :, None])


def is_suv(unit: str) -> bool:
    """May windows in SUV be offered?"""
    return unit.startswith("SUV")
