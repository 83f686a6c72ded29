"""The manifest: a table with a study a row."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monai_fusion.cohort.study import Study
from monai_fusion.errors import InputError

__all__ = ["COLUMNS", "read_manifest"]

_REQUIRED = ("id", "mri", "functional")
_MISSING = ("", "n/a")  # the latter in BIDS
_ERRORS_SHOWN = 10
#: Fit for a folder on any system.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _yes(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]


def _text(text: str) -> str:
    if text.startswith(("$", "@", "%")):  # MONAI would evaluate it
        raise ValueError
    return text


#: The columns that a manifest may have beside `_REQUIRED`: ids of the bundle's configuration, what they hold, and how
#: it is read. Paths count from the manifest's folder.
COLUMNS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "functional_transform": ("a path", Path),
    "mri_series": ("a SeriesInstanceUID, modality or pattern", _text),
    "functional_series": ("a SeriesInstanceUID, modality or pattern", _text),
    "mri_frame": ("a number from 0", int),
    "functional_frame": ("a number from 0", int),
    "functional_unit": ("a unit", _text),
    "patient_weight": ("kg, a number above 0", _number),
    "injected_dose": ("MBq, a number above 0", _number),
    "injection_time": ("HHMMSS or YYYYMMDDHHMMSS", _text),
    "patient_size": ("m, a number above 0", _number),
    "patient_sex": ("M, F or O", _text),
    "registration": ("none, auto, rigid or affine", _text),
    "accept_registration": ("yes or no", _yes),
}


def read_manifest(path: Path) -> list[Study]:
    """Reads a ``.csv`` (commas or semicolons) or ``.tsv`` file in UTF-8.

    Whether the images are there is not asked: that one is missing is the failure of one study.

    Raises:
        InputError: not readable, columns missing or unknown, or rows that are wrong: the first ten are named, with
            what is wrong in each. Row 1 is the heading.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path}: not a manifest that can be read ({error}); save it as CSV in UTF-8") from error
    heading = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" or "\t" in heading else ";" if ";" in heading else ","
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, restkey="", strict=True)
    names = [str(name).strip() for name in reader.fieldnames or ()]
    _check_columns(path, names)
    reader.fieldnames = names
    studies: list[Study] = []
    seen: dict[str, int] = {}
    wrong: list[str] = []
    try:
        for row in reader:
            number = reader.line_num
            values = {k: v.strip() for k, v in row.items() if isinstance(v, str) and v.strip() not in _MISSING}
            errors = _errors(values, row)
            if not errors:
                study = _study(values, path.parent)
                pair = f"{study.mri} {study.functional} {sorted(study.settings.items(), key=str)}"
                for what, name in (("id", study.id.casefold()), ("pair", pair)):
                    if name in seen:
                        errors.append(f"has the {what} of row {seen[name]}")
                    seen[name] = number
                studies.append(study)
            wrong += [f"row {number}: {error}" for error in errors]
    except csv.Error as error:
        raise InputError(f"{path}: row {reader.line_num}: not readable as CSV ({error}); check its quotes") from error
    if wrong:
        more = f"; and {len(wrong) - _ERRORS_SHOWN} more" if len(wrong) > _ERRORS_SHOWN else ""
        raise InputError(f"{path}: {'; '.join(wrong[:_ERRORS_SHOWN])}{more}")
    if not studies:
        raise InputError(f"{path}: it has no rows below the heading; add a row for each study")
    return studies


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise InputError(f"{path}: row 1 has no column {', '.join(missing)}; a manifest needs {', '.join(_REQUIRED)}")
    unknown = [name for name in names if name not in _REQUIRED and name not in COLUMNS]
    if unknown:
        known = ", ".join(COLUMNS)
        raise InputError(
            f"{path}: row 1 has columns that mean nothing here ({', '.join(unknown)}); beside the three: {known}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: row 1 has the column {', '.join(twice)} twice; take one of them out")


def _errors(values: Mapping[str, str], row: Mapping[str, Any]) -> list[str]:
    errors = [f"{name} is missing" for name in _REQUIRED if name not in values]
    if "" in row or None in row.values():
        errors.append("has more or fewer cells than the heading")
    if "id" in values and not _ID.fullmatch(values["id"]):
        errors.append("id must be 1 to 100 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    for name, (what, convert) in COLUMNS.items():
        if name in values:
            try:
                convert(values[name])
            except (ValueError, KeyError):
                errors.append(f"{name} must be {what}")
    return errors


def _study(values: Mapping[str, str], base: Path) -> Study:
    settings = {name: convert(values[name]) for name, (_, convert) in COLUMNS.items() if name in values}
    settings = {name: _absolute(base, value) if isinstance(value, Path) else value for name, value in settings.items()}
    return Study(values["id"], (_absolute(base, values["mri"]),), (_absolute(base, values["functional"]),), settings)


def _absolute(base: Path, path: str | Path) -> Path:
    return (base / path).absolute()  # workers may have another working folder
