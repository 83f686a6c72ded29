"""Linear transforms in ITK's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_fusion.errors import InputError

__all__ = ["read_itk_transform", "write_itk_transform"]


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


def write_itk_transform(path: Path, matrix: np.ndarray) -> None:
    """Writes a linear transform as an ``AffineTransform``, in the format of the suffix (``.tfm``, ``.h5``).

    Args:
        matrix: 4x4, LPS, mm, fixed to moving.
    """
    import SimpleITK as sitk

    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    sitk.WriteTransform(transform, str(path))
