"""Does the functional image lie in the head of the MRI, and is it whole?"""

from __future__ import annotations

import numpy as np

from monai_fusion.registration.volume import Volume, transform_points

__all__ = ["coverage", "cut_off"]

_EDGE_MM = 6.0


def _looked_up(mask: np.ndarray, affine: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether points, LPS in mm, lie in the field of view of a mask, and whether in the mask."""
    index = np.rint(transform_points(np.linalg.inv(affine), points)).astype(int)
    inside = ((index >= 0) & (index < mask.shape)).all(axis=1)
    within = np.zeros(len(points), dtype=bool)
    within[inside] = mask[tuple(index[inside].T)]
    return inside, within


def coverage(fixed: Volume, moving: Volume, matrix: np.ndarray) -> float:
    """The share of the functional image's mask that lies in the head, of what lies in the MRI's field of view.

    Args:
        fixed, moving: the images.
        matrix: 4x4, LPS, mm, fixed to moving.

    Returns:
        0 to 1; 0 where no part of the mask lies in the field of view.
    """
    points = transform_points(np.linalg.inv(matrix), moving.points(moving.mask))
    inside, within = _looked_up(fixed.mask, fixed.affine, points)
    return float(within.sum() / max(inside.sum(), 1))


def cut_off(fixed: Volume, moving: Volume, matrix: np.ndarray) -> float:
    """How much of the functional image ends in a plane while the head goes on in the MRI.

    A head and a brain get smaller towards their ends. Where the mask of the functional image loses a large part of its
    cross section within 6 mm along an axis of its grid, and the MRI shows head there, something is missing.

    Returns:
        The largest such loss, as a share of the largest cross section along that axis.
    """
    mask, head = moving.mask, fixed.mask
    to_fixed = np.linalg.inv(matrix) @ moving.affine
    worst = 0.0
    for axis in range(3):
        steps = max(1, round(_EDGE_MM / moving.spacing[axis]))
        largest = mask.sum(axis=tuple(a for a in range(3) if a != axis)).max()
        for sign in (1, -1):
            lost = mask & ~_moved(mask, axis, sign * steps)
            index = np.argwhere(lost).astype(float)
            index[:, axis] += sign * steps
            _, within = _looked_up(head, fixed.affine, transform_points(to_fixed, index))
            planes = np.bincount(index[within, axis].astype(int) + mask.shape[axis], minlength=1)
            worst = max(worst, float(planes.max() / largest))
    return worst


def _moved(mask: np.ndarray, axis: int, steps: int) -> np.ndarray:
    """``mask[i + steps]`` along an axis, False beyond the end."""
    moved = np.zeros_like(mask)
    size = mask.shape[axis]
    target, source = [slice(None)] * 3, [slice(None)] * 3
    target[axis] = slice(max(0, -steps), min(size, size - steps))
    source[axis] = slice(max(0, steps), min(size, size + steps))
    moved[tuple(target)] = mask[tuple(source)]
    return moved
