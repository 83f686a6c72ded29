"""Pairs in a folder of DICOM: by patient, by the days between the scans, by rules for the choice among series."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from monai_fusion.cohort.pairing import LeftOver, PairingRules, StudyPairing
from monai_fusion.cohort.study import Study
from monai_fusion.data.dicom_index import find_series
from monai_fusion.data.dicom_series import MODALITIES, DicomSeries, choose_series
from monai_fusion.errors import InputError

__all__ = ["pair_dicom"]


def pair_dicom(folder: Path, rules: PairingRules, progress: bool = False) -> StudyPairing:
    """Pairs each PET or SPECT with the MRI of the same patient that was scanned nearest in time.

    Of each study one functional series and one MR series are taken, by the rules of `choose_series`; where several fit
    the study is left over. An MRI in the functional study itself goes before others; another one must be of the same
    PatientID (and issuer) and not further away than the rules say. Patients without an ID are told apart by study.

    A file that cannot be read spoils what lies in its folder: a series that lacks it may look whole.

    Args:
        folder: where to look, subfolders included.
        rules: for the choice among series, and the days.
        progress: show a bar.

    Raises:
        InputError: there is no DICOM.
    """
    pairing = StudyPairing()
    damaged: list[Path] = []
    series = find_series(folder.absolute(), progress, damaged)
    spoiled = {file.parent for file in damaged}
    pairing.left_over += [LeftOver("file", "cannot be read", file) for file in damaged]
    patients: dict[tuple[str, ...], list[DicomSeries]] = defaultdict(list)
    for each in series:
        if any(file.parent in spoiled for file in each.files):
            _leave(pairing, each, "a file beside it cannot be read")
        else:
            patients[each.patient if each.patient[0] else ("", "", each.study_uid)].append(each)
    for patient in patients.values():
        _pair_patient(pairing, patient, rules)
    pairing.studies.sort(key=lambda study: study.id)
    return pairing


def _pair_patient(pairing: StudyPairing, series: Sequence[DicomSeries], rules: PairingRules) -> None:
    if len({each.birth_date for each in series if each.birth_date}) > 1:
        for each in series:
            _leave(pairing, each, "its PatientID has several dates of birth")
        return
    studies: dict[str, list[DicomSeries]] = defaultdict(list)
    for each in series:
        studies[each.study_uid].append(each)
    chosen: dict[str, dict[str, DicomSeries]] = {role: {} for role in MODALITIES}
    ambiguous: dict[str, list[str]] = {role: [] for role in MODALITIES}
    used: set[str] = set()
    for uid, members in studies.items():
        for role, modalities in MODALITIES.items():
            fitting = [each for each in members if each.modality in modalities and each.not_a_volume is None]
            try:
                if fitting:
                    chosen[role][uid] = choose_series(fitting, getattr(rules, role), role, "")[0]
            except InputError:
                ambiguous[role].append(uid)
    for functional in chosen["functional"].values():
        why, mri = _nearest(functional, chosen["mri"], ambiguous["mri"], rules.days)
        if mri is None:
            _leave(pairing, functional, why)
            used.add(functional.uid)
            continue
        pairing.studies.append(Study(_name(mri, functional), tuple(mri.files), tuple(functional.files)))
        used |= {mri.uid, functional.uid}
    for each in series:
        if each.uid not in used:
            _leave(pairing, each, _why_not(each, ambiguous, rules))


def _nearest(
    functional: DicomSeries, candidates: dict[str, DicomSeries], ambiguous: Sequence[str], days: int
) -> tuple[str, DicomSeries | None]:
    """The MRI of the same study, else the one nearest in time; else why there is none."""
    if functional.study_uid in candidates:
        return "", candidates[functional.study_uid]
    if functional.study_uid in ambiguous:
        return "several MR series of its study fit; state which by --mri-series", None
    away = [(_days_between(each, functional), each) for each in candidates.values()]
    near = sorted(((d, each) for d, each in away if d is not None and d <= days), key=lambda pair: pair[0])
    if not near:
        return f"the patient has no single fitting MRI within {days} days (--days)", None
    if len(near) > 1 and near[0][0] == near[1][0]:
        return "two MRI studies are equally near in time", None
    return "", near[0][1]


def _days_between(one: DicomSeries, other: DicomSeries) -> int | None:
    try:
        dates = [date.fromisoformat(f"{d[:4]}-{d[4:6]}-{d[6:8]}") for d in (one.date, other.date)]
    except ValueError:
        return None
    return abs((dates[0] - dates[1]).days)


def _why_not(series: DicomSeries, ambiguous: dict[str, list[str]], rules: PairingRules) -> str:
    if not any(series.modality in modalities for modalities in MODALITIES.values()):
        return f"neither MRI nor PET or SPECT ({series.modality[:16]!r})"
    if series.not_a_volume is not None:
        return f"no volume ({series.not_a_volume})"
    role = next(role for role, modalities in MODALITIES.items() if series.modality in modalities)
    if series.study_uid in ambiguous[role]:
        return f"several or none of its study fit; state which by --{role}-series"
    return (
        "passed over for another one" if role == "functional" else f"no PET or SPECT took it within {rules.days} days"
    )


def _leave(pairing: StudyPairing, series: DicomSeries, why: str) -> None:
    number = "without number" if series.number is None else f"number {series.number}"
    what = f"{series.modality[:16]!r} series {number}, {len(series.files)} files"
    pairing.left_over.append(LeftOver(what, why, series.files[0].parent))


def _name(mri: DicomSeries, functional: DicomSeries) -> str:
    """The same in each run, and nothing of the patient in it."""
    return f"pair-{hashlib.sha256(f'{mri.uid} {functional.uid}'.encode()).hexdigest()[:16]}"
