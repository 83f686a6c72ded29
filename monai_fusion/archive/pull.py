"""Pulling a study: found by a query, retrieved series by series, counted, and only then moved into place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monai_fusion.archive.client import ArchiveClient, ArchivedSeries, ArchivedStudy, ArchiveError, check_uid, retrying
from monai_fusion.archive.connection import connected
from monai_fusion.archive.settings import ArchiveSettings
from monai_fusion.atomic import fill_beside
from monai_fusion.errors import InputError, OutputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Pulled", "list_series", "pull", "study_keys"]


@dataclass(frozen=True)
class Pulled:
    """How much was pulled."""

    series: int
    instances: int


def study_keys(study: str | None, accession: str | None, patient: str | None, dates: str | None) -> dict[str, str]:
    """The keys of the query for a study.

    Args:
        study: StudyInstanceUID.
        accession: AccessionNumber.
        patient: PatientID.
        dates: StudyDate, ``YYYYMMDD`` or a range ``YYYYMMDD-YYYYMMDD``, open on either side.

    Raises:
        InputError: a value that would match anything, or is none of its kind.
    """
    if study is not None:
        try:
            check_uid(study, "")
        except ArchiveError as error:
            raise InputError("--study: is no StudyInstanceUID, which is digits and dots") from error
    if dates is not None and not all(len(day) in (0, 8) and (day or "0").isdigit() for day in dates.split("-", 1)):
        raise InputError("--date: is no date; write YYYYMMDD or YYYYMMDD-YYYYMMDD")
    keys = {"StudyInstanceUID": study, "AccessionNumber": accession, "PatientID": patient, "StudyDate": dates}
    given = {keyword: value for keyword, value in keys.items() if value is not None}
    if not given.keys() - {"StudyDate"} or any(not value.strip() for value in given.values()):
        raise InputError("which study? give --study, --accession or --patient, with a value")
    if any(sign in value for value in given.values() for sign in "*?\\"):
        raise InputError("--accession, --patient: * ? and \\ would match other studies; give the whole value")
    return given


def list_series(settings: ArchiveSettings, keys: Mapping[str, str]) -> list[tuple[ArchivedStudy, list[ArchivedSeries]]]:
    """The studies that match, each with its series; nothing is retrieved.

    Raises:
        InputError: none matches, or the archive cannot be asked.
    """
    with connected(settings, InputError) as archive:
        studies = _find_studies(archive, keys)
        return [(study, retrying(lambda uid=study.uid: archive.find_series(uid))) for study in studies]  # type: ignore[misc]


def pull(
    settings: ArchiveSettings,
    keys: Mapping[str, str],
    output: str | Path,
    wanted: Sequence[str] = (),
    progress: bool = False,
) -> Pulled:
    """Pulls a study into a folder, whole or not at all: ``SeriesInstanceUID/SOPInstanceUID.dcm``.

    Args:
        settings: of the archive.
        keys: what `study_keys` gives.
        output: the folder, made here; it is not there yet, or empty.
        wanted: SeriesInstanceUIDs or modalities; all series by default.
        progress: show a bar.

    Raises:
        InputError: none or several studies match, the archive cannot be asked, or what came is not what it holds.
        OutputError: the folder cannot be written.
    """
    output = Path(output)
    with fill_beside(output) as folder, connected(settings, InputError) as archive:
        studies = _find_studies(archive, keys)
        if len(studies) > 1:
            raise InputError(
                f"{archive.name}: {len(studies)} studies match; choose one with --study (--list shows them)"
            )
        series = _choose(archive, retrying(lambda: archive.find_series(studies[0].uid)), wanted)
        listed = {one.uid: _find_instances(archive, one) for one in series}
        from tqdm import tqdm

        with tqdm(total=sum(map(len, listed.values())), unit="instance", disable=not progress) as bar:
            for one in series:
                _retrieve(archive, one, listed[one.uid], folder / one.uid, bar.update)
    return Pulled(len(series), sum(map(len, listed.values())))


def _find_studies(archive: ArchiveClient, keys: Mapping[str, str]) -> list[ArchivedStudy]:
    studies = retrying(lambda: archive.find_studies(keys))
    if not studies:
        raise InputError(f"{archive.name}: there is no such study; check --study, --accession, --patient and --date")
    return studies


def _choose(archive: ArchiveClient, series: Sequence[ArchivedSeries], wanted: Sequence[str]) -> list[ArchivedSeries]:
    chosen = [one for one in series if not wanted or one.uid in wanted or one.modality in map(str.upper, wanted)]
    for name in wanted or ([] if series else ["any series"]):
        if not any(name == one.uid or name.upper() == one.modality for one in chosen):
            asked = name.upper() if name.isalpha() else "with the SeriesInstanceUID asked for"
            modalities = ", ".join(sorted({one.modality for one in series})) or "none"
            raise InputError(
                f"{archive.name}: the study holds no series {asked}; there is: {modalities} (--list shows them)"
            )
    return chosen


def _find_instances(archive: ArchiveClient, series: ArchivedSeries) -> dict[str, str]:
    """As `ArchiveClient.find_instances`; refuses a list that is not as long as the archive says."""
    found = retrying(lambda: archive.find_instances(series.study_uid, series.uid))
    if not found or (series.count is not None and series.count != len(found)):
        raise InputError(
            f"{archive.name}: says that a series of {series.modality or 'the study'} has {series.count or 'some'} "
            f"instances and lists {len(found)}; if the study is still arriving, wait, else have the archive checked"
        )
    return found


def _retrieve(
    archive: ArchiveClient,
    series: ArchivedSeries,
    listed: Mapping[str, str],
    folder: Path,
    count: Callable[[int], object],
) -> None:
    """One series, retrieved again where the connection broke, and compared with what the archive lists afterwards."""
    received: set[str] = set()

    def keep(instance: Dataset) -> None:
        uid = str(instance.get("SOPInstanceUID"))
        if uid not in listed or str(instance.get("SeriesInstanceUID")) != series.uid:
            raise ArchiveError(f"{archive.name}: sent an instance that was not asked for; have the archive checked")
        _check_whole(instance, archive.name)
        try:
            folder.mkdir(exist_ok=True)
            instance.save_as(folder / f"{uid}.dcm", enforce_file_format=True)
        except OSError as error:
            raise OutputError(f"{folder.parent}: cannot be written ({error.strerror or error}); free space") from error
        if uid not in received:
            received.add(uid)
            count(1)

    sop_classes = sorted(filter(None, set(listed.values())))
    retrying(lambda: archive.retrieve(series, sop_classes, keep))
    now = retrying(lambda: archive.find_instances(series.study_uid, series.uid))
    if missing := now.keys() - received:
        reason = "came in while pulling: pull again" if missing - listed.keys() else "did not come: see its log"
        raise InputError(
            f"{archive.name}: {len(missing)} of {len(now)} instances of a series ({series.modality}) {reason}"
        )


def _check_whole(instance: Dataset, name: str) -> None:
    """Refuses an instance whose pixels were cut off on the way: pydicom reads it without a word."""
    from pydicom.pixels.utils import get_expected_length

    syntax = instance.file_meta.TransferSyntaxUID
    if "PixelData" in instance and not syntax.is_compressed and len(instance.PixelData) < get_expected_length(instance):
        raise ArchiveError(f"{name}: sent an instance with too few pixels; pull again, else have the archive checked")
