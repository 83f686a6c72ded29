"""Weight, dose and injection time by hand, where the header is wrong or empty: ids of the bundle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monai_fusion.errors import InputError
from monai_fusion.options import read_option
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
        InputError: a name that is none of `CORRECTIONS`, or a value of another kind or out of range.
    """
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in CORRECTIONS:
            raise InputError(f"{name}: cannot be corrected; there is {', '.join(CORRECTIONS)}")
        text = text.strip()
        if text:
            decimal = text.replace(",", ".") if re.fullmatch(r"\d+,\d+", text) else text  # as many countries write it
            values[name] = read_option(name, decimal, CORRECTIONS[name].partition(",")[0])
    return values
