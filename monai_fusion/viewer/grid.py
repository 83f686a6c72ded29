"""The grid on which the browser shows everything: the MRI's own, its axes turned to the nearest of RAS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import nibabel as nib
import numpy as np

from monai_fusion.viewer.voxels import Voxels

__all__ = ["Grid", "Scale", "as_displayed"]


@dataclass(frozen=True)
class Grid:
    """Nothing is interpolated in turning: an oblique grid stays oblique.

    Args:
        source_shape, source_affine: of the MRI; index to RAS in mm.
    """

    source_shape: tuple[int, int, int]
    source_affine: np.ndarray

    @cached_property
    def _orientation(self) -> np.ndarray:
        return nib.io_orientation(self.source_affine)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        x, y, z = (self.source_shape[int(np.flatnonzero(self._orientation[:, 0] == axis)[0])] for axis in range(3))
        return x, y, z

    @cached_property
    def affine(self) -> np.ndarray:
        """4x4, display index to RAS in mm."""
        return self.source_affine @ nib.orientations.inv_ornt_aff(self._orientation, self.source_shape)

    @property
    def spacing(self) -> tuple[float, float, float]:
        x, y, z = (float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z

    def turn(self, array: np.ndarray) -> np.ndarray:
        """An array on the MRI's grid, turned: a view."""
        return nib.apply_orientation(array, self._orientation)

    def resample(self, image: Voxels) -> np.ndarray:
        """Another image on this grid: linear, zero outside; one that lies on it already is turned alone."""
        if image.array.shape == self.source_shape and np.array_equal(image.affine, self.source_affine):
            return self.turn(image.array)
        import SimpleITK as sitk

        moving = sitk.GetImageFromArray(np.ascontiguousarray(image.array.T, dtype=np.float32))
        # both in index space: the map between them may mirror and shear, which ITK's direction of an image may not
        to_moving = np.linalg.inv(image.affine) @ self.affine
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(to_moving[:3, :3].ravel().tolist())
        transform.SetTranslation(to_moving[:3, 3].tolist())
        turned = sitk.Resample(
            moving, self.shape, transform, sitk.sitkLinear, (0.0,) * 3, (1.0,) * 3, np.eye(3).ravel().tolist(), 0.0
        )
        return np.asarray(sitk.GetArrayFromImage(turned).T)

    def index(self, point: np.ndarray) -> np.ndarray:
        """The (fractional) display index of a point in RAS mm."""
        return (np.linalg.inv(self.affine) @ [*point, 1.0])[:3]


@dataclass(frozen=True)
class Scale:
    """How values travel as uint16: ``value = stored * slope + intercept``."""

    slope: float
    intercept: float

    @classmethod
    def of(cls, image: np.ndarray, resampled: bool) -> Scale:
        """Over the whole range of an image: whole numbers that fit stay what they are, else the error is half a step.

        Args:
            image: finite.
            resampled: will it be resampled, so that zeros and fractions come in?
        """
        low, high = float(image.min()), float(image.max())
        if resampled:
            low, high = min(low, 0.0), max(high, 0.0)
        elif low >= 0 and high <= 65535 and bool((image == np.rint(image)).all()):
            return cls(1.0, 0.0)
        return cls((high - low) / 65535 or 1.0, low)

    def store(self, volume: np.ndarray) -> bytes:
        """A volume as it travels: uint16, x fastest, little endian."""
        stored = (volume - np.float32(self.intercept)) * np.float32(1 / self.slope)
        return np.rint(stored, out=stored).clip(0, 65535).astype("<u2").tobytes(order="F")


def as_displayed(volume: np.ndarray, axis: int, k: int) -> np.ndarray:
    """A slice of a volume on RAS axes as a radiologist sees it: right or front on the left, head or front on top.

    Args:
        volume: ``(x, y, z)``.
        axis: along which the slices are counted.
        k: the slice.

    Returns:
        ``(rows, columns)``.
    """
    return np.ascontiguousarray(np.take(volume, k, axis=axis).T[::-1, ::-1], dtype=np.float32)
