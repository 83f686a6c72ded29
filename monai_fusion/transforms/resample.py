"""Bringing one image onto the grid of another."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

__all__ = ["ResampleOntod", "resample"]

_SAME_GRID = 1e-4  # of a voxel
_AT_ONCE = 4  # slices, which are computed in parallel


def resample(image: torch.Tensor, matrix: np.ndarray, shape: tuple[int, int, int]) -> torch.Tensor:
    """Trilinear interpolation, zero outside: what MONAI's `ResampleToMatch` gives, without a grid of the whole volume.

    That grid takes four times the memory of the result, and its size the time.

    Args:
        image: ``(C, I, J, K)`` float32.
        matrix: 4x4, voxel index of the result to voxel index of `image`.
        shape: of the result.

    Returns:
        ``(C, *shape)``, in memory slice after slice of the last axis, as the files have it.
    """
    normal = np.diag([*(2 / np.array(image.shape[1:])), 1.0])  # to -1 and 1 at the outer edges of the voxels
    normal[:3, 3] = 1 / np.array(image.shape[1:]) - 1
    steps = torch.from_numpy((normal @ matrix)[2::-1].T.copy())  # along each axis and of the origin; x comes first
    along = [torch.arange(size, dtype=torch.float64)[:, None] * step for size, step in zip(shape, steps)]
    plane = (along[1][:, None] + along[0] + steps[3]).to(image)
    result = image.new_empty((image.shape[0], *reversed(shape)))
    for start in range(0, shape[2], _AT_ONCE):
        slices = along[2][start : start + _AT_ONCE, None, None, None].to(image)
        source = image.expand(len(slices), *image.shape)
        found = torch.nn.functional.grid_sample(source, slices + plane, padding_mode="zeros", align_corners=False)
        result[:, start : start + _AT_ONCE] = found[:, :, 0].movedim(0, 1)
    return result.permute(0, 3, 2, 1)


class ResampleOntod(MapTransform):
    """Resamples volumes onto the grid of another by their affines, linearly, zero outside; pictures stay as they are.

    Args:
        keys: volumes ``(C, I, J, K)``.
        reference: the key of the volume whose grid and metadata they get.
    """

    def __init__(self, keys: KeysCollection, reference: str) -> None:
        super().__init__(keys)
        self.reference = reference

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        target = out[self.reference]
        for key in self.key_iterator(out):
            plain = convert_to_tensor(out[key], track_meta=False)
            if plain.ndim == 4:
                matrix = np.linalg.solve(*(np.asarray(each.affine, dtype=np.float64) for each in (out[key], target)))
                if plain.shape[1:] != target.shape[1:] or not np.allclose(matrix, np.eye(4), atol=_SAME_GRID):
                    plain = resample(plain.float(), matrix, tuple(target.shape[1:]))
            out[key] = MetaTensor(plain, meta=dict(target.meta))
        return out
