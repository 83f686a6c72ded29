"""Linear transforms in ITK's files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from monai_fusion.errors import InputError

__all__ = ["check_linear", "read_itk_transform", "write_itk_transform"]

_LEAST_VOLUME = 1e-6  # of a unit cube after the transform

_WORKER = Path(__file__).with_name("transform_worker.py")
_SECONDS = 60.0  # by the clock; the worker has 5 of processor time


def read_itk_transform(path: Path) -> np.ndarray:
    """Reads a rigid or affine transform from ITK's ``.tfm``, ``.txt``, ``.mat`` or ``.h5`` file.

    It is read in a process of its own, which a damaged file may bring down.

    Returns:
        4x4, LPS, mm: it maps points of the fixed image (the MRI) to points of the moving image (the functional), as
        every ITK registration writes it.

    Raises:
        InputError: not readable, not linear, mirroring or singular.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path of the functional_transform")
    try:
        done = subprocess.run(
            [sys.executable, str(_WORKER), str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
        )
        points = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, LookupError, ValueError) as error:
        raise InputError(f"{path}: not a readable ITK transform, or damaged; save it again as .tfm or .h5") from error
    if points is None:
        raise InputError(f"{path}: not a rigid or affine transform of 3-D space; save the linear part alone")
    matrix = np.eye(4)
    matrix[:3, 3] = points[0]
    matrix[:3, :3] = np.transpose(points[1:]) - matrix[:3, 3:]
    if not np.isfinite(matrix).all():
        raise InputError(f"{path}: the transform holds NaN or infinity; register again")
    check_linear(matrix, str(path))
    return matrix


def check_linear(matrix: np.ndarray, name: str) -> None:
    """Refuses what no head does between two scanners: a mirrored image, whose left is right, and a flattened one.

    Args:
        matrix: 4x4.
        name: where it comes from, for the message.

    Raises:
        InputError: its determinant is negative or as good as zero.
    """
    volume = np.linalg.det(matrix[:3, :3])
    if volume <= -_LEAST_VOLUME:
        raise InputError(
            f"{name}: the transform mirrors, so that left would be right; register again without reflection"
        )
    if not volume >= _LEAST_VOLUME:
        raise InputError(f"{name}: the transform is singular; register again")


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
