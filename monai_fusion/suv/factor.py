"""By what a PET's voxels are multiplied to give an SUV.

The rules are QIBA's vendor-neutral ones with those of IBSI's study of SUV; docs/suv.md lists them with their sources.
What they leave open is no SUV, with the reason said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from monai_fusion.data.dicom_time import seconds_between
from monai_fusion.errors import InputError
from monai_fusion.suv.body import Body, body_measure, needs_of
from monai_fusion.suv.decay import decay_within_frame, decayed
from monai_fusion.suv.edits import SuvEdits
from monai_fusion.suv.times import find_injection, find_reference, frame_durations, seconds_from_injection
from monai_fusion.suv.unavailable import SuvUnavailableError
from monai_fusion.suv.units import unit_name

__all__ = ["SuvFactor", "SuvUnavailableError", "significant", "source_suv_type", "suv_factor"]

_GRAMS_FROM, _MBQ_BELOW, _CENTIMETRES_FROM = 1000, 1e5, 3

#: The header's values by the names of `SuvEdits`: key in the facts, attribute, unit.
_INPUTS = {
    "patient_weight": ("weight_kg", "(0010,1030) PatientWeight", "kg"),
    "patient_size": ("size_m", "(0010,1020) PatientSize", "m"),
    "patient_sex": ("sex", "(0010,0040) PatientSex", ""),
    "injected_dose": ("dose", "(0018,1074) RadionuclideTotalDose", "MBq"),
    "half_life": ("half_life_s", "(0018,1075) RadionuclideHalfLife", "s"),
}


@dataclass
class SuvFactor:
    """An SUV's type and factor.

    Args:
        suv_type: SUVType (0054,1006).
        values: the factor of each slice in the order of the header's slices, or a single one for all.
        inputs: what it was computed from: value, unit, and the tag it came from or ``"edited"``.
        warnings: what to be wary of.
    """

    suv_type: str
    values: list[float]
    inputs: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def significant(value: float) -> float:
    """Ten digits: what is told in the report, from which UIDs follow, must not depend on the machine's last ones."""
    return float(f"{value:.10g}")


def source_suv_type(header: dict[str, Any]) -> str | None:
    """The type of SUV that the voxels already are, or None where they are none or contradict themselves."""
    said = header["suv_type"]
    if header["units"] == "GML" and said in ("", "BW", "LBM", "LBMJAMES128", "LBMJANMA", "IBW"):
        return said or "BW"
    return "BSA" if header["units"] == "CM2ML" and said in ("", "BSA") else None


def suv_factor(header: dict[str, Any], suv_type: str, edits: SuvEdits | None = None) -> SuvFactor:
    """The factor from a PET's own unit to an SUV.

    Args:
        header: what `monai_fusion.data.pet_header.read_pet_header` gives.
        suv_type: the type wanted.
        edits: values that go before those of the header.

    Raises:
        SuvUnavailableError: the header does not say enough, or contradicts itself.
        InputError: an edit that these voxels cannot take: they are SUV already.
    """
    return _Rules(header, edits or SuvEdits()).factor(suv_type)


