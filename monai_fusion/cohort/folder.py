"""The output folder of a cohort: one run at a time, each study's results whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_fusion.errors import OutputError

__all__ = ["CohortFolder", "flush"]

_KEY_DIGITS = 16


class CohortFolder:
    """Where what lies.

    ``studies/ID/KEY/`` holds the results of a study, KEY being the beginning of the hash of all they depend on: other
    inputs or another configuration give another folder, and what is there is not made again. ``cohort.sqlite`` is the
    store, ``report.html`` the summary.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "cohort.sqlite"
        self.report = path / "report.html"
        self.studies = path / "studies"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder, keeps other runs out of it, and sweeps; the system opens the lock of a run that was killed.

        Raises:
            OutputError: it cannot be made, holds something else, or another run is at work in it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".cohort.lock", timeout=0)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            if not self.store.exists() and any(self._is_foreign(entry) for entry in self.path.iterdir()):
                raise OutputError(f"{self.path}: holds something else than a cohort's results; choose another folder")
            self.studies.mkdir(exist_ok=True)
            _check_no_link(self.studies)
            self.sweep()
        except Timeout as error:
            raise OutputError(
                f"{self.path}: another run is at work in it; wait for its end, or choose another folder"
            ) from error
        except OSError as error:
            lock.release()
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.path}: cannot be written to ({error.strerror}); choose another folder") from error
        try:
            yield
        finally:
            lock.release()

    def _is_foreign(self, entry: Path) -> bool:
        """A run that was killed early may have made no store yet."""
        return entry != self.studies and not entry.name.startswith(".")

    def results(self, study_id: str, key: str) -> Path:
        """Where the results of a study are."""
        return self.studies / study_id / key[:_KEY_DIGITS]

    def holds(self, study_id: str, key: str | None) -> bool:
        """Are whole results there? They are renamed into place with their report among them."""
        return key is not None and (self.results(study_id, key) / "report.json").is_file()

    def sweep(self, study_id: str | None = None) -> None:
        """Removes what processes that were killed left unfinished, of one study or of all."""
        for folder in [self.studies / study_id] if study_id else list(self.studies.glob("*")):
            _check_no_link(folder)
            for unfinished in folder.glob(".*.unfinished-*"):
                shutil.rmtree(unfinished, ignore_errors=True)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _check_no_link(folder: Path) -> None:
    """What is removed or written below a link is somebody else's."""
    if folder.is_symlink():
        raise OutputError(f"{folder}: is a link; a run makes none, choose another folder or remove it")


def flush(folder: Path) -> None:
    """Waits until all files of a folder are on the disk, so that a cut of power leaves none empty under its name."""
    for parent, _, names in os.walk(folder):
        for path in (*(os.path.join(parent, name) for name in names), parent):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
