"""What pulling and sending ask of an archive, whatever it speaks."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from monai_fusion.archive.settings import ArchiveSettings
from monai_fusion.errors import InputError
from monai_fusion.escaping import printable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = [
    "WAITS",
    "Answer",
    "ArchiveClient",
    "ArchiveError",
    "ArchivedSeries",
    "ArchivedStudy",
    "Outgoing",
    "UnreachableError",
    "check_uid",
    "open_archive",
    "retrying",
]

T = TypeVar("T")

#: Seconds before the second and the third attempt.
WAITS = (1.0, 4.0)


class ArchiveError(Exception):
    """The archive did not do what was asked: one line, with what to do, and without identifiers."""


class UnreachableError(ArchiveError):
    """It was not reached, or broke off; trying again may help."""


@dataclass(frozen=True)
class ArchivedStudy:
    """A study as an archive describes it."""

    uid: str
    date: str


@dataclass(frozen=True)
class ArchivedSeries:
    """A series as an archive describes it; `count` is NumberOfSeriesRelatedInstances where it says so."""

    study_uid: str
    uid: str
    modality: str
    number: str
    description: str
    count: int | None


@dataclass(frozen=True)
class Outgoing:
    """A DICOM file to be stored."""

    path: Path
    study_uid: str
    series_uid: str
    uid: str
    sop_class: str
    transfer_syntax: str


@dataclass(frozen=True)
class Answer:
    """What an archive answered to an instance: stored or not, and the reason or reservation (empty where none)."""

    stored: bool
    remark: str = ""


class ArchiveClient(ABC):
    """A connection to an archive.

    Every method may raise `ArchiveError`, as `UnreachableError` where trying again may help.
    """

    def __init__(self, settings: ArchiveSettings) -> None:
        self.settings = settings

    @property
    def name(self) -> str:
        return self.settings.name

    @abstractmethod
    def find_studies(self, keys: Mapping[str, str]) -> list[ArchivedStudy]:
        """The studies that match: `keys` are keywords of the study level and their values."""

    @abstractmethod
    def find_series(self, study_uid: str) -> list[ArchivedSeries]:
        """The series of a study."""

    @abstractmethod
    def find_instances(self, study_uid: str, series_uid: str) -> dict[str, str]:
        """The SOPInstanceUIDs of a series, each with its SOPClassUID (empty where the archive does not say)."""

    @abstractmethod
    def retrieve(self, series: ArchivedSeries, sop_classes: Sequence[str], keep: Callable[[Dataset], None]) -> None:
        """Retrieves a series as it is stored, compressed or not, and calls `keep` with each instance.

        What `keep` raises ends the retrieval and is raised here.
        """

    @abstractmethod
    def store(self, files: Sequence[Outgoing], tell: Callable[[Outgoing, Answer], None]) -> None:
        """Stores files, and calls `tell` with each as soon as the archive has answered for it."""

    def series_from(self, study_uid: str, found: Dataset) -> ArchivedSeries:
        """A series out of an answer's attributes."""
        count = found.get("NumberOfSeriesRelatedInstances")
        return ArchivedSeries(
            study_uid=study_uid,
            uid=check_uid(found.get("SeriesInstanceUID"), self.name),
            modality=_text(found.get("Modality")),
            number=_text(found.get("SeriesNumber")),
            description=_text(found.get("SeriesDescription")),
            count=int(count) if count is not None else None,
        )

    def study_from(self, found: Dataset) -> ArchivedStudy:
        return ArchivedStudy(check_uid(found.get("StudyInstanceUID"), self.name), _text(found.get("StudyDate")))

    def instance_from(self, found: Dataset) -> tuple[str, str]:
        sop_class = _text(found.get("SOPClassUID"))
        return check_uid(found.get("SOPInstanceUID"), self.name), sop_class and check_uid(sop_class, self.name)


def _text(value: Any) -> str:
    return "" if value is None else printable(str(value)).strip()


def check_uid(value: Any, name: str) -> str:
    """A UID that the archive named; it becomes the name of a file.

    Raises:
        ArchiveError: it is none.
    """
    text = "" if value is None else str(value)
    if len(text) > 64 or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", text):
        raise ArchiveError(f"{name}: answered with something that is no UID; have the archive checked")
    return text


def retrying(call: Callable[[], T]) -> T:
    """Calls; where the archive was not reached, again after each of `WAITS`."""
    for wait in WAITS:
        try:
            return call()
        except UnreachableError:
            time.sleep(wait)
    return call()


def open_archive(settings: ArchiveSettings) -> ArchiveClient:
    """A client that speaks what the address says; it connects when it is first asked something.

    Raises:
        InputError: the package for it is not installed, or its certificates cannot be used.
    """
    try:
        if settings.address.is_dicomweb:
            from monai_fusion.archive.dicomweb import DicomwebArchive

            return DicomwebArchive(settings)
        from monai_fusion.archive.dimse import DimseArchive

        return DimseArchive(settings)
    except ImportError as error:
        raise InputError(f"{error.name} is missing, which archives need; pip install 'monai-fusion[pacs]'") from error
