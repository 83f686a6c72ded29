"""DICOM's dates and times (value representations DA, TM and DT) as Python's; what cannot be read is None.

Two moments are told apart by a clock (PS3.5 6.2): a DT may carry its offset from UTC, dates and times have that of
TimezoneOffsetFromUTC (0008,0201) where the header holds it, and else nobody knows it.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from pydicom.valuerep import DA, DT, TM

__all__ = ["combine", "parse_datetime", "parse_offset", "parse_time", "seconds_between"]


def parse_time(value: Any) -> time | None:
    """A TM, at least to the minute: ``HHMM``, ``HHMMSS`` or ``HHMMSS.FFFFFF``; colons, as ACR-NEMA wrote, may stand."""
    text = _text(value).replace(":", "")
    if not re.fullmatch(r"\d{4}(\d{2}(\.\d{1,6})?)?", text):
        return None
    try:
        return time.fromisoformat(TM(text).isoformat())
    except ValueError:
        return None


def parse_datetime(value: Any, offset: tzinfo | None = None) -> datetime | None:
    """A DT, at least to the minute; without an offset of its own it has the one given, if there is one."""
    text = _text(value)
    if not re.fullmatch(r"\d{12}(\d{2}(\.\d{1,6})?)?([+-]\d{4})?", text):
        return None
    try:
        moment = datetime.fromisoformat(DT(text).isoformat())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=offset)


def parse_offset(value: Any) -> timezone | None:
    """TimezoneOffsetFromUTC, ``+HHMM`` or ``-HHMM``."""
    match = re.fullmatch(r"([+-])(\d{2})(\d{2})", _text(value))
    if match is None or int(match[2]) > 14 or int(match[3]) > 59:
        return None
    shift = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(shift if match[1] == "+" else -shift)


def combine(day: Any, clock: Any, offset: tzinfo | None = None) -> datetime | None:
    """A DA and a TM as one moment."""
    moment = parse_time(clock)
    text = _text(day).replace(".", "")
    if moment is None or not re.fullmatch(r"\d{8}", text):
        return None
    try:
        return datetime.combine(date.fromisoformat(DA(text).isoformat()), moment, offset)
    except ValueError:
        return None


def seconds_between(earlier: datetime, later: datetime) -> float:
    """From one moment to the other; negative if they come the other way round.

    Where only one of them has an offset, both are taken to be read off the same clock.
    """
    if (earlier.tzinfo is None) != (later.tzinfo is None):
        earlier, later = earlier.replace(tzinfo=None), later.replace(tzinfo=None)
    return (later - earlier).total_seconds()


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip(" \0")
