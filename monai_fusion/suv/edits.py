"""What a user puts in the place of the header's values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from monai_fusion.data.dicom_time import parse_datetime, parse_time
from monai_fusion.options import check_option

__all__ = ["SuvEdits"]


@dataclass(frozen=True)
class SuvEdits:
    """Values that go before those of the header.

    Args:
        patient_weight: kg, up to 500.
        injected_dose: MBq at the time of injection, up to 100,000.
        injection_time: DICOM time (``HHMM[SS[.F]]``) or date-time (``YYYYMMDDHHMM[SS[.F]][+HHMM]``).
        patient_size: m, up to 3.
        patient_sex: ``"M"``, ``"F"`` or ``"O"``.

    Raises:
        InputError: a value that makes no sense.
    """

    patient_weight: float | None = None
    injected_dose: float | None = None
    injection_time: str | int | float | None = None
    patient_size: float | None = None
    patient_sex: str | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_option(name, value)

    @property
    def injection(self) -> datetime | time | None:
        return parse_datetime(self.injection_time) or parse_time(self.injection_time)

    def __bool__(self) -> bool:
        return any(value is not None for value in vars(self).values())
