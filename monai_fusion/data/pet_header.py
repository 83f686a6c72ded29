"""What the header of a PET says about its units: all that an SUV is computed from, and nothing that names the patient.

Nothing is decided here: `monai_fusion.suv` does. Attributes are those of PS3.3 C.8.9 (PET), C.8.22 (Enhanced PET) and
C.7.2.2 (Patient Study), with the private ones of GE and Philips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import EnhancedPETImageStorage

from monai_fusion.data.dicom_time import combine, parse_datetime, parse_offset, parse_time

__all__ = ["read_pet_header"]

#: Where PET units are said by a real-world value map (PS3.16 CID 84 and 85, UCUM): Units (0054,1001) and SUVType.
_REAL_WORLD_UNITS = {
    "bq/ml": ("BQML", ""),
    "g/ml": ("GML", ""),
    "g/ml{suvbw}": ("GML", "BW"),
    "g/ml{suvlbm}": ("GML", "LBM"),
    "g/ml{suvlbm(james128)}": ("GML", "LBMJAMES128"),
    "g/ml{suvlbm(janma)}": ("GML", "LBMJANMA"),
    "g/ml{suvibw}": ("GML", "IBW"),
    "cm2/ml": ("CM2ML", "BSA"),
    "cm2/ml{suvbsa}": ("CM2ML", "BSA"),
    "{counts}": ("CNTS", ""),
    "{counts}/s": ("CPS", ""),
    "{propcounts}": ("PROPCNTS", ""),
}

#: Sequences of a multi-frame object's functional groups whose items hold attributes that are read here.
_GROUPS = (
    "FrameContentSequence",
    "UnassignedSharedConvertedAttributesSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
)

#: The datasets in which an attribute of one slice may stand, the nearest first.
_Slice = list[Dataset]


def read_pet_header(datasets: Sequence[Dataset]) -> dict[str, Any]:
    """The facts that an SUV needs, as JSON values.

    Damaged values count as missing and are warned about, and so do values of the whole series that differ from slice
    to slice; nothing is raised. Dates and times are ISO 8601 text.

    Args:
        datasets: the slices of a classic series in the order of the volume's axis 2, or one multi-frame object.

    Returns:
        ``units``, ``suv_type``, ``decay_correction``, ``corrected`` (a list of terms), ``enhanced``, ``weight_kg``,
        ``size_m``, ``sex``, ``dose`` (as it stands: Bq, in an Enhanced PET MBq), ``half_life_s``,
        ``injection_datetime``, ``injection_time``, ``series_datetime``, ``ge_scan_datetime``,
        ``decay_correction_datetime``; a list with one value a slice each of ``acquisition_datetimes``,
        ``frame_reference_times_ms``, ``frame_durations_ms``, ``philips_suv_factors``, ``philips_activity_factors``;
        ``in_slice_order``: do the lists follow the volume's axis 2 (not known of the frames of one object)?;
        ``real_world_map``: did a real-world value map give the unit?; ``warnings``.
    """
    reader = _Reader([])
    slices = [part for dataset in datasets for part in _split(dataset)]
    enhanced = bool(datasets) and datasets[0].get("SOPClassUID") == EnhancedPETImageStorage
    units, suv_type, mapped = _units(reader, slices)
    corrected, decay_correction = _corrections(reader, slices, enhanced)

    def common(name: str, read: Callable[[_Slice], Any]) -> Any:
        return reader.common(name, [read(part) for part in slices])

    def number(keyword: str) -> Any:
        return common(keyword, lambda part: reader.positive(part, keyword))

    def tracer(keyword: str, read: Callable[[_Slice, str], Any]) -> Any:
        return common(keyword, lambda part: read(reader.tracer(part), keyword))

    return {
        "units": units,
        "suv_type": suv_type,
        "real_world_map": mapped,
        "decay_correction": decay_correction,
        "corrected": corrected,
        "enhanced": enhanced,
        "weight_kg": number("PatientWeight"),
        "size_m": number("PatientSize"),
        "sex": common("PatientSex", lambda part: reader.text(part, "PatientSex")),
        "dose": tracer("RadionuclideTotalDose", reader.positive),
        "half_life_s": tracer("RadionuclideHalfLife", reader.positive),
        "injection_datetime": tracer("RadiopharmaceuticalStartDateTime", reader.datetime),
        "injection_time": tracer("RadiopharmaceuticalStartTime", reader.time),
        "series_datetime": common("SeriesTime", lambda part: reader.date_and_time(part, "Series", "Acquisition")),
        "ge_scan_datetime": common(
            "(0009,100D)", lambda part: reader.private_datetime(part, 0x0009, 0x0D, "GEMS_PETD_01")
        ),
        "decay_correction_datetime": common(
            "DecayCorrectionDateTime", lambda part: reader.datetime(part, "DecayCorrectionDateTime")
        ),
        "acquisition_datetimes": [reader.acquisition(part) for part in slices],
        "frame_reference_times_ms": [reader.positive(part, "FrameReferenceTime", zero=True) for part in slices],
        "frame_durations_ms": [
            reader.positive(part, "FrameAcquisitionDuration" if enhanced else "ActualFrameDuration", zero=True)
            for part in slices
        ],
        "philips_suv_factors": [reader.philips(part, 0x00) for part in slices],
        "philips_activity_factors": [reader.philips(part, 0x09) for part in slices],
        "in_slice_order": len(slices) == len(datasets),
        "warnings": list(dict.fromkeys(reader.warnings)),
    }


def _split(dataset: Dataset) -> list[_Slice]:
    """One dataset of a classic series as it is; a multi-frame object frame by frame."""
    shared, frames = (_items(dataset, f"{kind}FunctionalGroupsSequence") for kind in ("Shared", "PerFrame"))
    common = [part for group in shared for part in _flatten(group)] + [dataset]
    return [[*_flatten(frame), *common] for frame in frames] or [common]


def _flatten(group: Dataset) -> list[Dataset]:
    return [group, *(item for keyword in _GROUPS for item in _items(group, keyword)[:1])]


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    try:
        return list(dataset.get(keyword) or [])
    except Exception:  # pydicom raises many kinds on damaged values
        return []


def _units(reader: _Reader, slices: list[_Slice]) -> tuple[str, str, bool]:
    """Units and SUVType of the voxels as highdicom reads them: a real-world value map goes before the rescale."""
    codes = []
    for part in slices:
        maps = [item for dataset in part for item in _items(dataset, "RealWorldValueMappingSequence")]
        unit = _items(maps[0], "MeasurementUnitsCodeSequence") if maps else []
        codes.append(reader.text([unit[0]], "CodeValue") or "unknown" if unit else "unknown" if maps else None)
    code = reader.common("the unit of the real-world value map", codes, "unknown")
    if code is not None:
        return *_REAL_WORLD_UNITS.get(code.lower(), (code, "")), True
    units, suv_type = (
        reader.common(keyword, [reader.text(part, keyword).upper() for part in slices], "")
        for keyword in ("Units", "SUVType")
    )
    return units, suv_type, False


def _corrections(reader: _Reader, slices: list[_Slice], enhanced: bool) -> tuple[list[str], str]:
    """CorrectedImage and DecayCorrection, in an Enhanced PET from the attributes that say the same."""
    if not enhanced:
        terms = reader.common("CorrectedImage", [reader.terms(part, "CorrectedImage") for part in slices], [])
        decay = [reader.text(part, "DecayCorrection").upper() for part in slices]
        return terms, reader.common("DecayCorrection", decay, "")
    said = {
        term: reader.common(keyword, [reader.text(part, keyword).upper() for part in slices], "")
        for term, keyword in (("ATTN", "AttenuationCorrected"), ("DECY", "DecayCorrected"))
    }
    corrected = [term for term, answer in said.items() if answer == "YES"]
    return corrected, {"YES": "DATETIME", "NO": "NONE"}.get(said["DECY"], "")


class _Reader:
    """Reads single attributes; what cannot be read is None (or empty text) and a warning."""

    def __init__(self, warnings: list[str]) -> None:
        self.warnings = warnings

    def common(self, name: str, values: Iterable[Any], missing: Any = None) -> Any:
        """The value that all slices share."""
        distinct = []
        for value in values:
            if value not in distinct:
                distinct.append(value)
        if len(distinct) > 1:
            self.warnings.append(f"{name} differs from slice to slice, so it counts as missing")
            return missing
        return distinct[0] if distinct else missing

    def value(self, part: _Slice, keyword: str) -> Any:
        for dataset in part:
            try:
                value = dataset.get(keyword)
            except Exception:  # pydicom raises many kinds on damaged values
                self._damaged(keyword)
                continue
            if value is not None and value != "":
                return value
        return None

    def text(self, part: _Slice, keyword: str) -> str:
        value = self.value(part, keyword)
        return "" if value is None else str(value).strip(" \0")

    def terms(self, part: _Slice, keyword: str) -> list[str]:
        value = self.value(part, keyword)
        values = [value] if isinstance(value, str) else list(value or [])
        return sorted({str(term).strip(" \0").upper() for term in values})

    def positive(self, part: _Slice, keyword: str, zero: bool = False) -> float | None:
        return self._number(self.value(part, keyword), keyword, zero)

    def datetime(self, part: _Slice, keyword: str) -> str | None:
        value = self.value(part, keyword)
        return self._iso(value, parse_datetime(value, self._offset(part)), keyword)

    def time(self, part: _Slice, keyword: str) -> str | None:
        value = self.value(part, keyword)
        return self._iso(value, parse_time(value), keyword)

    def date_and_time(self, part: _Slice, event: str, other: str) -> str | None:
        """The date and time of an event; a missing date is that of another event."""
        clock = self.value(part, f"{event}Time")
        day = self.value(part, f"{event}Date") or self.value(part, f"{other}Date")
        return self._iso(clock, combine(day, clock, self._offset(part)), f"{event}Date or {event}Time")

    def acquisition(self, part: _Slice) -> str | None:
        found = self.date_and_time(part, "Acquisition", "Series")
        for keyword in ("AcquisitionDateTime", "FrameAcquisitionDateTime"):
            found = found or self.datetime(part, keyword)
        return found

    def tracer(self, part: _Slice) -> _Slice:
        """The one item of the radiopharmaceutical's sequence, and where an offset from UTC may stand."""
        items = next(
            (found for dataset in part if (found := _items(dataset, "RadiopharmaceuticalInformationSequence"))), []
        )
        if len(items) > 1:
            self.warnings.append("several injections (RadiopharmaceuticalInformationSequence), so none counts")
        return [*items, *part] if len(items) == 1 else []

    def private_datetime(self, part: _Slice, group: int, element: int, creator: str) -> str | None:
        value = _private(part, group, element, creator)
        name = f"({group:04X},10{element:02X})"
        return self._iso(value, parse_datetime(value, self._offset(part)), name)

    def philips(self, part: _Slice, element: int) -> float | None:
        value = _private(part, 0x7053, element, "Philips PET Private Group")
        return self._number(value, f"(7053,10{element:02X})", zero=True)

    def _offset(self, part: _Slice) -> tzinfo | None:
        return parse_offset(self.value(part, "TimezoneOffsetFromUTC"))

    def _number(self, value: Any, name: str, zero: bool) -> float | None:
        if value is None or value == "":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
            self._damaged(name)
            return None
        return number

    def _iso(self, value: Any, moment: Any, name: str) -> str | None:
        if moment is None:
            if value is not None:
                self._damaged(name)
            return None
        return str(moment.isoformat())

    def _damaged(self, name: str) -> None:
        self.warnings.append(f"{name} is damaged, zero or negative, so it counts as missing")


def _private(part: _Slice, group: int, element: int, creator: str) -> Any:
    """A private value; without a creator in the header, at the place that this vendor's files have it."""
    for dataset in part:
        try:
            value = dataset.private_block(group, creator)[element].value
        except Exception:  # a KeyError where there is none; pydicom raises many kinds on damaged values
            tag = (group, 0x1000 + element)
            if (group, 0x0010) in dataset or tag not in dataset:
                continue
            value = dataset[tag].value
        return value.decode("ascii", "replace").strip(" \0") if isinstance(value, bytes) else value
    return None
