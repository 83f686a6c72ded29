"""Taking the patient out of the DICOM results and out of the report, with dicognito.

Only pseudonyms, shifted dates and new UIDs are made here; what else is known of the patient is not copied into the
results in the first place (`FusedStudy.deidentified`).
"""

from __future__ import annotations

import hashlib
import re
from copy import deepcopy
from typing import Any

from monai.utils import optional_import
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset

from monai_fusion.data.dicom_codes import DEIDENTIFICATION
from monai_fusion.errors import InputError

__all__ = ["Deidentifier", "deidentify_report", "require_dicognito"]

#: The facts of a source that say nothing about whose it is.
_HARMLESS = ("kind", "modality", "units", "shape", "spacing_mm", "nifti", "files")
_UID = re.compile(r"\b[0-2](?:\.\d+){5,}\b")


def require_dicognito() -> Any:
    """dicognito's anonymizer.

    Raises:
        InputError: it is not installed.
    """
    anonymizer, found = optional_import("dicognito.anonymizer", name="Anonymizer")
    if not found:
        raise InputError("de-identification needs dicognito; pip install 'monai-fusion[deidentify]'")
    return anonymizer


class Deidentifier:
    """Replaces in DICOM objects what names the patient: the same in all objects of a run, and in each of its repeats.

    Args:
        report: the report. The pseudonyms follow from the hashes of the sources' files, which who holds these files
            alone can compute; `deidentify_report` takes them out of the report.

    Raises:
        InputError: dicognito is not installed.
    """

    def __init__(self, report: dict[str, Any]) -> None:
        secret = [report[role]["sha256"] for role in ("mri", "functional")]
        seed = hashlib.sha256(" ".join(["deidentify", *secret]).encode()).hexdigest()
        self._anonymizer = require_dicognito()(seed=seed)

    def __call__(self, instance: Dataset) -> Dataset:
        """A copy of an object without its patient.

        Args:
            instance: without file meta information.
        """
        clean = deepcopy(instance)
        clean.walk(_date_as_text)
        clean.file_meta = FileMetaDataset()
        clean.PatientIdentityRemoved = "YES"
        clean.LongitudinalTemporalInformationModified = "MODIFIED"
        clean.DeidentificationMethodCodeSequence = [method.item() for method in DEIDENTIFICATION]
        self._anonymizer.anonymize(clean)
        return clean


def _date_as_text(dataset: Dataset, element: DataElement) -> None:
    """dicognito shifts text; dates are objects where they were made of one."""
    if element.VR in ("DA", "TM", "DT") and element.value is not None:
        element.value = str(element.value)


def deidentify_report(report: dict[str, Any]) -> dict[str, Any]:
    """The report without hashes, UIDs and patient: of the sources only the facts that are known to be harmless stay."""
    clean: dict[str, Any] = _without_uids(report)
    for role in ("mri", "functional"):
        facts = report[role]
        clean[role] = {key: facts[key] for key in _HARMLESS if key in facts}
        if "suv" in facts:  # its inputs are weight and dose
            clean[role]["suv"] = {key: value for key, value in facts["suv"].items() if key != "inputs"}
    clean["deidentified"] = {"by": "dicognito", "methods": [method.value for method in DEIDENTIFICATION]}
    return clean


def _without_uids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_uids(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_uids(item) for item in value]
    return _UID.sub("removed", value) if isinstance(value, str) else value
