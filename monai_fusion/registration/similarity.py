"""How well two images match under a transform, and how far two transforms are apart."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from monai_fusion.registration.volume import Volume, transform_points

__all__ = ["Similarity", "mean_distance"]

_BINS = 32
_MOST_POINTS = 200_000


def mean_distance(first: np.ndarray, second: np.ndarray, points: np.ndarray) -> float:
    """The mean target registration error (Fitzpatrick et al. 1998) of one transform against another.

    Args:
        first, second: 4x4.
        points: ``(N, 3)``, the targets, in mm.
    """
    apart = transform_points(first, points) - transform_points(second, points)
    return float(np.linalg.norm(apart, axis=1).mean())


class Similarity:
    """Normalised mutual information (Studholme et al. 1999), (H(F) + H(M)) / H(F, M): 1 for unrelated images, 2 for
    images that determine each other. It is taken where both images are, as elastix does it.

    Args:
        fixed, moving: the images; the fixed one is thinned out evenly to 200,000 points.
    """

    def __init__(self, fixed: Volume, moving: Volume) -> None:
        step = max(1, math.ceil(np.cbrt(fixed.array.size / _MOST_POINTS)))
        thinned = fixed.array[::step, ::step, ::step]
        grid = np.meshgrid(*[np.arange(n) * step for n in thinned.shape], indexing="ij")
        self._points = np.stack(grid, axis=-1).reshape(-1, 3).astype(float)
        self._fixed_bins = _bins(thinned.ravel(), fixed.array)
        self._fixed_affine = fixed.affine
        self._moving = moving

    def __call__(self, matrix: np.ndarray) -> tuple[float, float]:
        """
        Args:
            matrix: 4x4, LPS, mm, fixed to moving.

        Returns:
            The similarity, 0 where there is nothing to compare, and the share of the fixed image that was compared.
        """
        moving = self._moving
        index = transform_points(np.linalg.inv(moving.affine) @ matrix @ self._fixed_affine, self._points)
        inside = ((index >= -0.5) & (index <= np.array(moving.array.shape) - 0.5)).all(axis=1)
        values = ndimage.map_coordinates(moving.array, index[inside].T, order=1, mode="nearest")
        bins = self._fixed_bins[inside] * _BINS + _bins(values, moving.array)
        joint = np.bincount(bins, minlength=_BINS**2).reshape(_BINS, _BINS) / max(len(bins), 1)
        together = _entropy(joint)
        if together == 0:
            return 0.0, float(inside.mean())
        return (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / together, float(inside.mean())


def _bins(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Into which of `_BINS` equal bins from the image's smallest to its largest value each value falls."""
    low, high = float(image.min()), float(image.max())
    return ((values - low) * (_BINS / (high - low))).astype(int).clip(0, _BINS - 1)


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
