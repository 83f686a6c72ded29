"""Weight, dose and injection time by hand, where the header is wrong or empty: ids of the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_fusion.errors import InputError
from monai_fusion.workflow import open_bundle

__all__ = ["CORRECTIONS", "are_possible", "check_corrections"]

#: Ids of the bundle, with what the page calls them.
CORRECTIONS = {
    "patient_weight": "Weight, kg",
    "injected_dose": "Injected dose, MBq",
    "injection_time": "Injection time, HHMMSS",
}


def are_possible(modality: str) -> bool:
    """A PET has an SUV, and this version of the bundle computes it."""
    return modality == "PT" and all(name in open_bundle().parser for name in CORRECTIONS)


def check_corrections(texts: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, as values for the bundle; what was left empty is left out.

    Raises:
        InputError: no number where there must be one.
    """
    values: dict[str, Any] = {}
    for name, text in texts.items():
        text = text.strip().replace(",", ".")
        if not text:
            continue
        try:
            values[name] = text if name == "injection_time" else float(text)
        except ValueError as error:
            raise InputError(f"{CORRECTIONS[name]}: {text} is no number; correct it") from error
    return values
