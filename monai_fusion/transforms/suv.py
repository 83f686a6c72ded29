"""Bringing a PET to standardised uptake values (SUV)."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_fusion.data.source import facts_of, name_of
from monai_fusion.errors import InputError
from monai_fusion.suv import SUV_TYPES, SuvEdits, SuvFactor, SuvUnavailableError, suv_factor, suv_name, unit_name
from monai_fusion.suv.factor import significant, source_suv_type

__all__ = ["UNITS", "ConvertToSUVd"]

#: What `ConvertToSUVd` can be asked for: an SUV by the name of its SUVType (0054,1006).
UNITS = ("auto", "native", *(suv_name(suv_type) for suv_type in SUV_TYPES))

_SLICE_AXIS = 2
_TYPES = {suv_name(suv_type).lower(): suv_type for suv_type in SUV_TYPES}


class ConvertToSUVd(MapTransform):
    """Multiplies a PET by the factor that gives an SUV, slice by slice where the factors differ.

    What the factor was computed from goes into the facts as ``suv`` (in the report: ``report["functional"]["suv"]``),
    without any date; the unit of the voxels as ``units``. The facts ``pet``, which hold dates, are taken out.
    Comes right after the image is loaded, when its slices still are those of the header. SPECT (NM) is named its unit
    and left as it is; images without a DICOM header are left alone.

    Args:
        keys: images ``(1, I, J, K)`` loaded by `SourceReader`.
        unit: ``"auto"`` (SUVbw where it can be computed, else the image's own unit, with a warning), ``"native"``
            (the image's own unit), or an SUV: ``"SUVbw"``, ``"SUVlbm"``, ``"SUVlbmjames128"``, ``"SUVlbmjanma"``,
            ``"SUVbsa"``, ``"SUVibw"``.
        patient_weight: kg, in the place of PatientWeight.
        injected_dose: MBq at the injection, in the place of RadionuclideTotalDose.
        injection_time: DICOM time or date-time, in the place of the header's.
        patient_size: m, in the place of PatientSize.
        patient_sex: ``"M"``, ``"F"`` or ``"O"``, in the place of PatientSex.

    Raises:
        InputError: a unit or value that makes no sense; an SUV was asked for by name and cannot be computed; or values
            were given for an image that has no use for them.
    """

    def __init__(
        self,
        keys: KeysCollection,
        unit: str = "auto",
        patient_weight: float | None = None,
        injected_dose: float | None = None,
        injection_time: str | int | float | None = None,
        patient_size: float | None = None,
        patient_sex: str | None = None,
    ) -> None:
        super().__init__(keys)
        if str(unit).lower() not in ("auto", "native", *_TYPES):
            raise InputError(f"functional_unit {unit}: is not known; choose {', '.join(UNITS)}")
        self.unit = str(unit)
        self.patient_weight = patient_weight
        self.injected_dose = injected_dose
        self.patient_size = patient_size
        self.patient_sex = patient_sex
        # the injection's time may hold a date: it stays private, out of the report
        self._edits = SuvEdits(patient_weight, injected_dose, injection_time, patient_size, patient_sex)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            image = MetaTensor(out[key], meta=dict(out[key].meta))  # the caller's keeps its header
            facts = facts_of(image.meta)
            header = facts.pop("pet", None)
            name = name_of(image.meta, key)
            if header is None:
                self._check_no_suv_asked(name)
                if facts.get("modality") == "NM":
                    facts["units"] = unit_name(facts["units"] or "CNTS")
            else:
                image = self._convert(image, header, facts, name)
            image.meta["source"] = json.dumps(facts)
            out[key] = image
        return out

    def _check_no_suv_asked(self, name: str) -> None:
        if self.unit.lower() in _TYPES or (self._edits and self.unit.lower() != "native"):
            raise InputError(
                f"{name}: only a DICOM PET has an SUV; leave out the unit (--functional-unit, in the bundle "
                "--functional_unit) and the values of patient and injection"
            )

    def _convert(self, image: Any, header: dict[str, Any], facts: dict[str, Any], name: str) -> Any:
        """The image in the unit wanted; says in the facts what was done."""
        own = unit_name(header["units"], source_suv_type(header))
        facts["units"] = own
        wanted = self.unit.lower()
        if wanted == "native":
            facts["suv"] = {"type": None, "unit": own, "reason": "the image's own unit was asked for"}
            return image
        facts["warnings"] += header["warnings"]
        try:
            factor = suv_factor(header, _TYPES.get(wanted, "BW"), self._edits)
            values = self._for_slices(factor, image)
        except SuvUnavailableError as reason:
            if wanted != "auto":
                raise InputError(
                    f"{name}: no {self.unit}, because {reason}; give what is missing (--patient-weight, "
                    "--injected-dose, --injection-time, --patient-size, --patient-sex), or choose "
                    "--functional-unit native"
                ) from reason
            facts["suv"] = {"type": None, "unit": own, "reason": str(reason)}
            facts["warnings"].append(f"no SUV, because {reason}; its unit is {own or 'not known'}")
            return image
        facts["warnings"] += factor.warnings
        facts["units"] = unit_name("", factor.suv_type)
        facts["suv"] = {
            "type": factor.suv_type,
            "unit": facts["units"],
            "factor": {"min": significant(min(factor.values)), "max": significant(max(factor.values)), "from": own},
            "inputs": factor.inputs,
            "edited": [key for key, entry in factor.inputs.items() if entry["from"] == "edited"],
        }
        return image * values

    @staticmethod
    def _for_slices(factor: SuvFactor, image: Any) -> torch.Tensor:
        """The factors, ready to multiply ``(1, I, J, K)``."""
        count = image.shape[1 + _SLICE_AXIS]
        if len(factor.values) not in (1, count):
            raise SuvUnavailableError(
                f"the factor differs from slice to slice, and {len(factor.values)} slices became {count}"
            )
        return torch.tensor(factor.values, dtype=torch.float32)
