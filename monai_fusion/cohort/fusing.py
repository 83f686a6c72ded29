"""Fusing one study after the other with the bundle opened once; imported by the process that does it alone."""

from __future__ import annotations

import json
import re
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from monai_fusion.atomic import fill_beside
from monai_fusion.cohort.causes import without_paths
from monai_fusion.cohort.fingerprint import hash_study
from monai_fusion.cohort.folder import CohortFolder, flush
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.memory import estimate_memory
from monai_fusion.cohort.study import DONE, FAILED, SKIPPED, Outcome, Study, UnusableRun, as_warnings
from monai_fusion.data.zip_file import path_exists
from monai_fusion.errors import InputError, OutputError
from monai_fusion.workflow import PairFuser

__all__ = ["StudyFuser"]

_NO_MEMORY = re.compile("can't allocate memory|out of memory|not enough memory", re.IGNORECASE)


class StudyFuser:
    """Runs the bundle on studies.

    Args:
        opening: what is the same for all of them.
        number: of the worker on its machine, by which a GPU is chosen where there are several.

    Raises:
        InputError: the bundle cannot be opened with these settings.
    """

    def __init__(self, opening: FusionOpening, number: int | None = None) -> None:
        settings = dict(opening.settings)
        gpus = torch.cuda.device_count()
        if number is not None and gpus > 1 and "device" not in settings:
            settings["device"] = f"cuda:{number % gpus}"
        self._opening = opening
        self._fuser = PairFuser(opening.bundle, opening.configuration, **settings)

    def run(self, job: StudyJob) -> Outcome | UnusableRun:
        """Fuses a study, if it is not done already; whatever its inputs are, this returns."""
        study, folder = job.study, CohortFolder(job.output)
        began = time.monotonic(), time.process_time()
        key, reason, state = None, "", FAILED
        computed = True
        try:
            folder.sweep(study.id)
            _check_there(study)
            key = hash_study(self._opening.fingerprint, study)
            if folder.holds(study.id, key) and _warnings(folder.results(study.id, key)) is not None:
                computed = False
            elif (needed := estimate_memory(study)) > self._opening.memory:
                state = SKIPPED
                raise InputError(
                    f"it would need about {needed / 2**30:.1f} GiB, "
                    f"a worker may use {self._opening.memory / 2**30:.1f} GiB (--memory)"
                )
            else:
                self._fuse(study, folder.results(study.id, key))
            state = DONE
        except OutputError as error:
            if folder.holds(study.id, key):  # another process was faster
                state = DONE
            else:
                return UnusableRun(_system_reason(error), output=True)
        except InputError as error:
            reason = without_paths(str(error), study)
        except Exception as error:  # no study is to end the run
            if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
                reason = f"it needs more memory than the {self._opening.memory / 2**30:.1f} GiB of a worker (--memory)"
            else:
                reason = without_paths(f"unexpected error, please report it ({type(error).__name__}: {error})", study)
        finally:
            folder.sweep(study.id)
        return Outcome(
            state,
            key,
            reason,
            (_warnings(folder.results(study.id, key or "")) or ()) if state == DONE else (),
            computed,
            time.monotonic() - began[0],
            time.process_time() - began[1],
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )

    def _fuse(self, study: Study, target: Path) -> None:
        mri, functional = (paths[0] if len(paths) == 1 else paths for paths in (study.mri, study.functional))
        with _writing():
            target.parent.mkdir(exist_ok=True)  # but not its parent: that it is gone ends the run
            shutil.rmtree(target, ignore_errors=True)  # someone took the report out of it
        with fill_beside(target) as unfinished:
            self._fuser.fuse(mri, functional, unfinished, **study.settings)
            with _writing():
                flush(unfinished)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"the results cannot be written ({error.strerror})") from error


def _warnings(results: Path) -> tuple[str, ...] | None:
    """Of the report, which is there; None if it is none of ours: it may have been changed since it was written."""
    try:
        return as_warnings(json.loads((results / "report.json").read_text(encoding="utf-8"))["warnings"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _check_there(study: Study) -> None:
    for name, paths in (("MRI", study.mri), ("functional image", study.functional)):
        for path in paths:
            if not path_exists(path):
                raise InputError(f"{path}: there is no such file or folder; check the path of the {name}")


def _system_reason(error: OutputError) -> str:
    """What the system said, which names no file."""
    return getattr(error.__cause__, "strerror", None) or "for a reason that the system did not give"
