from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from monai_fusion.viewer.nudge import Nudge, size_of_motion

CENTER = np.array([5.0, -10.0, 20.0])
LPS = np.diag([-1.0, -1, 1, 1])


def test_moves_where_it_says() -> None:
    shifted = Nudge(right=3, front=-4, up=5).matrix(CENTER)
    assert np.allclose(shifted @ [1, 2, 3, 1], [4, -2, 8, 1])
    turned = Nudge(yaw=90).matrix(CENTER)  # seen from above, counter-clockwise: right goes to the front
    assert np.allclose(turned @ [*CENTER, 1], [*CENTER, 1])
    assert np.allclose(turned @ [*np.add(CENTER, [10, 0, 0]), 1], [*np.add(CENTER, [0, 10, 0]), 1])
    assert not Nudge()


def test_comes_after_a_registration() -> None:
    """A spot of the functional image that the registration brings to p is brought on by the nudge."""
    registered = np.eye(4)
    registered[:3, :3] = Rotation.from_euler("xyz", [4, -3, 7], degrees=True).as_matrix()
    registered[:3, 3] = [6, -9, 5]
    nudge = Nudge(2, 3, -4, 5, -6, 7)
    matrix = nudge.after(registered, CENTER)
    spot = np.array([12.0, 30.0, -7.0, 1.0])  # LPS, in the functional image
    first = np.linalg.inv(registered) @ spot
    assert np.linalg.inv(matrix) @ spot == pytest.approx(LPS @ nudge.matrix(CENTER) @ LPS @ first)


def test_size_of_a_motion() -> None:
    """A turn about the centre moves the centre nowhere; a shift of (2, 3, 6) is 7 mm."""
    turned = Nudge(yaw=20).after(np.eye(4), CENTER)
    assert size_of_motion(turned, CENTER) == pytest.approx((0, 20, 1), abs=1e-6)
    shifted = Nudge(2, 3, 6).after(np.eye(4), CENTER)
    assert size_of_motion(shifted, CENTER) == pytest.approx((7, 0, 1), abs=1e-6)


def test_size_of_a_motion_that_scales() -> None:
    """Turned by 20 degrees and then made longer by 4 %, in another direction shorter by 8 %."""
    turned = Nudge(yaw=20).after(np.eye(4), np.zeros(3))
    stretched = turned @ np.diag([1, 1.04, 0.92, 1])
    assert size_of_motion(stretched, np.zeros(3)) == pytest.approx((0, 20, 0.92), abs=1e-6)
    assert size_of_motion(1.1 * turned - np.diag([0, 0, 0, 0.1]), np.zeros(3))[2] == pytest.approx(1.1)
