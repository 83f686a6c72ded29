"""Taking the patient out of the report, after everything that needs to know the sources has been written."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Transform

from monai_fusion.data.deidentify import deidentify_report
from monai_fusion.data.report import REPORT_KEY, read_report, write_report

__all__ = ["DeidentifyReportd"]


class DeidentifyReportd(Transform):
    """Leaves hashes, UIDs and what is known of the patient out of the report; `SaveDicomd` does so for the DICOM."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, REPORT_KEY: write_report(deidentify_report(read_report(data)))}
