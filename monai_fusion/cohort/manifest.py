"""The manifest: a table with a study a row."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_fusion.cohort.study import Study
from monai_fusion.errors import InputError
from monai_fusion.options import read_option

__all__ = ["COLUMNS", "read_manifest"]

_REQUIRED = ("id", "mri", "functional")
_MISSING = ("", "n/a")  # the latter in BIDS
_ERRORS_SHOWN = 10
#: Fit for a folder on any system.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


#: The columns that a manifest may have beside `_REQUIRED`: names of `OPTIONS`. Paths count from the manifest's folder.
COLUMNS = (
    "functional_transform",
    "mri_series",
    "functional_series",
    "mri_frame",
    "functional_frame",
    "functional_unit",
    "patient_weight",
    "injected_dose",
    "injection_time",
    "patient_size",
    "patient_sex",
    "registration",
    "accept_registration",
)


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
            settings, errors = _read(values, row)
            if not errors:
                study = _study(values, settings, path.parent)
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


def _read(values: Mapping[str, str], row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings of a row, and what is wrong with it."""
    errors = [f"{name} is missing" for name in _REQUIRED if name not in values]
    if "" in row or None in row.values():
        errors.append("has more or fewer cells than the heading")
    if "id" in values and not _ID.fullmatch(values["id"]):
        errors.append("id must be 1 to 100 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    settings = {}
    for name in COLUMNS:
        if name in values:
            try:
                settings[name] = read_option(name, values[name])
            except InputError as error:
                errors.append(str(error))
    return settings, errors


def _study(values: Mapping[str, str], settings: Mapping[str, Any], base: Path) -> Study:
    settings = {name: _absolute(base, value) if isinstance(value, Path) else value for name, value in settings.items()}
    return Study(values["id"], (_absolute(base, values["mri"]),), (_absolute(base, values["functional"]),), settings)


def _absolute(base: Path, path: str | Path) -> Path:
    return (base / path).absolute()  # workers may have another working folder
