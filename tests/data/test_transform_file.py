from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import motion

from monai_fusion.data import transform_file
from monai_fusion.data.transform_file import read_itk_transform, write_itk_transform
from monai_fusion.errors import InputError


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_itk_transform(suffix: str, tmp_path: Path) -> None:
    """A rotation about a centre that is not the origin, as ITK itself maps points."""
    transform = sitk.Euler3DTransform((10.0, -20.0, 30.0), 0.1, -0.2, 0.3, (4.0, 5.0, -6.0))
    path = tmp_path / f"t{suffix}"
    sitk.WriteTransform(transform, str(path))
    matrix = read_itk_transform(path)
    for point in ([0.0, 0, 0], [50.0, -7, 12]):
        np.testing.assert_allclose((matrix @ [*point, 1])[:3], list(transform.TransformPoint(point)), atol=1e-9)


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_what_is_written_is_read_by_itk(suffix: str, tmp_path: Path) -> None:
    matrix = motion((10, -20, 30), (4, 5, -6))
    write_itk_transform(tmp_path / f"t{suffix}", matrix)
    transform = sitk.ReadTransform(str(tmp_path / f"t{suffix}"))
    for point in ([0.0, 0, 0], [50.0, -7, 12]):
        np.testing.assert_allclose(transform.TransformPoint(point), (matrix @ [*point, 1])[:3], atol=1e-9)
    np.testing.assert_allclose(read_itk_transform(tmp_path / f"t{suffix}"), matrix, atol=1e-12)


def test_a_nonlinear_transform_is_refused(tmp_path: Path) -> None:
    sitk.WriteTransform(sitk.BSplineTransform(3), str(tmp_path / "t.tfm"))
    with pytest.raises(InputError, match="not a rigid or affine transform"):
        read_itk_transform(tmp_path / "t.tfm")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    write_itk_transform(path, np.eye(4))
    content = path.read_bytes()
    for damaged in (content[:100], content[: len(content) // 2], content[:8] + bytes(len(content) - 8)):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="not a readable ITK transform, or damaged"):
            read_itk_transform(path)


def test_a_reader_that_breaks_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As HDF5's library does on some damaged files: by a signal that no exception tells of."""
    worker = tmp_path / "worker.py"
    worker.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(transform_file, "_WORKER", worker)
    write_itk_transform(tmp_path / "t.tfm", np.eye(4))
    with pytest.raises(InputError, match="not a readable ITK transform, or damaged"):
        read_itk_transform(tmp_path / "t.tfm")


@pytest.mark.parametrize(
    ("linear", "says"),
    [
        (np.diag([-1.0, 1, 1]), "mirrors, so that left would be right"),
        (np.diag([-1.0, -1, -1]), "mirrors"),
        (np.diag([1.0, 1, 0]), "singular"),
        (np.diag([1.0, 1, -1e-9]), "singular"),
    ],
)
def test_what_no_head_does_is_refused(linear: np.ndarray, says: str, tmp_path: Path) -> None:
    matrix = motion((10, -20, 30), (4, 5, -6))
    matrix[:3, :3] = matrix[:3, :3] @ linear
    write_itk_transform(tmp_path / "t.tfm", matrix)
    with pytest.raises(InputError, match=says):
        read_itk_transform(tmp_path / "t.tfm")


def test_half_a_turn_mirrors_nothing(tmp_path: Path) -> None:
    """Two axes change their sign, and left stays left of front and head."""
    write_itk_transform(tmp_path / "t.tfm", np.diag([-1.0, -1, 1, 1]))
    assert np.array_equal(read_itk_transform(tmp_path / "t.tfm"), np.diag([-1.0, -1, 1, 1]))


def test_a_reader_without_an_end_is_ended() -> None:
    """As HDF5's library was seen to run on a damaged file: by the system, also when its caller is gone."""
    program = "from monai_fusion.data import transform_worker as w\nw._SECONDS = 1\nw._limit()\nwhile True: pass\n"
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == -signal.SIGKILL