class _Rules:
    def __init__(self, header: dict[str, Any], edits: SuvEdits) -> None:
        self.header, self.edits = header, edits
        self.inputs: dict[str, Any] = {}
        self.warnings: list[str] = []

    def factor(self, suv_type: str) -> SuvFactor:
        self._check_corrections()
        units = self.header["units"]
        scale, source = [1.0], source_suv_type(self.header)
        if units == "CNTS":
            scale, source = self._philips()
        elif units != "BQML" and source is None:
            said = f"{units} with SUVType {self.header['suv_type']}" if self.header["suv_type"] else units or "missing"
            raise SuvUnavailableError(f"Units (0054,1001) are {said}")
        else:
            place = (
                "(0040,9096) RealWorldValueMappingSequence" if self.header["real_world_map"] else "(0054,1001) Units"
            )
            self.inputs["units"] = {"value": unit_name(units, source), "from": place}
        values = self._from_activity(suv_type) if source is None else [self._from_suv(source, suv_type)]
        factors = np.array(scale) * values
        if np.ptp(factors) == 0:
            factors = factors[:1]
        elif not self.header["in_slice_order"]:
            raise SuvUnavailableError("the factor differs from frame to frame of a multi-frame object")
        return SuvFactor(suv_type, factors.tolist(), self.inputs, self.warnings)

    def _check_corrections(self) -> None:
        corrected, decay = self.header["corrected"], self.header["decay_correction"]
        place = "Attenuation- and DecayCorrected" if self.header["enhanced"] else "CorrectedImage (0028,0051)"
        if "ATTN" not in corrected:
            raise SuvUnavailableError(f"attenuation was not corrected: {place} does not hold ATTN")
        if decay == "NONE" and "DECY" in corrected:
            raise SuvUnavailableError(f"DecayCorrection (0054,1102) is NONE, but {place} holds DECY")
        if decay != "NONE" and "DECY" not in corrected:
            raise SuvUnavailableError(f"decay was not corrected: {place} does not hold DECY")

    def _philips(self) -> tuple[list[float], str | None]:
        """Philips's factors from counts, to SUV or to Bq/ml."""
        to_suv, to_activity = self.header["philips_suv_factors"], self.header["philips_activity_factors"]
        dose_edited = self.edits.injected_dose is not None or self.edits.injection_time is not None
        suv, activity = (all(values) and len(values) > 0 for values in (to_suv, to_activity))
        if suv and not (dose_edited and activity):
            self._note("counts_to_suv", to_suv, "(7053,1000) Philips SUV Scale Factor", "g/ml per count")
            return to_suv, "BW"
        if activity:
            self._note("counts_to_activity", to_activity, "(7053,1009) Philips Activity Concentration Scale Factor", "")
            return to_activity, None
        raise SuvUnavailableError("Units (0054,1001) are CNTS without Philips's factor (7053,1000) or (7053,1009)")

    def _from_suv(self, source: str, suv_type: str) -> float:
        """From one type of SUV to another; or to the same for another patient than the header's."""
        for name in ("injected_dose", "injection_time"):
            if getattr(self.edits, name) is not None:
                raise InputError(
                    f"{name}: cannot be applied, for the voxels of this PET are {unit_name('', source)} already; "
                    "leave it out"
                )
        needs = {name for kind in (source, suv_type) for name in needs_of(kind)}
        if source == suv_type and all(getattr(self.edits, f"patient_{name}") is None for name in needs):
            return 1.0
        body = Body(**{name: self._value(f"patient_{name}") for name in needs})
        before = Body(**{name: self._told(f"patient_{name}") or getattr(body, name) for name in needs})
        return self._measure(suv_type, body) / self._measure(source, before)

    def _from_activity(self, suv_type: str) -> list[float]:
        """From Bq/ml: the measure of the body over the dose, decayed to the time that the voxels stand for."""
        body = Body(**{name: self._value(f"patient_{name}") for name in needs_of(suv_type)})
        measure = self._measure(suv_type, body)
        dose = 1e6 * self._needed("injected_dose")
        decay = self.header["decay_correction"]
        self.inputs["decay_correction"] = {
            "value": decay,
            "from": "(0018,9758) DecayCorrected" if self.header["enhanced"] else "(0054,1102) DecayCorrection",
        }
        if decay == "ADMIN":
            return [measure / dose]
        if decay not in ("START", "DATETIME", "NONE"):
            raise SuvUnavailableError(f"DecayCorrection (0054,1102) is {decay or 'missing'}")
        half_life = self._needed("half_life")
        references, place = find_reference(self.header, half_life, self.warnings)
        earliest = min(references, key=lambda moment: seconds_between(references[0], moment))
        injection, source = find_injection(self.header, self.edits, earliest, half_life, self.warnings)
        seconds = seconds_from_injection(self.header, injection, references, half_life, self.warnings)
        self.inputs["injection_time"] = {"from": source}
        self.inputs["reference"] = {"from": place}
        self._note("time_from_injection", seconds, "reference minus injection", "s")
        shares = [decayed(t, half_life) for t in seconds]
        if decay == "NONE":
            frames = frame_durations(self.header)
            self._note("frame_duration", frames, "(0018,1242) ActualFrameDuration", "s")
            shares = [share / decay_within_frame(t, half_life) for share, t in zip(shares, frames)]
        return [measure / (dose * share) for share in shares]

    # --- The header's values, the user's before them --------------------------------------------------------------

    def _told(self, name: str) -> Any:
        """The header's value, in the unit of `_INPUTS`: entries in another one are seen in the wild."""
        told = self.header[_INPUTS[name][0]]
        if told is None:
            return None
        if name == "patient_weight" and told > _GRAMS_FROM:
            self._warn(f"PatientWeight (0010,1030) is {told:g}: taken as grams")
            return told / 1000
        if name == "patient_size" and told > _CENTIMETRES_FROM:
            self._warn(f"PatientSize (0010,1020) is {told:g}: taken as centimetres")
            return told / 100
        if name == "injected_dose":
            in_mbq = told < _MBQ_BELOW
            if in_mbq != self.header["enhanced"]:  # classic PET is in Bq by the Standard, Enhanced PET in MBq
                self._warn(f"RadionuclideTotalDose (0018,1074) is {told:g}: taken as {'MBq' if in_mbq else 'Bq'}")
            return told if in_mbq else told / 1e6
        return told

    def _value(self, name: str) -> Any:
        """The user's value, else the header's."""
        _, place, unit = _INPUTS[name]
        told, edited = self._told(name), getattr(self.edits, name, None)
        if edited is not None:
            self.inputs[name] = {"value": edited, "unit": unit, "from": "edited", "in_header": told}
            return edited
        if told not in (None, ""):
            self.inputs[name] = {"value": told, "unit": unit, "from": place}
        return told

    def _needed(self, name: str) -> float:
        value = self._value(name)
        if value is None:
            raise SuvUnavailableError(f"{_INPUTS[name][1]} is missing or zero")
        return float(value)

    def _measure(self, suv_type: str, body: Body) -> float:
        try:
            measure = body_measure(suv_type, body)
        except ValueError as error:
            raise SuvUnavailableError(str(error)) from error
        if body.sex == "O" and "sex" in needs_of(suv_type):
            self._warn("PatientSex (0010,0040) is O: the mean of the formulas for men and women was taken")
        return measure

    def _note(self, name: str, values: list[float], place: str, unit: str) -> None:
        low, high = significant(min(values)), significant(max(values))
        self.inputs[name] = {"min": low, "max": high, "unit": unit, "from": place}

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
