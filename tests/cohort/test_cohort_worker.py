"""The task of a worker: whatever a study is, it ends, and the next one is fused."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_cohort import cut_short, sound, with_faults

import monai_fusion
from monai_fusion.cohort.fingerprint import hash_configuration
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.study import Outcome, Study, UnusableRun
from monai_fusion.cohort.worker import run_study

pytest.importorskip("distributed", reason="the extra cohort is not installed")

GIB = 2**30


def opening(configuration: dict[str, Any], version: str = monai_fusion.__version__) -> FusionOpening:
    fingerprint = hash_configuration(None, {}, configuration)
    return FusionOpening(None, {}, fingerprint, version, 8 * GIB, configuration)


def run(out: Path, study: Study, configuration: dict[str, Any], timeout: float = 120.0) -> Outcome:
    (out / "studies").mkdir(parents=True, exist_ok=True)
    outcome = run_study(opening(configuration), StudyJob(study, out, timeout))
    assert isinstance(outcome, Outcome)
    return outcome


def child() -> psutil.Process:
    """The process that fuses."""
    [process] = [p for p in psutil.Process().children() if "monai_fusion.cohort.study_process" in p.cmdline()]
    return process


def folders(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_dir())


def test_a_process_of_another_version_is_not_used(tmp_path: Path) -> None:
    outcome = run_study(opening({}, version="0.0"), StudyJob(sound(tmp_path, "study"), tmp_path))
    assert outcome == UnusableRun(f"a worker has monai-fusion {monai_fusion.__version__}, this is 0.0")


def test_one_process_and_a_new_one_after_a_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process costs seconds: loading the libraries. So all ways to die are in one test."""
    out, faults = tmp_path / "out", with_faults(tmp_path)
    assert run(out, sound(tmp_path, "first"), faults).state == "done"
    first = child()
    assert run(out, cut_short(tmp_path, "cut"), faults).state == "failed"
    assert child() == first

    before = time.monotonic()
    stopped = run(out, sound(tmp_path, "hanging"), faults, timeout=1.0)
    assert time.monotonic() - before < 300  # it would sleep for 600
    assert (stopped.state, stopped.reason) == ("failed", "it took longer than 1 s and was stopped (--timeout)")
    assert not first.is_running()

    killed = []

    def kill() -> None:
        while not list((out / "studies" / "unlucky").glob(".*")):
            time.sleep(0.001)
        killed.append(child())
        killed[0].kill()

    thread = threading.Thread(target=kill)
    thread.start()
    unlucky = run(out, sound(tmp_path, "unlucky"), faults)
    thread.join()
    assert (unlucky.state, unlucky.deaths) == ("done", 1)
    assert child() != killed[0]

    monkeypatch.setattr("monai_fusion.cohort.worker.DEATHS", 2)
    given_up = run(out, sound(tmp_path, "deadly"), faults)
    assert (given_up.state, given_up.deaths) == ("failed", 2)
    assert given_up.reason == "its process died 2 times, last by SIGSEGV"
    assert sorted(path.name for path in (out / "studies").iterdir()) == ["first", "unlucky"]
    assert not list((out / "studies").rglob(".*"))


def test_memory_is_limited_by_the_system() -> None:
    """Where a step takes more than the headers let expect."""
    program = """if True:
        import numpy
        from monai_fusion.cohort.study_process import _limit_memory
        _limit_memory(2**30)
        numpy.ones(10**7)
        try:
            numpy.ones(10**9)
        except MemoryError:
            print("refused")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_no_process_outlives_who_started_it() -> None:
    program = """if True:
        import os, signal
        import monai_fusion
        from monai_fusion.cohort.job import FusionOpening
        from monai_fusion.cohort.worker import _StudyProcess
        process = _StudyProcess(FusionOpening(None, {}, "", monai_fusion.__version__, 2**33), None)
        print(process._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(60)
