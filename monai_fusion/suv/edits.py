"""What a user puts in the place of the header's values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from monai_fusion.data.dicom_time import parse_datetime, parse_time
from monai_fusion.errors import InputError

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
        _check_number("patient_weight", self.patient_weight, 500, "kg")
        _check_number("injected_dose", self.injected_dose, 1e5, "MBq")
        _check_number("patient_size", self.patient_size, 3, "m")
        if self.patient_sex not in (None, "M", "F", "O"):
            raise InputError(f"patient_sex {self.patient_sex}: give M, F or O")
        if self.injection_time is not None and self.injection is None:
            raise InputError(
                f"injection_time {self.injection_time}: no DICOM time or date-time; write HHMMSS or YYYYMMDDHHMMSS"
            )

    @property
    def injection(self) -> datetime | time | None:
        return parse_datetime(self.injection_time) or parse_time(self.injection_time)

    def __bool__(self) -> bool:
        return any(value is not None for value in vars(self).values())


def _check_number(name: str, value: Any, limit: float, unit: str) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 < value <= limit:
        raise InputError(f"{name} {value}: give a number of {unit} above 0 and up to {limit:g}")
