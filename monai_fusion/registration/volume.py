"""A volume as the registration sees it: no finer than it needs, without outliers, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from skimage.measure import block_reduce

from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.foreground import foreground

__all__ = ["Volume", "transform_points"]

_SPACING_MM = 2.0
_OUTLIERS = (0.1, 99.9)


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``(N, 3)`` points through a 4x4 matrix."""
    moved: np.ndarray = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


@dataclass(frozen=True)
class Volume:
    """Voxels and their place.

    Args:
        array: ``(I, J, K)`` float32.
        affine: 4x4, voxel index to **LPS** in mm (ITK's convention).
    """

    array: np.ndarray
    affine: np.ndarray

    @classmethod
    def reduced(cls, array: np.ndarray, affine: np.ndarray) -> Volume:
        """Averages whole blocks of voxels so that no axis is much finer than 2 mm, and clips what lies outside of the
        0.1st to 99.9th percentile: a few bright vessels would leave the histogram few bins for the brain.

        Args:
            array: ``(I, J, K)``.
            affine: 4x4, voxel index to **RAS** in mm.
        """
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        factors = np.clip(np.rint(_SPACING_MM / spacing), 1, np.array(array.shape)).astype(int)
        whole = tuple(slice(size // factor * factor) for size, factor in zip(array.shape, factors))
        coarse = block_reduce(array[whole].astype(np.float32, copy=False), tuple(factors), np.mean)
        blocks = np.diag([*factors, 1.0])
        blocks[:3, 3] = (factors - 1) / 2
        low, high = np.percentile(coarse, _OUTLIERS)
        if high > low:  # not so where next to nothing is no background
            coarse = coarse.clip(low, high)
        return cls(coarse.astype(np.float32, copy=False), LPS_TO_RAS @ affine @ blocks)

    @property
    def spacing(self) -> np.ndarray:
        spacing: np.ndarray = np.linalg.norm(self.affine[:3, :3], axis=0)
        return spacing

    @cached_property
    def mask(self) -> np.ndarray:
        """The head or body, by `foreground`, on this grid."""
        _, mask = foreground(self.array)
        index = [np.arange(n) // -(-n // m) for n, m in zip(self.array.shape, mask.shape)]
        return mask[np.ix_(*index)]

    def points(self, mask: np.ndarray) -> np.ndarray:
        """The voxels of a mask on this grid as ``(N, 3)`` points, LPS in mm."""
        return transform_points(self.affine, np.argwhere(mask).astype(float))
