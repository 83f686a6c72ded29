"""Where the head (or body) is in a volume."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

__all__ = ["foreground"]

_MASK_SIZE = 128


def foreground(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head (or body) in a volume: what lies above Otsu's threshold, its largest part, with the holes filled.

    Holes are filled in the slices along every axis, so that bone, air and fluid within the outline of the head belong
    to it even where the volume ends in the middle of the neck. Percentiles need no more than a coarse mask: axes longer
    than 128 voxels are thinned out evenly.

    Args:
        volume: voxels of any dimension.

    Returns:
        The thinned-out voxels and, of the same shape, the mask.
    """
    coarse = volume[tuple(slice(None, None, -(-size // _MASK_SIZE)) for size in volume.shape)]
    if coarse.min() == coarse.max():
        return coarse, np.ones(coarse.shape, dtype=bool)
    mask = coarse > threshold_otsu(coarse.ravel())  # three slices would be taken for colours
    labels, parts = ndimage.label(mask)
    if parts > 1:
        mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return coarse, _fill_holes(mask)


def _fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fills what is enclosed in a slice along any axis: as `binary_fill_holes` slice by slice, in one go."""
    filled = mask.copy()
    cross = ndimage.generate_binary_structure(mask.ndim, 1)
    for axis in range(mask.ndim):
        within = cross.copy()
        for beside in (0, 2):  # not connected to the slices beside
            within[(slice(None),) * axis + (beside,)] = False
        holes, count = ndimage.label(~mask, within)
        open_ = np.zeros(count + 1, dtype=bool)
        for other in set(range(mask.ndim)) - {axis}:
            for edge in (0, -1):
                open_[holes.take(edge, axis=other)] = True
        open_[0] = True  # the mask itself
        filled |= ~open_[holes]
    return filled
