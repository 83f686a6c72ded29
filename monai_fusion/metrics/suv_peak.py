"""SUVpeak: the hottest cubic centimetre."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import oaconvolve

__all__ = ["PEAK_RADIUS_MM", "suv_peak"]

#: A sphere of 1 cm3, diameter 12.4 mm, as in PERCIST 1.0 (Wahl et al. 2009, doi:10.2967/jnumed.108.057307).
PEAK_RADIUS_MM = 10 * (3 / (4 * math.pi)) ** (1 / 3)

_STEP_MM = 0.25  # how finely a voxel's share of the sphere is counted


def suv_peak(
    volume: np.ndarray, affine: np.ndarray, region: np.ndarray | None = None
) -> tuple[float, tuple[int, int, int]]:
    """The highest mean over a sphere of 1 cm3 around any voxel's centre.

    Definitions differ (Vanderhoek et al. 2012, doi:10.2967/jnumed.111.100438). Here a voxel counts by the share of it
    that lies in the sphere; the sphere's centre lies within the region, the sphere may reach out of it; where it
    reaches out of the image, the mean is that of the part within.

    Args:
        volume: ``(I, J, K)``, an SUV (or any other unit).
        affine: 4x4, voxel index to mm; may be oblique, or sheared.
        region: ``(I, J, K)``, true where the sphere's centre may lie; everywhere by default.

    Returns:
        The mean, and the index of the voxel in the sphere's centre.

    Raises:
        ValueError: the region is empty or of another shape.
    """
    weights = _sphere(np.asarray(affine, dtype=float)[:3, :3])
    region = np.ones(volume.shape, dtype=bool) if region is None else np.asarray(region, dtype=bool)
    if region.shape != volume.shape or not region.any():
        raise ValueError(f"the region is empty or not of the volume's shape {volume.shape}")
    box, inside = _box(region, [size // 2 for size in weights.shape])
    part = np.asarray(volume[box], dtype=float)
    sums = oaconvolve(part, weights, mode="same")  # a sphere is the same when it is turned round
    shares = oaconvolve(np.ones_like(part), weights, mode="same")
    means = np.where(region[box], sums / shares, -np.inf)[inside]
    index = np.unravel_index(means.argmax(), means.shape)
    start = [outer.start + inner.start for outer, inner in zip(box, inside)]
    i, j, k = (int(n + offset) for n, offset in zip(index, start))
    return float(means.max()), (i, j, k)


def _sphere(directions: np.ndarray) -> np.ndarray:
    """The share of each voxel that lies in the sphere around the middle one: ``(odd, odd, odd)``."""
    reach = PEAK_RADIUS_MM * np.linalg.norm(np.linalg.inv(directions), axis=1)
    halves = np.ceil(reach - 0.5).clip(0).astype(int)
    parts = np.ceil(np.linalg.norm(directions, axis=0) / _STEP_MM).astype(int)
    axes = [
        (np.arange(-half, half + 1)[:, None] + (np.arange(n) + 0.5) / n - 0.5).ravel() for half, n in zip(halves, parts)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ directions.T
    within = (points**2).sum(axis=-1) <= PEAK_RADIUS_MM**2
    return within.reshape([size for half, n in zip(halves, parts) for size in (2 * half + 1, n)]).mean(axis=(1, 3, 5))


def _box(region: np.ndarray, margin: list[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The part of the volume that matters, and where the region lies within that part."""
    outer, inner = [], []
    for axis, more in enumerate(margin):
        filled = np.flatnonzero(region.any(axis=tuple(a for a in range(region.ndim) if a != axis)))
        low, high = int(filled[0]), int(filled[-1]) + 1
        start = max(low - more, 0)
        outer.append(slice(start, min(high + more, region.shape[axis])))
        inner.append(slice(low - start, high - start))
    return tuple(outer), tuple(inner)
