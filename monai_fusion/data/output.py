"""The output folder, written beside and renamed: an interrupted run leaves nothing that looks finished."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from monai_fusion.errors import OutputError

__all__ = ["OutputFolder"]

REPORT_FILE = "report.json"


class OutputFolder:
    """Collects the files of one run in a hidden folder within the output folder, and moves them up when all are there.

    The report is moved last: where there is a report, the results beside it are whole. Results of an earlier run in the
    same folder are replaced, those that this run does not make are removed. What has the name of a result and is none
    (``dicom`` may well be where the input lies) is not: the run is refused.

    Args:
        path: the output folder; created if it is not there, and removed again if the run fails.
    """

    #: Everything a run may leave in its folder, the report last.
    NAMES: tuple[str, ...] = (
        "fused.nii.gz",
        "fused_color.nii.gz",
        "fused.png",
        "dicom",
        "mri_to_functional.tfm",
        "contact_sheet.png",
        REPORT_FILE,
    )

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._staging: tempfile.TemporaryDirectory[str] | None = None
        self._made: list[Path] = []

    def open(self) -> None:
        """Makes the folder.

        Raises:
            OutputError: it cannot be made or written to, or results would take the place of something else.
        """
        taken = [name for name in self.NAMES if os.path.lexists(self.path / name)]
        if taken and not self._holds_results():
            raise OutputError(
                f"{self.path}: holds {taken[0]}, which is no result of an earlier run; choose another output folder"
            )
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

    def _holds_results(self) -> bool:
        """Is there a report, and ours? It is the first to go and the last to come."""
        try:
            return "monai_fusion" in json.loads((self.path / self.NAMES[-1]).read_text(encoding="utf-8"))["versions"]
        except (OSError, ValueError, LookupError, TypeError):
            return False

    def file(self, name: str) -> Path:
        """Where to write a result, one of `NAMES`, until `commit`."""
        if self._staging is None:
            self.open()
        assert self._staging is not None
        if name not in self.NAMES:
            raise ValueError(f"{name!r} is no result of a run: {self.NAMES}")
        return Path(self._staging.name) / name

    def commit(self) -> list[str]:
        """Moves the results into place, the report last; if that fails, those of an earlier run come back.

        Returns:
            Their names.
        """
        assert self._staging is not None
        staging = Path(self._staging.name)
        earlier = staging / "earlier"
        earlier.mkdir()
        names = [name for name in self.NAMES if (staging / name).exists()]
        try:
            _move(reversed(self.NAMES), self.path, earlier)
            _move(names, staging, self.path)
        except BaseException:
            _move((name for name in names if not (staging / name).exists()), self.path, staging)
            _move(self.NAMES, earlier, self.path)
            raise
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


def _move(names: Iterable[str], source: Path, target: Path) -> None:
    """Moves those that are there, within one file system: at once, and without a copy."""
    for name in names:
        if os.path.lexists(source / name):
            (source / name).rename(target / name)
