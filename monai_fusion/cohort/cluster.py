"""The Dask cluster that a cohort runs on: one on this machine, or one that is there already."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from monai_fusion.cohort.certificate import temporary_security
from monai_fusion.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["connect", "count_workers", "memory_of_worker", "require_dask"]

#: Deaths of Dask workers after which a study that each of them was at is given up, less one.
ALLOWED_FAILURES = 2

_CONFIGURATION = {
    "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
    "distributed.scheduler.worker-ttl": None,  # measured on the wall clock: one set forward would lose all workers
    "distributed.scheduler.work-stealing": False,  # no study waits at a worker
    # what Dask does while it waits took 6 % of a core for two workers, more than the tasks themselves
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,
}
_SECONDS_TO_CONNECT = 30


def require_dask() -> None:
    """
    Raises:
        InputError: Dask is not installed.
    """
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError(f"a cohort runs on Dask ({error}); pip install 'monai-fusion[cohort]'") from error


def count_workers() -> int:
    """How many to start on this machine: one a GPU where there are GPUs, else one a core that we may use."""
    return _count_gpus() or len(os.sched_getaffinity(0))


def _count_gpus() -> int:
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def memory_of_worker(workers: int) -> int:
    """Bytes for each worker on this machine, of what there is (or a container may use)."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT * 0.9 / workers)


@contextmanager
def connect(scheduler: str | None, workers: int, dashboard: bool) -> Iterator[Client]:
    """A client of a cluster; one that was started here is stopped at the end.

    The local cluster listens on 127.0.0.1 alone, and by TLS with a certificate made for it: on a machine with other
    users none of them can hand it work.

    Args:
        scheduler: address of a Dask scheduler; None to start a cluster here.
        workers: how many processes of one thread to start here.
        dashboard: have Dask's dashboard, on 127.0.0.1.

    Raises:
        InputError: no scheduler answers, or what the dashboard needs is missing.
    """
    if dashboard:
        _require_bokeh()
    with _not_importing_from_here():
        yield from _connected(scheduler, workers, dashboard)


@contextmanager
def _not_importing_from_here() -> Iterator[None]:
    """Processes that are started within import nothing from the working folder, where a file called ``weakref.py`` may
    lie beside the manifest.

    Python heeds ``PYTHONSAFEPATH`` from 3.11 on; an earlier one is put into a folder where nobody else can write.
    """
    before, folder = os.environ.get("PYTHONSAFEPATH"), os.getcwd()
    os.environ["PYTHONSAFEPATH"] = "1"
    if sys.version_info < (3, 11):
        os.chdir(os.path.dirname(sys.executable))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before
        if sys.version_info < (3, 11):
            os.chdir(folder)


def _connected(scheduler: str | None, workers: int, dashboard: bool) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # names tasks and files
    with dask.config.set(_CONFIGURATION):
        if scheduler is not None:
            try:
                client = Client(scheduler, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
            except (OSError, ValueError) as error:
                reason = str(error).partition("\n")[0]
                raise InputError(f"--scheduler {scheduler}: does not answer ({reason}); check its address") from error
            with client:
                yield client
            return
        options: dict[str, Any] = {
            "n_workers": workers,
            "threads_per_worker": 1,
            "processes": True,
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0" if dashboard else None,
            "memory_limit": 0,  # the process that fuses has one of its own
            "security": temporary_security(),
            "silence_logs": logging.CRITICAL,
        }
        with LocalCluster(**options) as cluster, Client(cluster, set_as_default=False) as client:
            yield client


def _require_bokeh() -> None:
    if find_spec("bokeh") is None:
        raise InputError("--dashboard: Dask's dashboard needs bokeh; pip install bokeh, or leave it out")
