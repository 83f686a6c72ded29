"""Bad input ends in one line that names the culprit and the remedy, and the disk is as it was before."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bad_inputs import (
    CASES,
    INTERRUPTED,
    MRI,
    NOT_WRITTEN,
    PET,
    REFUSED,
    RESULTS,
    Bad,
    good_mri,
    good_pet,
    series,
    several_frames,
    shortened,
    uid_of,
    written,
)
from conftest import AFFINE, save_dicom, save_nifti

from monai_fusion import cli

# --- Running -----------------------------------------------------------------------------------------------------

Fuse = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def fuse(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> Iterator[Fuse]:
    """Runs ``monai-fusion fuse`` here; gives the exit code and all lines that a user would see on stderr."""
    silent = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)  # by Python's default

    def run(*arguments: object) -> tuple[int, list[str]]:
        capfd.readouterr()
        caplog.clear()
        recwarn.clear()
        code = cli.main(["fuse", *map(str, arguments)])
        lines = capfd.readouterr().err.splitlines()
        lines += [str(warning.message) for warning in recwarn if not issubclass(warning.category, silent)]
        lines += [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and r.name != "pydicom"]
        return code, lines

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder; None for a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def names(folder: Path) -> set[str]:
    """What a user sees in a folder."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def voxels(out: Path) -> np.ndarray:
    return np.asarray(nib.load(out / "fused.nii.gz").dataobj)


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_bad_input(make: Callable[[Path], Bad], tmp_path: Path, fuse: Fuse) -> None:
    bad = make(tmp_path)
    notes = written(tmp_path / "mine" / "notes.txt", "mine")
    before = tree(tmp_path)
    for out in (tmp_path / "new" / "out", notes.parent) if bad.out is None else (bad.out,):
        code, lines = fuse(bad.mri, bad.functional, "-o", out, *bad.options)
        assert code == bad.code, lines
        assert len(lines) == 1, lines
        assert lines[0].startswith("monai-fusion: ")
        for text in bad.says:
            assert text in lines[0]
        assert tree(tmp_path) == before


# --- Its sound counterpart runs ----------------------------------------------------------------------------------


def test_the_frame_chosen_is_fused(tmp_path: Path, fuse: Fuse) -> None:
    frames = several_frames(tmp_path / "frames.nii.gz")
    alone = save_nifti(tmp_path / "alone.nii.gz", PET[::-1])
    roles = {
        "mri": ((frames, good_pet(tmp_path)), (alone, tmp_path / "pet.nii.gz")),
        "functional": ((good_mri(tmp_path), frames), (tmp_path / "mri.nii.gz", alone)),
    }
    for role, (chosen, expected) in roles.items():
        assert fuse(*chosen, f"--{role}-frame", 1, "-o", tmp_path / "chosen") == (0, [])
        assert fuse(*expected, "-o", tmp_path / "expected") == (0, [])
        assert np.array_equal(voxels(tmp_path / "chosen"), voxels(tmp_path / "expected"))


def test_the_series_chosen_is_fused(tmp_path: Path, fuse: Fuse) -> None:
    study = series(tmp_path, name="study")
    save_dicom(study / "second", MRI, AFFINE, "MR", "second")
    save_dicom(study / "pet", PET, AFFINE, "PT", "pet")
    for second, functional in ((uid_of(study / "second"), "PT"), (uid_of(study), uid_of(study / "pet"))):
        options = ("--mri-series", second, "--functional-series", functional)
        assert fuse(study, study, *options, "-o", tmp_path / "out")[0] == 0
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert report["mri"]["series_uid"] == second
        assert report["functional"]["series_uid"] == uid_of(study / "pet")


def test_a_missing_slice_is_interpolated_when_asked_for(tmp_path: Path, fuse: Fuse) -> None:
    mri, out = shortened(tmp_path, "0005.dcm"), tmp_path / "out"
    code, warnings = fuse(mri, good_pet(tmp_path), "-o", out, "--mri-uneven", "resample", "--registration", "none")
    assert code == 0
    assert "mri: its slices are unevenly spaced" in "".join(warnings)
    assert voxels(out).shape == MRI.shape


