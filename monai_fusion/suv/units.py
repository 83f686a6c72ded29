"""The units of a functional image by name: DICOM's terms as people write them."""

from __future__ import annotations

__all__ = ["NATIVE", "suv_name", "unit_name"]

#: Units (0054,1001).
NATIVE = {
    "BQML": "Bq/ml",
    "CNTS": "counts",
    "CPS": "counts/s",
    "PROPCNTS": "proportional counts",
    "PCNT": "%",
    "GML": "g/ml",
    "CM2ML": "cm2/ml",
}


def suv_name(suv_type: str) -> str:
    """``SUVbw`` for SUVType BW, and so on."""
    return f"SUV{suv_type.lower()}"


def unit_name(units: str, suv_type: str | None = None) -> str:
    """``Bq/ml``, ``SUVbw g/ml``, ...; a unit that DICOM does not know stays as it is written."""
    if suv_type:
        return f"{suv_name(suv_type)} {'cm2/ml' if suv_type == 'BSA' else 'g/ml'}"
    return NATIVE.get(units, units)
