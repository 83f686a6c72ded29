"""One study of a cohort, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["DONE", "FAILED", "SKIPPED", "STATES", "Outcome", "Study", "UnusableRun", "as_warnings", "is_folder_name"]

DONE, FAILED, SKIPPED = STATES = ("done", "failed", "skipped")


def is_folder_name(name: str) -> bool:
    """Does it name a folder within another one, and nothing above or below it?"""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def as_warnings(value: object) -> tuple[str, ...]:
    """The warnings of a report, as JSON has them.

    Raises:
        TypeError: it is no list of texts.
    """
    if not isinstance(value, list) or not all(isinstance(warning, str) for warning in value):
        raise TypeError("no list of texts")
    return tuple(value)


@dataclass(frozen=True)
class Study:
    """A pair to fuse.

    Args:
        id: the name of its results and of its row in the store; fit for a file name.
        mri: a file or folder, or the files of one DICOM series.
        functional: the same.
        settings: ids of the bundle's configuration for this study alone.
    """

    id: str
    mri: tuple[Path, ...]
    functional: tuple[Path, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a study ended.

    Args:
        state: one of `STATES`. Failed is what was tried and cannot be fused, skipped what was not tried.
        key: the hash of all that the results depend on; None where the inputs could not be read.
        reason: why it is not done, with the paths of the study taken out.
        warnings: of the report.
        computed: False where whole results were there already.
        seconds, cpu_seconds: that it took within the worker, on the clock and of the processor.
        peak_mib: the most memory that the worker's process has held so far, in MiB.
        deaths: how often its process died on the way.
    """

    state: str
    key: str | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    computed: bool = True
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    deaths: int = 0


@dataclass(frozen=True)
class UnusableRun:
    """What no study is to blame for and ends the run: a configuration that cannot be built, a full disk.

    Args:
        reason: one line without anything of a study in it.
        output: is it the output that cannot be written?
    """

    reason: str
    output: bool = False
