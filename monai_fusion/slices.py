"""How a volume is cut into slices, and how each slice is turned so that it looks the same however it was stored."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import torch

from monai_fusion.errors import InputError

__all__ = ["AXES", "SlicePlan", "slice_axis_of"]

#: The names a slice axis may have, beside ``"acquisition"``, and the patient axis (of RAS) each runs along.
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}

#: Rows, then columns, of a displayed slice: towards which side (index of the RAS axis, +1 or -1) they run.
#: The radiologist's convention: axial seen from the feet, coronal from the front, sagittal from the left,
#: patient's right on the left of the screen, head or front on top.
_DISPLAY = {2: ((1, -1), (0, -1)), 1: ((2, -1), (0, -1)), 0: ((2, -1), (1, -1))}

#: The sides of the patient that `_DISPLAY` puts at the left, right, top and bottom of the screen.
_SIDES = {2: ("R", "L", "A", "P"), 1: ("R", "L", "H", "F"), 0: ("A", "P", "H", "F")}


def slice_axis_of(affine: np.ndarray) -> int:
    """The axis along which a volume was probably acquired: the one of the coarsest spacing, else the axial one.

    Args:
        affine: 4x4, voxel index to RAS in mm.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    order = np.argsort(spacing)
    if spacing[order[2]] > 1.05 * spacing[order[1]]:
        return int(order[2])
    return _array_axis(affine, AXES["axial"])


def _array_axis(affine: np.ndarray, patient_axis: int) -> int:
    """The array axis that runs closest along a patient axis."""
    return int(np.flatnonzero(nib.io_orientation(affine)[:, 0] == patient_axis)[0])


@dataclass(frozen=True)
class SlicePlan:
    """Which array axis is cut, and the turn that brings a slice into the radiologist's display orientation.

    The network's kernels are not symmetric, so a slice must reach it in one orientation whatever the file's: fusing a
    volume stored as RAS, LPS or ASR then gives the same voxels. Built by `for_volume`.

    Args:
        axis: the array axis along which slices are counted.
        rows: the array axis that becomes the rows of a slice (downwards).
        columns: the array axis that becomes its columns (to the right).
        flips: of these three array axes, the in-plane ones that run the other way.
    """

    axis: int
    rows: int
    columns: int
    flips: tuple[int, ...]

    @classmethod
    def for_volume(cls, affine: np.ndarray, axis: str | int = "acquisition", acquired: int | None = None) -> SlicePlan:
        """
        Args:
            affine: 4x4, voxel index to RAS in mm.
            axis: ``"acquisition"``, a name of `AXES`, or an array axis 0, 1, 2.
            acquired: the array axis along which the slices were acquired, if it is known.

        Raises:
            InputError: `axis` is none of these.
        """
        if axis == "acquisition":
            cut = slice_axis_of(affine) if acquired is None else acquired
        elif isinstance(axis, str) and axis in AXES:
            cut = _array_axis(affine, AXES[axis])
        elif axis in (0, 1, 2):
            cut = int(axis)
        else:
            raise InputError(f"axis {axis!r}: choose acquisition, {', '.join(AXES)}, or an array axis 0, 1, 2")
        orientation = nib.io_orientation(affine)
        (rows_to, rows_sign), (columns_to, columns_sign) = _DISPLAY[int(orientation[cut, 0])]
        rows, columns = _array_axis(affine, rows_to), _array_axis(affine, columns_to)
        signs = ((rows, rows_sign), (columns, columns_sign))
        return cls(cut, rows, columns, tuple(a for a, sign in signs if orientation[a, 1] != sign))

    def take(self, volume: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Slices ``start`` to ``stop`` of a ``(C, I, J, K)`` volume, turned: ``(slices, C, rows, columns)``."""
        slab = volume.narrow(self.axis + 1, start, stop - start)
        if self.flips:  # which copies
            slab = slab.flip([a + 1 for a in self.flips])
        return slab.permute(self.axis + 1, 0, self.rows + 1, self.columns + 1)

    def put(self, slices: torch.Tensor, volume: torch.Tensor, start: int) -> None:
        """Writes what `take` gave (with any number of channels) back to its place in a ``(C, I, J, K)`` volume."""
        order = [0] * 4
        for position, dim in enumerate((self.axis + 1, 0, self.rows + 1, self.columns + 1)):
            order[dim] = position
        slab = slices.permute(order).flip([a + 1 for a in self.flips])
        volume.narrow(self.axis + 1, start, slices.shape[0]).copy_(slab)

    def letters(self, affine: np.ndarray) -> tuple[str, str, str, str]:
        """The patient's sides at the left, right, top and bottom of a turned slice: of R, L, A, P, H, F."""
        return _SIDES[int(nib.io_orientation(affine)[self.axis, 0])]

    def affine(self, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The affine, from (column, row, slice) indices of the turned volume to RAS, of a volume of `shape`."""
        turned = np.asarray(affine, dtype=np.float64).copy()
        for a in self.flips:
            turned[:3, 3] += turned[:3, a] * (shape[a] - 1)
            turned[:3, a] *= -1
        return turned[:, [self.columns, self.rows, self.axis, 3]]
