"""Moving the functional image by a known transform. Nothing is interpolated here: only the affine changes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_fusion.data.report import REPORT_KEY, read_report, write_report
from monai_fusion.data.source import LPS_TO_RAS, hash_files
from monai_fusion.errors import InputError

__all__ = ["MoveByTransformd", "read_itk_transform"]


def read_itk_transform(path: Path) -> np.ndarray:
    """Reads a rigid or affine transform from ITK's ``.tfm``, ``.txt``, ``.mat`` or ``.h5`` file.

    Returns:
        4x4, LPS, mm: it maps points of the fixed image (the MRI) to points of the moving image (the functional), as
        every ITK registration writes it.

    Raises:
        InputError: not readable, or not linear.
    """
    import SimpleITK as sitk  # half a second that only a run with a transform should pay

    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path of the functional_transform")
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: not a readable ITK transform; save it as .tfm or .h5") from error
    if transform.GetDimension() != 3 or not transform.IsLinear():
        raise InputError(f"{path}: not a rigid or affine transform of 3-D space; save the linear part alone")
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis in range(3):
        matrix[:3, axis] = transform.TransformPoint(np.eye(3)[axis].tolist()) - matrix[:3, 3]
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise InputError(f"{path}: the transform is singular; register again")
    return matrix


class MoveByTransformd(MapTransform):
    """Places the functional image in the MRI's patient coordinates by a transform made elsewhere.

    The voxels stay as they are; the affine is multiplied by the inverse of the transform, so that the one resampling
    that follows brings source voxels to the output grid.

    Args:
        keys: volumes loaded by `SourceReader`.
        transform: a file for `read_itk_transform`; None leaves everything as it is.
    """

    def __init__(self, keys: KeysCollection, transform: str | Path | None = None) -> None:
        super().__init__(keys)
        self._path = None if transform is None else Path(transform)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        if self._path is None:
            return out
        matrix = read_itk_transform(self._path)
        to_fixed_ras = LPS_TO_RAS @ np.linalg.inv(matrix) @ LPS_TO_RAS
        for key in self.key_iterator(out):
            image = out[key]
            image.affine = torch.from_numpy(to_fixed_ras) @ image.affine
            out[key] = image
        report = read_report(out)
        report["registration"] = {
            "rule": "transform from a file",
            "sha256": hash_files([self._path]),
            "matrix_lps": matrix.tolist(),
        }
        out[REPORT_KEY] = write_report(report)
        return out
