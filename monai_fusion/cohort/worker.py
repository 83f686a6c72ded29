"""The Dask task that fuses a study: a worker keeps one process that has the bundle open, and asks it.

A process of its own, because a study can hang or break down within a library, where nothing but the system ends it: the
worker lives on, and knows which study it was. Imported on the workers, so that it must stay cheap.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe

from monai_fusion.cohort.folder import CohortFolder
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.study import FAILED, Outcome, UnusableRun

__all__ = ["DEATHS", "run_study"]

#: After so many deaths of the process that was at it, a study is given up.
DEATHS = 3


class _StudyProcess:
    """A process that fuses; opened when the first study is asked for.

    Args:
        opening: for all its studies.
        number: of the worker on its machine.
    """

    def __init__(self, opening: FusionOpening, number: int | None) -> None:
        self.opening = opening
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "monai_fusion.cohort.study_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # what libraries print may name the patient
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONSAFEPATH": "1"},  # imports nothing from the working folder
                cwd=os.path.dirname(sys.executable),  # nor does a Python before 3.11, which knows no such variable
                start_new_session=True,  # to be ended with all that it starts
            )
        self._pipe.send((opening, number))
        self._greeted = False

    def ask(self, job: StudyJob) -> Outcome | UnusableRun:
        """
        Raises:
            EOFError, OSError: the process died.
        """
        if not self._greeted:
            unusable: UnusableRun | None = self._pipe.recv()
            if unusable is not None:
                return unusable
            self._greeted = True
        self._pipe.send(job)
        outcome: Outcome | UnusableRun = self._pipe.recv()
        return outcome

    def end(self) -> int:
        """Ends it and what it started; returns the signal that it died of, if it was dead."""
        self._pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return -self._process.wait()


_PATIENCE = 5.0  # seconds in which a process is to see that its pipe was closed
_own = threading.local()  # a worker of several threads has a process each


def run_study(opening: FusionOpening, job: StudyJob) -> Outcome | UnusableRun:
    """Fuses a study in this worker's process.

    Args:
        opening: what is the same for all studies of the run.
        job: the study, and how it is to be fused.

    Returns:
        How it ended; failed, where it took longer than the run allows or its process died `DEATHS` times.
    """
    deaths = 0
    while True:
        process = _get_process(opening)
        try:
            outcome = process.ask(job)
        except (EOFError, OSError):
            del _own.process
            killer = process.end()
            CohortFolder(job.output).sweep(job.study.id)
            if killer == signal.SIGALRM:
                return Outcome(FAILED, reason=f"it took longer than {job.timeout:g} s and was stopped (--timeout)")
            deaths += 1
            if deaths == DEATHS:
                return Outcome(
                    FAILED, reason=f"its process died {deaths} times, last by {_name(killer)}", deaths=deaths
                )
            continue
        return replace(outcome, deaths=deaths) if isinstance(outcome, Outcome) else outcome


def _get_process(opening: FusionOpening) -> _StudyProcess:
    process: _StudyProcess | None = getattr(_own, "process", None)
    if process is not None and process.opening != opening:  # of a run with another configuration
        process.end()
        process = None
    if process is None:
        _own.process = process = _StudyProcess(opening, _worker_number())
    return process


def _worker_number() -> int | None:
    """A local cluster counts its workers."""
    from distributed import get_worker

    try:
        return int(get_worker().name)
    except (TypeError, ValueError):  # has another name, or there is no worker
        return None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit code {-number}"
