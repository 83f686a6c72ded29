"""Hard days: `monai-fusion cohort` as a user runs it, killed, without space, with a clock that jumps."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_cohort import cut_short, missing, sound, write_manifest

from monai_fusion.cohort.folder import CohortFolder

pytest.importorskip("distributed", reason="the extra cohort is not installed")

PROGRAM = "import sys; from monai_fusion.cli import main; sys.exit(main(sys.argv[1:]))"
COMMAND = [sys.executable, "-c", PROGRAM, "cohort"]
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], **{**pipes, **options})


def content(out: Path) -> dict[str, tuple[str, str]]:
    """State and reason by id; an empty one before the store is there."""
    try:
        with sqlite3.connect(f"file:{out / 'cohort.sqlite'}?mode=ro", uri=True) as database:
            return {row[0]: row[1:] for row in database.execute("SELECT id, state, reason FROM study")}
    except sqlite3.OperationalError:
        return {}


def await_rows(out: Path, count: int, run: subprocess.Popen[str]) -> None:
    while len(content(out)) < count:
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)


def processes(run: subprocess.Popen[str]) -> tuple[psutil.Process, psutil.Process]:
    """The Dask worker, and the process of it that fuses."""
    while True:
        for process in psutil.Process(run.pid).children(recursive=True):
            try:
                parent = process.parent()
                if parent is not None and "monai_fusion.cohort.study_process" in process.cmdline():
                    return parent, process
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.01)


def test_killed_workers_and_a_killed_run(tmp_path: Path) -> None:
    """No study is lost or done twice, nothing half-written stays, and no process."""
    studies = [sound(tmp_path / "in", f"sound{i}") for i in range(8)]
    studies += [cut_short(tmp_path / "in", "cut"), missing(tmp_path / "in", "gone")]
    manifest, out = write_manifest(tmp_path / "studies.csv", studies), tmp_path / "out"
    run = start(manifest, "-o", out, "--workers", 1)
    await_rows(out, 2, run)
    worker, fusing = processes(run)
    worker.kill()
    await_rows(out, 4, run)
    assert not fusing.is_running()
    family = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGKILL)
    said, _ = run.communicate()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    before = content(out)
    assert len(before) < len(studies)

    run = start(manifest, "-o", out, "--workers", 1)
    said, _ = run.communicate()
    assert run.returncode == 5, said
    assert f"8 done, 2 failed, 0 skipped of 10 studies, {8 - len(before)} of them now" in said
    assert str(tmp_path) not in said.replace(str(out), "")
    after = content(out)
    assert {state for _, (state, _) in after.items()} == {"done", "failed"}
    assert sorted(name for name, (state, _) in after.items() if state == "failed") == ["cut", "gone"]
    results = sorted(path.relative_to(out / "studies") for path in (out / "studies").glob("*/*"))
    assert [path.parts[0] for path in results] == [f"sound{i}" for i in range(8)]
    assert all((out / "studies" / path / "report.json").is_file() for path in results)
    assert not list((out / "studies").rglob(".*"))


def test_two_runs_at_once(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "studies.csv", [sound(tmp_path, "study")])
    with CohortFolder(tmp_path / "out").locked():
        run = start(manifest, "-o", tmp_path / "out", "-q")
        said, _ = run.communicate()
    assert run.returncode == 4
    assert said == (
        f"monai-fusion: {tmp_path / 'out'}: another run is at work in it; wait for its end, or choose another folder\n"
    )


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "studies.csv", [sound(tmp_path, "study")])
    run = start(manifest, "-o", tmp_path / "out", "--dry-run")
    said, _ = run.communicate()
    assert (run.returncode, said) == (0, "1 pairs, 0 left over\n\npair       study\n")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def mounts(tmp_path: Path) -> list[str]:
    """A shell in a mount namespace of its own."""
    command = ["unshare", "--mount", "--map-root-user", "--propagation", "private", "sh", "-ec"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "mount -t tmpfs none /mnt"], check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    return command


def test_a_full_disk_read_only_inputs_and_a_clock_that_jumps(tmp_path: Path, mounts: list[str]) -> None:
    """A small disk fills up; once there is space, what is missing is done, while the clock is set back by a day."""
    if not Path(FAKETIME).exists():
        pytest.skip("faketime is not installed")
    manifest = write_manifest(tmp_path / "studies.csv", [sound(tmp_path / "in", f"sound{i}") for i in range(8)])
    disk, out, clock = tmp_path / "disk", tmp_path / "disk" / "out", tmp_path / "clock"
    disk.mkdir()
    clock.write_text("+0")
    command = f"{sys.executable} -c '{PROGRAM}' cohort {manifest} -o {out} --workers 1"
    script = f"""
        mount --bind {tmp_path}/in {tmp_path}/in && mount -o remount,bind,ro {tmp_path}/in
        ! touch {tmp_path}/in/new
        mount -t tmpfs -o size=1500k none {disk}
        code=0; {command} || code=$?; echo "code $code"
        ls {out}/studies | wc -l; find {out}/studies -name '.*.unfinished*'
        mount -o remount,size=100m {disk}
        (while [ $(ls {out}/studies | wc -l) -lt 6 ]; do sleep .01; done; echo -1d > {clock}) &
        export LD_PRELOAD={FAKETIME} FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
        code=0; {command} || code=$?; echo "code $code"
        unset LD_PRELOAD
        cp -r {out} {tmp_path}/kept
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*mounts, script], capture_output=True, text=True, env=environment, check=False, timeout=400)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    complaint = [line for line in done.stderr.splitlines() if line.startswith("monai-fusion")]
    assert complaint == [
        "monai-fusion: the results cannot be written (No space left on device); "
        "mend it and run again: what is done is kept"
    ]
    kept = int(said[said.index("code 4") + 1])
    assert 1 <= kept < 8
    assert said[said.index("code 4") + 2] == "8 pairs, 0 left over"
    assert f"8 done, 0 failed, 0 skipped of 8 studies, {8 - kept} of them now; the results are in {out}" in said
    assert said[-1] == "code 0"
    assert set(content(tmp_path / "kept").values()) == {("done", "")}
    with sqlite3.connect(tmp_path / "kept" / "cohort.sqlite") as database:
        days = [day for (day,) in database.execute("SELECT DISTINCT substr(finished, 1, 10) FROM effort ORDER BY 1")]
    assert len(days) == 2  # it did jump
