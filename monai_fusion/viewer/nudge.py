"""Moving the functional image by hand: three shifts and three turns, as the transform that the bundle takes."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from scipy.linalg import polar
from scipy.spatial.transform import Rotation

from monai_fusion.data.source import LPS_TO_RAS

__all__ = ["REACH_DEGREES", "REACH_MM", "Nudge", "size_of_motion"]

#: How far an image can be moved and turned by hand, to either side.
REACH_MM, REACH_DEGREES = 30.0, 20.0


@dataclass(frozen=True)
class Nudge:
    """How the functional image moves over the MRI.

    Args:
        right, front, up: mm, towards the patient's right, front and head.
        pitch, roll, yaw: degrees about the patient's right-left, back-front and feet-head axis through the centre of
            the MRI, each seen right-handed from its positive end.
    """

    right: float = 0.0
    front: float = 0.0
    up: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0

    def __bool__(self) -> bool:
        return any(astuple(self))

    def matrix(self, center: np.ndarray) -> np.ndarray:
        """4x4, RAS mm: where a point of the functional image goes.

        Args:
            center: of the turn.
        """
        motion = np.eye(4)
        motion[:3, :3] = Rotation.from_euler("xyz", [self.pitch, self.roll, self.yaw], degrees=True).as_matrix()
        motion[:3, 3] = np.add(center, [self.right, self.front, self.up]) - motion[:3, :3] @ center
        return motion

    def after(self, registered: np.ndarray, center: np.ndarray) -> np.ndarray:
        """A registration, and then this move.

        Args:
            registered: 4x4, LPS mm, points of the MRI to points of the functional image, as ITK has it.
            center: RAS mm.

        Returns:
            The same kind of matrix.
        """
        back = LPS_TO_RAS @ np.linalg.inv(self.matrix(center)) @ LPS_TO_RAS
        return registered @ back


def size_of_motion(registered: np.ndarray, center: np.ndarray) -> tuple[float, float, float]:
    """How far a registration carries a point, by how much it turns, and what it does to lengths.

    The turn is the orthogonal factor of the matrix's polar decomposition, the stretch is in the other factor.

    Args:
        registered: 4x4, LPS mm, mirroring nothing.
        center: RAS mm; the point.

    Returns:
        The shift in mm, the angle about the axis of the turn in degrees, and the factor by which lengths change in
        the direction in which they change most: 1 for a rigid motion.
    """
    point = LPS_TO_RAS @ [*center, 1]
    turn, stretch = polar(registered[:3, :3])
    factors = np.linalg.eigvalsh(stretch)
    return (
        float(np.linalg.norm(registered @ point - point)),
        float(np.degrees(Rotation.from_matrix(turn).magnitude())),
        float(factors[np.abs(np.log(factors)).argmax()]),
    )
