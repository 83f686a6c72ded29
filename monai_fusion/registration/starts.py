"""Where registrations begin: the places where the images may match, and the ones where they must not."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from monai_fusion.registration.volume import Volume

__all__ = ["MIRRORED", "TURNED", "first_starts", "nearby_starts", "wrong_starts"]

_HEAD_HEIGHT_MM = 150.0
_NEARBY_MM, _NEARBY_DEGREES = 10.0, 8.0

MIRRORED = "mirrored left to right"
TURNED = {
    "turned by 180 degrees about the left-right axis": (1.0, -1.0, -1.0),
    "turned by 180 degrees about the front-back axis": (-1.0, 1.0, -1.0),
    "turned by 180 degrees about the head-foot axis": (-1.0, -1.0, 1.0),
}


def first_starts(fixed: Volume, moving: Volume) -> dict[str, np.ndarray]:
    """The headers as they are; mass on mass; crown on crown, for a head in one image and a body in the other.

    Returns:
        Name and transform, 4x4, LPS, mm, fixed to moving.
    """
    masses = [_center_of_mass(volume) for volume in (fixed, moving)]
    crowns = [_crown(volume) for volume in (fixed, moving)]
    return {
        "header": np.eye(4),
        "centres of mass": _shift(masses[1] - masses[0]),
        "crowns of the heads": _shift(crowns[1] - crowns[0]),
    }


def nearby_starts(matrix: np.ndarray, center: np.ndarray) -> list[np.ndarray]:
    """Two starts around a transform, 10 mm and 8 degrees away from it in opposite directions.

    Args:
        matrix: 4x4, fixed to moving.
        center: of the head, in the fixed image, in mm.
    """
    axis = np.array([1.0, -1.0, 1.0]) / np.sqrt(3)
    starts = []
    for sign in (1, -1):
        turn = Rotation.from_rotvec(sign * np.deg2rad(_NEARBY_DEGREES) * axis).as_matrix()
        starts.append(matrix @ _about(center, turn) @ _shift(sign * _NEARBY_MM * axis[[1, 2, 0]]))
    return starts


def wrong_starts(matrix: np.ndarray, center: np.ndarray) -> dict[str, np.ndarray]:
    """The same place, but the head `MIRRORED`, or `TURNED` by half a turn about each axis of the patient."""
    signs = {MIRRORED: (-1.0, 1.0, 1.0), **TURNED}
    return {name: matrix @ _about(center, np.diag(sign)) for name, sign in signs.items()}


def _center_of_mass(volume: Volume) -> np.ndarray:
    weights = (volume.array - volume.array.min()) * volume.mask
    index = [np.average(np.arange(n), weights=_profile(weights, axis)) for axis, n in enumerate(weights.shape)]
    return (volume.affine @ [*index, 1.0])[:3]


def _profile(array: np.ndarray, axis: int) -> np.ndarray:
    profile: np.ndarray = array.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.float64)
    return profile


def _crown(volume: Volume) -> np.ndarray:
    """The highest point of the head, over the middle of what lies up to 15 cm below it."""
    points = volume.points(volume.mask)
    top = points[:, 2].max()
    middle = points[points[:, 2] > top - _HEAD_HEIGHT_MM].mean(axis=0)
    return np.array([middle[0], middle[1], top])


def _shift(shift: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = shift
    return matrix


def _about(center: np.ndarray, turn: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = center - turn @ center
    return matrix
