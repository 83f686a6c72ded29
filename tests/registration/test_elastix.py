from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from conftest import motion, moved, textured_pair

from monai_fusion.registration import elastix, register
from monai_fusion.registration.elastix import Elastix, ElastixError, Job
from monai_fusion.registration.volume import Volume


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that a test starts."""
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(elastix.subprocess, "Popen", Watched)
    return started


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where this process and its children would put temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_a_hang_is_ended(processes: list[subprocess.Popen[bytes]], temporary: Path) -> None:
    """elastix is not even loaded after a tenth of a second."""
    mri, pet, affine = textured_pair()
    found = register(mri, affine, pet, affine, timeout=0.1)
    assert found.verdict == "failed"
    assert found.reasons == ["it took longer than 0.1 s and was stopped"]
    assert np.array_equal(found.matrix_lps, np.eye(4))
    assert processes
    assert all(process.poll() is not None for process in processes)
    assert not any(temporary.iterdir())


def test_nothing_is_left_after_an_exception(processes: list[subprocess.Popen[bytes]], temporary: Path) -> None:
    mri, pet, affine = textured_pair()
    volumes = Volume.reduced(mri, affine), Volume.reduced(pet, affine)
    with pytest.raises(KeyboardInterrupt), Elastix(*volumes, 60, processes=2):
        raise KeyboardInterrupt
    assert [process.poll() is not None for process in processes] == [True, True]
    assert not any(temporary.iterdir())


def test_a_breakdown_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "worker.py"
    broken.write_text("import no_such_module\n")
    monkeypatch.setattr(elastix, "_WORKER", broken)
    mri, pet, affine = textured_pair()
    volumes = Volume.reduced(mri, affine), Volume.reduced(pet, affine)
    with Elastix(*volumes, 60, processes=1) as run, pytest.raises(ElastixError, match="itk-elastix is installed"):
        run.run([Job(np.eye(4))])


def test_the_same_jobs_give_the_same_transforms() -> None:
    """To the last bit, whether one process works them off or two do."""
    mri, pet, affine = textured_pair()
    volumes = Volume.reduced(mri, affine), Volume.reduced(pet, moved(affine, motion((4, 0, 0), (5, 0, 3))))
    jobs = [Job(np.eye(4), smoothing_mm=(8.0,), iterations=40, seed=seed) for seed in (1, 2, 1)]
    found = []
    for processes in (1, 2):
        with Elastix(*volumes, 600, processes) as run:
            found.append(np.array(run.run(jobs)))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0][0], found[0][2])
    assert not np.array_equal(found[0][0], found[0][1])


def test_without_common_voxels_there_is_no_transform(temporary: Path) -> None:
    """elastix gives up; the next job of the same process runs, and the images still lie on each other."""
    mri, pet, affine = textured_pair()
    volumes = Volume.reduced(mri, affine), Volume.reduced(pet, affine)
    away = np.eye(4)
    away[0, 3] = 5000
    quick = {"smoothing_mm": (8.0,), "iterations": 60}
    with Elastix(*volumes, 600, processes=1) as run:
        nothing, found = run.run([Job(away, **quick), Job(np.eye(4), **quick)])
    assert nothing is None
    assert found is not None
    np.testing.assert_allclose(found, np.eye(4), atol=1)
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-9)  # rigid
    assert not any(temporary.iterdir())
