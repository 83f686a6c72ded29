"""The moments between which the dose has decayed: the injection, and the one that the voxels are corrected to."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from monai_fusion.data.dicom_time import seconds_between
from monai_fusion.suv.decay import mean_activity_time
from monai_fusion.suv.edits import SuvEdits
from monai_fusion.suv.unavailable import SuvUnavailableError

__all__ = ["find_injection", "find_reference", "frame_durations", "seconds_from_injection"]

_TOLERANCE_S = 1.0
_LONGEST_HALF_LIVES = 10
_DAY_S = 86400.0


def find_reference(header: dict[str, Any], half_life: float, warnings: list[str]) -> tuple[list[datetime], str]:
    """The moment that the voxels stand for, one for all slices or one a slice, and where it was found.

    Args:
        header: as for `suv_factor`; its decay correction is START, DATETIME (Enhanced PET) or NONE.
        half_life: s.
        warnings: grows by what was assumed.
    """
    decay = header["decay_correction"]
    if decay == "DATETIME":
        moment = header["decay_correction_datetime"]
        if moment is None:
            raise SuvUnavailableError("DecayCorrectionDateTime (0018,9701) is missing")
        return [datetime.fromisoformat(moment)], "(0018,9701) DecayCorrectionDateTime"
    told = header["acquisition_datetimes"]
    acquired = [] if None in told else [datetime.fromisoformat(moment) for moment in told]
    if decay == "NONE":
        if not acquired:
            raise SuvUnavailableError("AcquisitionTime (0008,0032) is missing, and decay was not corrected")
        return acquired, "acquisition of each slice (0008,0032)"
    earliest = min(acquired, key=lambda moment: seconds_between(acquired[0], moment), default=None)
    series, ge_scan = (
        None if header[key] is None else datetime.fromisoformat(header[key])
        for key in ("series_datetime", "ge_scan_datetime")
    )
    if series is not None and earliest is not None and seconds_between(series, earliest) >= -_TOLERANCE_S:
        return [series], "(0008,0031) SeriesTime, not later than the earliest AcquisitionTime"
    if ge_scan is not None:
        return [ge_scan], "(0009,100D) GE scan date-time"
    if earliest is None:
        raise SuvUnavailableError("AcquisitionTime (0008,0032) is missing")
    middles, frames = header["frame_reference_times_ms"], header["frame_durations_ms"]
    if all(middles) and all(frames):
        back = [middle / 1000 - mean_activity_time(frame / 1000, half_life) for middle, frame in zip(middles, frames)]
        starts = [moment - timedelta(seconds=seconds) for moment, seconds in zip(acquired, back)]
        return starts, "computed back from (0054,1300) FrameReferenceTime and (0018,1242) ActualFrameDuration"
    warnings.append(
        "SeriesTime is later than the first acquisition and nothing tells when the scan began: decay is reckoned from "
        "the earliest AcquisitionTime (0008,0032)"
    )
    return [earliest], "(0008,0032) earliest AcquisitionTime"


def find_injection(
    header: dict[str, Any], edits: SuvEdits, reference: datetime, half_life: float, warnings: list[str]
) -> tuple[datetime, str]:
    """The injection, and where it was found. A time without a date lies within the day before the reference.

    Args:
        header, half_life, warnings: as for `find_reference`.
        edits: may hold another injection time.
        reference: the earliest of `find_reference`.
    """
    edited = edits.injection
    if isinstance(edited, datetime):
        return edited, "edited"
    if edited is None and header["injection_datetime"] is not None:
        return datetime.fromisoformat(header["injection_datetime"]), "(0018,1078) RadiopharmaceuticalStartDateTime"
    if edited is not None:
        clock, place = edited, "edited"
    elif header["injection_time"] is not None:
        clock, place = time.fromisoformat(header["injection_time"]), "(0018,1072) RadiopharmaceuticalStartTime"
    else:
        raise SuvUnavailableError("RadiopharmaceuticalStartDateTime (0018,1078) and -StartTime (0018,1072) are missing")
    if half_life > _DAY_S:
        raise SuvUnavailableError(
            "the injection's date is not known, and with this half-life it may lie days before the scan"
        )
    injection = datetime.combine(reference.date(), clock, reference.tzinfo)
    if injection > reference:
        injection -= timedelta(days=1)
        warnings.append("the injection has a time and no date; it was taken to lie on the day before, over midnight")
    return injection, place


def seconds_from_injection(
    header: dict[str, Any],
    injection: datetime,
    references: list[datetime],
    half_life: float,
    warnings: list[str],
) -> list[float]:
    """How long the dose has decayed, for each reference in s; refuses what cannot be."""
    if (injection.tzinfo is None) != (references[0].tzinfo is None):
        warnings.append(
            "only one of injection and scan says its offset from UTC; both were taken to be read off one clock"
        )
    seconds = [seconds_between(injection, reference) for reference in references]
    if max(seconds) > _LONGEST_HALF_LIVES * half_life:
        raise SuvUnavailableError(
            f"{max(seconds):.0f} s lie between injection and scan, more than {_LONGEST_HALF_LIVES} half-lives; "
            "one of the times is wrong"
        )
    if min(seconds) < 0:
        if seconds_between(injection, _last_moment(header, references)) <= 0:
            raise SuvUnavailableError("the injection lies after the scan; one of the times is wrong")
        warnings.append(f"the injection lies {-min(seconds):.0f} s after the time that decay was corrected to")
    return seconds


def _last_moment(header: dict[str, Any], references: list[datetime]) -> datetime:
    """The end of the last frame, as far as it is told."""
    moments = list(references)
    for moment, frame in zip(header["acquisition_datetimes"], header["frame_durations_ms"]):
        if moment is not None:
            moments.append(datetime.fromisoformat(moment) + timedelta(milliseconds=frame or 0))
    return max(moments, key=lambda moment: seconds_between(moments[0], moment))


def frame_durations(header: dict[str, Any]) -> list[float]:
    """How long each slice was acquired, in s."""
    frames = header["frame_durations_ms"]
    if not frames or not all(frames):
        raise SuvUnavailableError("ActualFrameDuration (0018,1242) is missing or zero, and decay was not corrected")
    return [frame / 1000 for frame in frames]
