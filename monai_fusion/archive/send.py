"""Sending results: what the archive does not list is stored, then it is asked again whether it lists all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_fusion.archive.client import WAITS, Answer, ArchiveClient, ArchiveError, Outgoing, retrying
from monai_fusion.archive.connection import connected
from monai_fusion.archive.settings import ArchiveSettings
from monai_fusion.data.output import REPORT_FILE
from monai_fusion.errors import InputError, OutputError

__all__ = ["Sent", "send"]

_HEADER = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class Sent:
    """How many instances were stored, how many of all were there before, and what the archive remarked, how often."""

    stored: int
    instances: int
    remarks: Counter[str]


def send(settings: ArchiveSettings, results: str | Path, progress: bool = False) -> Sent:
    """Stores every ``*.dcm`` below ``dicom/`` of a results folder.

    Args:
        settings: of the archive.
        results: the output folder of a finished run.
        progress: show a bar.

    Raises:
        InputError: the folder holds no finished results, or a damaged file.
        OutputError: the archive was not reached, refused an instance, or does not hold all of them afterwards.
    """
    files = _find_files(Path(results))
    with connected(settings, OutputError) as archive:
        missing = _missing(archive, files)
        pending = {file.uid: file for file in missing}
        remarks: Counter[str] = Counter()
        refusals: Counter[str] = Counter()
        from tqdm import tqdm

        with tqdm(total=len(missing), unit="instance", disable=not progress) as bar:

            def tell(file: Outgoing, answer: Answer) -> None:
                del pending[file.uid]
                bar.update()
                if answer.remark:
                    (remarks if answer.stored else refusals)[answer.remark] += 1

            _store(archive, pending, tell, len(files))
        _verify(archive, files, refusals)
    return Sent(len(missing), len(files), remarks)


def _find_files(results: Path) -> list[Outgoing]:
    folder = results / "dicom"
    if not (results / REPORT_FILE).is_file() or not folder.is_dir():
        raise InputError(f"{results}: holds no finished results with DICOM; name the output folder of a fusion")
    files = {file.uid: file for file in map(_read_header, sorted(folder.rglob("*.dcm")))}
    if not files:
        raise InputError(f"{folder}: holds no DICOM file to send; fuse again")
    return list(files.values())


def _read_header(path: Path) -> Outgoing:
    import pydicom

    try:
        header = pydicom.dcmread(path, specific_tags=list(_HEADER), stop_before_pixels=True)
        sop_class, uid, study, series = (str(header[keyword].value) for keyword in _HEADER)
        return Outgoing(path, study, series, uid, sop_class, str(header.file_meta.TransferSyntaxUID))
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise InputError(f"{path}: a damaged DICOM file; fuse again") from error


def _store(
    archive: ArchiveClient, pending: dict[str, Outgoing], tell: Callable[[Outgoing, Answer], None], total: int
) -> None:
    """Stores what is pending, again where the connection broke; `tell` takes out what was answered."""
    if not pending:
        return
    try:
        retrying(lambda: archive.store(list(pending.values()), tell) if pending else None)
    except ArchiveError as error:
        there = total - len(pending)
        raise OutputError(
            f"{error}. {there} of {total} instances were stored; the same command again sends what is missing"
        ) from error


def _missing(archive: ArchiveClient, files: Sequence[Outgoing]) -> list[Outgoing]:
    """Those that the archive does not list."""
    listed: set[str] = set()
    for study_uid, series_uid in dict.fromkeys((file.study_uid, file.series_uid) for file in files):
        listed |= retrying(lambda study=study_uid, series=series_uid: archive.find_instances(study, series)).keys()  # type: ignore[misc]
    return [file for file in files if file.uid not in listed]


def _verify(archive: ArchiveClient, files: Sequence[Outgoing], refusals: Counter[str]) -> None:
    """Refuses to call it done where an instance is not listed; an archive may need a moment to list it."""
    missing = _missing(archive, files)
    for wait in () if refusals else WAITS:
        if not missing:
            break
        time.sleep(wait)
        missing = _missing(archive, files)
    if missing:
        said = "; ".join(f"{count} x {reason}" for reason, count in refusals.items()) or "it said they were stored"
        raise OutputError(
            f"{archive.name}: {len(missing)} of {len(files)} instances are not in the archive ({said}); "
            "look into its log, then run the same command again, which sends what is missing"
        )
