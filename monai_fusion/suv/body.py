"""What an SUV is normalised to: the patient's weight, lean body mass, surface or ideal weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["SUV_TYPES", "Body", "body_measure", "needs_of"]


@dataclass(frozen=True)
class Body:
    """A patient, as far as known.

    Args:
        weight: kg.
        size: height in m, as in PatientSize (0010,1020).
        sex: ``"M"``, ``"F"``, or ``"O"``, for which both formulas are averaged (there is no consensus; so does IBSI).
    """

    weight: float | None = None
    size: float | None = None
    sex: str = ""


def _weight(weight: float, size: float, sex: str) -> float:
    return weight


def _james(weight: float, size: float, sex: str) -> float:
    """James 1976, with 120 for men; weight in kg, size in cm, as below."""
    return 1.10 * weight - 120 * (weight / size) ** 2 if sex == "M" else 1.07 * weight - 148 * (weight / size) ** 2


def _james128(weight: float, size: float, sex: str) -> float:
    """James 1976, with 128 for men."""
    return 1.10 * weight - 128 * (weight / size) ** 2 if sex == "M" else _james(weight, size, sex)


def _janmahasatian(weight: float, size: float, sex: str) -> float:
    """Janmahasatian et al. 2005, doi:10.2165/00003088-200544100-00004."""
    index = weight / (size / 100) ** 2
    return 9270 * weight / (6680 + 216 * index if sex == "M" else 8780 + 244 * index)


def _ideal(weight: float, size: float, sex: str) -> float:
    """Sugawara et al. 1999, doi:10.1148/radiology.213.2.r99nv37521."""
    return 48.0 + 1.06 * (size - 152) if sex == "M" else 45.5 + 0.91 * (size - 152)


def _surface(weight: float, size: float, sex: str) -> float:
    """Du Bois and Du Bois 1916, in thousands of cm2."""
    return 71.84 * weight**0.425 * size**0.725 / 1000


_ALL = ("weight", "size", "sex")

#: For each SUVType (0054,1006): the formula, in kg (BSA: thousands of cm2), and what it asks for.
_FORMULAS: dict[str, tuple[Callable[[float, float, str], float], tuple[str, ...]]] = {
    "BW": (_weight, ("weight",)),
    "LBM": (_james, _ALL),
    "LBMJAMES128": (_james128, _ALL),
    "LBMJANMA": (_janmahasatian, _ALL),
    "BSA": (_surface, ("weight", "size")),
    "IBW": (_ideal, ("size", "sex")),
}

SUV_TYPES = tuple(_FORMULAS)


def needs_of(suv_type: str) -> tuple[str, ...]:
    """Which attributes of a `Body` a type asks for."""
    return _FORMULAS[suv_type][1]


def body_measure(suv_type: str, body: Body) -> float:
    """The mass in g (for BSA the surface in cm2) by which activity over dose is multiplied.

    Raises:
        ValueError: the body's weight, size or sex, whichever the formula needs, is not known, or the formula gives
            nothing positive (James's turns round in the very obese). The message completes "no SUV, because ...".
    """
    formula, needs = _FORMULAS[suv_type]
    missing = [name for name in needs if not getattr(body, name)]
    if missing:
        raise ValueError(f"the patient's {' and '.join(missing)} is not known")
    if "sex" in needs and body.sex not in ("M", "F", "O"):
        raise ValueError("the patient's sex is none of M, F and O")
    sexes = ("M", "F") if body.sex == "O" else (body.sex,)
    values = [1000 * formula(body.weight or 0.0, 100 * (body.size or 0.0), sex) for sex in sexes]
    if min(values) <= 0:
        raise ValueError(f"the formula of {suv_type} gives nothing positive for this weight and size")
    return sum(values) / len(values)
