"""Whose images these are, for the corners of the page: from the headers, never logged or kept in a file name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.dataset import Dataset

from monai_fusion.viewer.images import FoundImage, iso_date

__all__ = ["banner"]


def banner(facts: Mapping[str, Mapping[str, Any]], images: Mapping[str, FoundImage]) -> dict[str, list[str]]:
    """Lines for the top left (the patient) and the top right (the series).

    Args:
        facts: of both roles, as the report has them after reading.
        images: what was chosen for both roles.
    """
    headers = [header for header in (_header(facts[role]) for role in ("mri", "functional")) if header is not None]
    patients = {(str(header.get("PatientName", "")), str(header.get("PatientID", ""))) for header in headers}
    patient = _patient(headers[0]) if headers else []
    if len(patients) > 1:
        patient.append("Caution: the two images name different patients")
    series = []
    for role, image in images.items():
        name = image.modality or ("MRI" if role == "mri" else "functional")
        series.append(" · ".join(part for part in (name, image.description, image.date) if part))
    return {"patient": patient, "series": series}


def _header(facts: Mapping[str, Any]) -> Dataset | None:
    """The patient's attributes from one file of a DICOM series."""
    from monai_fusion.data.dicom_file import read_dicom

    files = facts.get("files")
    if not files:
        return None
    wanted = ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "SpecificCharacterSet"]
    return read_dicom(files[0], header_only=True, tags=wanted)


def _patient(header: Dataset) -> list[str]:
    name = str(header.get("PatientName", "")).replace("^", " ").strip()
    born = iso_date(str(header.get("PatientBirthDate", "") or ""))
    sex = str(header.get("PatientSex", "") or "")
    lines = [
        name,
        str(header.get("PatientID", "") or ""),
        " · ".join(part for part in (born and f"born {born}", sex) if part),
    ]
    return [line for line in lines if line]
