"""The output folder, written beside and renamed: an interrupted run leaves nothing that looks finished."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from monai_fusion.errors import OutputError

__all__ = ["OutputFolder"]

REPORT_FILE = "report.json"


class OutputFolder:
    """Collects the files of one run in a hidden folder within the output folder, and moves them up when all are there.

    The report is moved last: where there is a report, the results beside it are whole. Results of an earlier run in the
    same folder are replaced, those that this run does not make are removed.

    Args:
        path: the output folder; created if it is not there, and removed again if the run fails.
    """

    #: Everything a run may leave in its folder, the report last.
    NAMES = ("fused.nii.gz", "fused_color.nii.gz", "fused.png", "dicom", "contact_sheet.png", REPORT_FILE)

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._staging: tempfile.TemporaryDirectory[str] | None = None
        self._made: list[Path] = []

    def open(self) -> None:
        """Makes the folder.

        Raises:
            OutputError: it cannot be made or written to.
        """
        try:
            missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            self._made = missing
            self._staging = tempfile.TemporaryDirectory(dir=self.path, prefix=".monai-fusion-unfinished-")
        except OSError as error:
            self.rollback()
            raise OutputError(
                f"{self.path}: cannot be written to ({error.strerror}); choose another output folder"
            ) from error

    def file(self, name: str) -> Path:
        """Where to write a result, one of `NAMES`, until `commit`."""
        if self._staging is None:
            self.open()
        assert self._staging is not None
        if name not in self.NAMES:
            raise ValueError(f"{name!r} is no result of a run: {self.NAMES}")
        return Path(self._staging.name) / name

    def commit(self) -> list[str]:
        """Moves the results into place, the report last.

        Returns:
            Their names.
        """
        assert self._staging is not None
        staging = Path(self._staging.name)
        names = [name for name in self.NAMES if (staging / name).exists()]
        for name in reversed(self.NAMES):
            _remove(self.path / name)
        for name in names:
            (staging / name).rename(self.path / name)
        self._staging.cleanup()
        self._staging = None
        return names

    def rollback(self) -> None:
        """Removes what was written since `open`, and the folder itself if this run made it."""
        if self._staging is not None:
            self._staging.cleanup()
            self._staging = None
        for folder in self._made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        self._made = []


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