def test_a_file_name_is_not_run(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a bundle's configuration, text after a dollar sign is Python, and a hash sign parts ids."""
    monkeypatch.chdir(tmp_path)
    mri = good_mri(tmp_path).rename("$open('ran', 'w') # .nii.gz")
    assert fuse(mri.name, good_pet(tmp_path), "-o", "@out") == (0, [])
    assert names(tmp_path) == {mri.name, "pet.nii.gz", "@out"}


class Program:
    """Unpickled, it touches a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("by", ["torch", "pickle"])
def test_code_in_weights_is_not_run(by: str, tmp_path: Path, fuse: Fuse) -> None:
    weights, ran = tmp_path / "bad.pt", tmp_path / "ran"
    if by == "torch":
        torch.save({"hidden.weight": Program(ran)}, weights)
    else:
        weights.write_bytes(pickle.dumps(Program(ran)))
    code, lines = fuse(good_mri(tmp_path), good_pet(tmp_path), "-o", tmp_path / "out", "--checkpoint", weights)
    assert code == REFUSED
    [line] = lines
    assert "bad.pt: not a weights file that can be read safely" in line
    assert not ran.exists()
    if by == "torch":
        torch.load(weights, weights_only=False)
    else:
        pickle.loads(weights.read_bytes())
    assert ran.exists()  # it would have


# --- Full disks and killed runs ----------------------------------------------------------------------------------


def process(*arguments: object, largest_file: int | None = None) -> subprocess.Popen[str]:
    """``monai-fusion fuse`` in a process of its own; a file that grows too large fails as on a full disk."""

    def limit() -> None:
        import resource

        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    program = "import sys; from monai_fusion.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "fuse", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=limit)


@pytest.fixture
def earlier(tmp_path: Path, fuse: Fuse) -> Path:
    """An output folder with results, and a user's file."""
    out = written(tmp_path / "earlier" / "notes.txt").parent
    assert fuse(good_mri(tmp_path), good_pet(tmp_path), "-o", out) == (0, [])
    assert names(out) == RESULTS | {"notes.txt"}
    return out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
@pytest.mark.parametrize(
    ("largest_file", "name", "folder"), [(1000, "fused.nii.gz", "new"), (6000, "dicom", "earlier")]
)
def test_full_disk(largest_file: int, name: str, folder: str, tmp_path: Path, earlier: Path) -> None:
    """Blocks pack well: their NIfTI files are smaller than one of their DICOM slices."""
    blocks = np.kron(np.arange(8).reshape(2, 2, 2), np.ones((32, 32, 4))).astype(np.float32)
    pair = save_nifti(tmp_path / "blocks.nii.gz", blocks), save_nifti(tmp_path / "turned.nii.gz", blocks[::-1])
    before = tree(tmp_path)
    run = process(*pair, "-o", tmp_path / folder, largest_file=largest_file)
    _, said = run.communicate()
    assert run.returncode == NOT_WRITTEN, said
    assert said.count("\n") == 1, said
    for text in (str(tmp_path / folder), f"{name} cannot be written", "free some space"):
        assert text in said
    assert tree(tmp_path) == before


@pytest.mark.parametrize("moves", range(1, 11, 3))
def test_earlier_results_stay_when_the_new_ones_cannot_be_moved(
    moves: int, tmp_path: Path, earlier: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails after some of the five renames out of the way and the five into place."""
    rename, done = Path.rename, []

    def fail_once(path: Path, target: Path) -> Path:
        done.append(path)
        if len(done) == moves:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    before = tree(tmp_path)
    monkeypatch.setattr(Path, "rename", fail_once)
    code, lines = fuse(tmp_path / "mri.nii.gz", tmp_path / "pet.nii.gz", "-o", earlier, "--axis", "coronal")
    assert code == NOT_WRITTEN
    assert len(lines) == 1, lines
    assert "No space left on device" in lines[0]
    assert tree(tmp_path) == before


def test_earlier_results_stay_when_the_input_is_bad(tmp_path: Path, earlier: Path, fuse: Fuse) -> None:
    before = tree(tmp_path)
    code, lines = fuse(tmp_path / "mri.nii.gz", tmp_path / "pet.nii.gz", "-o", earlier, "--set", "axis=up")
    assert (code, len(lines)) == (REFUSED, 1)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_killed(how: str, tmp_path: Path, fuse: Fuse) -> None:
    """While it writes."""
    noise = np.random.default_rng(0).random((96, 96, 96), dtype=np.float32)
    pair = save_nifti(tmp_path / "a.nii", noise), save_nifti(tmp_path / "b.nii", noise[::-1])
    out = tmp_path / "out"
    run = process(*pair, "-o", out)
    while run.poll() is None and not list(out.glob(".*/fused.nii.gz")):
        time.sleep(0.01)
    run.send_signal(getattr(signal, how))
    _, said = run.communicate()
    if how == "SIGTERM":
        assert run.returncode == INTERRUPTED
        assert said == "monai-fusion: interrupted, nothing unfinished was left\n"
        assert not out.exists()
        return
    assert run.returncode == -signal.SIGKILL
    assert names(out) == set()
    assert fuse(good_mri(tmp_path), good_pet(tmp_path), "-o", out) == (0, [])  # what is left is in nobody's way
    assert names(out) == RESULTS
