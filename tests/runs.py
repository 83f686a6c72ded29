"""A run of the command line as the tests look at it afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from monai_fusion import cli

BT601 = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Run:
    """A finished run: its inputs, its output folder and what it printed."""

    mri: Path
    functional: Path
    out: Path
    printed: str = ""
    seconds: float = 0.0

    @cached_property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.out / "report.json").read_text())
        return report

    @cached_property
    def fused(self) -> nib.Nifti1Image:
        return nib.load(self.out / "fused.nii.gz")

    @cached_property
    def stored(self) -> np.ndarray:
        """What the DICOM series must hold: twelve bits for 0 to 1."""
        return np.rint(self.fused.get_fdata(dtype=np.float32) * np.float32(4095)).astype(int)

    @cached_property
    def series(self) -> list[Dataset]:
        return read_series(self.out / "dicom" / "fused")


def run(mri: Path, functional: Path, out: Path, *options: str) -> Run:
    """Fuses through the command line and keeps what it printed."""
    printed = io.StringIO()
    start = time.perf_counter()
    with redirect_stdout(printed), redirect_stderr(printed):
        assert cli.main(["fuse", str(mri), str(functional), "--output", str(out), *options]) == 0
    return Run(mri, functional, out, printed.getvalue(), time.perf_counter() - start)


def read_series(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(file) for file in sorted(folder.iterdir())]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ BT601 / 255


def turned(affine: np.ndarray) -> np.ndarray:
    """An oblique scan: turned by 15 and 10 degrees."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xz", [15, 10], degrees=True).as_matrix()
    return turn @ affine


def smooth(phase: float = 0.0, shape: tuple[int, int] = (61, 83)) -> np.ndarray:
    """A grey picture of odd size, 0 to 255."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.rint(127.5 + 127.5 * np.sin(x / 9 + phase) * np.cos(y / 7)).astype(np.uint8)


def save_picture(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path
