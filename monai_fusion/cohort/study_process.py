"""The process that fuses, started by `monai_fusion.cohort.worker` and by nobody else.

It listens to a pipe whose number is its first argument: a `FusionOpening` and the worker's number first, then one
`StudyJob` after the other. Its answers are None once the bundle is open, then an `Outcome` a study, or an
`UnusableRun`. It ends with the pipe, and takes what it started (registrations) with it.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection

import monai_fusion
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.study import UnusableRun
from monai_fusion.errors import FusionError

__all__: list[str] = []


def _listen(pipe: Connection, jobs: queue.SimpleQueue[StudyJob]) -> None:
    try:
        while True:
            jobs.put(pipe.recv())
    except (EOFError, OSError):  # whoever asked is gone: nobody wants the answer
        os.killpg(0, signal.SIGKILL)


def _limit_memory(size: int) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (size, hard))


def main() -> None:
    pipe = Connection(int(sys.argv[1]))
    opening: FusionOpening
    opening, number = pipe.recv()
    jobs: queue.SimpleQueue[StudyJob] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, jobs), daemon=True).start()
    if opening.version != monai_fusion.__version__:
        pipe.send(UnusableRun(f"a worker has monai-fusion {monai_fusion.__version__}, this is {opening.version}"))
        return
    _limit_memory(opening.memory)
    try:
        from monai_fusion.cohort.fusing import StudyFuser

        fuser = StudyFuser(opening, number)
    except (FusionError, ImportError) as error:
        pipe.send(UnusableRun(str(error)))
        return
    pipe.send(None)
    while True:
        job = jobs.get()
        signal.setitimer(signal.ITIMER_REAL, job.timeout)  # the system ends this process, whatever it does then
        outcome = fuser.run(job)
        signal.setitimer(signal.ITIMER_REAL, 0)
        pipe.send(outcome)


if __name__ == "__main__":
    main()
