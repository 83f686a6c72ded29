"""What a user may set, once: the name, what its values are, and how one is read out of text.

Every value that comes from outside (an argument, a manifest's cell, a box of the viewer, a session file) is checked
here before it reaches a bundle, and it reaches the bundle as data (`monai_fusion.workflow.open_bundle`). An id that is
not listed here, as another bundle may have, is handed over as it is: as data too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from monai_fusion.errors import InputError

__all__ = ["OPTIONS", "Option", "check_option", "check_options", "check_range", "read_option"]

_LONGEST = 1024  # characters of a text: a DICOM UID has 64, a description 64
_SHOWN = 80  # characters of a refused value in a message
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")  # float() also takes 1_0, nan and infinity
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Option:
    """One thing that may be set.

    Args:
        what: what a value is, for messages: "a number of kg above 0 and up to 500"; a function that gives the text
            where it names what another module holds.
        check: gives a value in its own type; raises ValueError, TypeError or OverflowError for one that is none.
        read: gives the value that a text stands for, to be checked then; raises ValueError.
    """

    what: str | Callable[[], str]
    check: Callable[[Any], Any]
    read: Callable[[str], Any] = str

    def refuse(self, name: str, value: Any) -> InputError:
        """The error that says what to give in the place of a value."""
        text = value if isinstance(value, str) else repr(value)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        return InputError(f"{name} {shown}: give {self.what if isinstance(self.what, str) else self.what()}")


def check_option(name: str, value: Any, called: str | None = None) -> Any:
    """A value in the type that the option has.

    Args:
        name: one of `OPTIONS`.
        value: what was given. None stands for nothing given, and passes.
        called: what the user calls it, for the message; its name by default.

    Raises:
        InputError: the value is of another type or out of range.
    """
    if value is None:
        return None
    option = OPTIONS[name]
    try:
        return option.check(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise option.refuse(called or name, value) from error


def check_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """As `check_option`, for each value whose name is one of `OPTIONS`; the others are left as they are."""
    return {name: check_option(name, value) if name in OPTIONS else value for name, value in values.items()}


def read_option(name: str, text: str, called: str | None = None) -> Any:
    """The value that a text stands for: a manifest's cell, a box of the viewer.

    Args:
        name: one of `OPTIONS`.
        text: what was typed.
        called: see `check_option`.

    Raises:
        InputError: it stands for none.
    """
    try:
        value = OPTIONS[name].read(text)
    except ValueError as error:
        raise OPTIONS[name].refuse(called or name, text) from error
    return check_option(name, value, called)


def _read_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _read_whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,9}", text):
        raise ValueError(text)
    return int(text)


def _read_flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError as error:
        raise ValueError(text) from error


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _text(what: str) -> Option:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST:
            raise ValueError(value)
        return value

    return Option(what, check)


def _number(unit: str, above: float, up_to: float) -> Option:
    def check(value: Any) -> float:
        if not above < _finite(value) <= up_to:
            raise ValueError(value)
        return float(value)

    return Option(f"a number of {unit} above {above:g} and up to {up_to:g}", check, _read_number)


def _whole(what: str, lowest: int) -> Option:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral) or value < lowest:
            raise ValueError(value)
        return int(value)

    return Option(what, check, _read_whole)


def _flag() -> Option:
    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(value)
        return value

    return Option("yes or no (in Python True or False)", check, _read_flag)


def _choice(*names: str) -> Option:
    return _choice_of(lambda: names)


def _names_in(module: str, name: str) -> Callable[[], Sequence[str]]:
    """The names that another module offers; it is imported when they are asked for, so that this one is cheap."""
    return lambda: tuple(getattr(import_module(f"monai_fusion.{module}"), name))


def _choice_of(names: Callable[[], Sequence[str]], fold_case: bool = False) -> Option:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(value)
        found = [name for name in names() if value == name or (fold_case and value.lower() == name.lower())]
        if not found:
            raise ValueError(value)
        return found[0]

    return Option(lambda: f"one of {', '.join(names())}", check)


def check_range(value: Any, lowest: float, highest: float, none_below: bool = False) -> list[float | None]:
    """Two numbers within the limits, the lower one first (or None, if it may be).

    Raises:
        ValueError, TypeError: no such two.
    """
    if isinstance(value, (str, bytes, Mapping)):
        raise ValueError(value)
    lower, upper = value
    low = None if none_below and lower is None else _finite(lower)
    high = _finite(upper)
    if not lowest <= (lowest if low is None else low) < high <= highest or not math.isfinite(high - (low or 0)):
        raise ValueError(value)
    return [low, high]


def _range(what: str, lowest: float, highest: float, none_below: bool = False) -> Option:
    return Option(what, lambda value: check_range(value, lowest, highest, none_below))


def _path(what: str = "the path of a file") -> Option:
    return Option(what, _checked_path, Path)


def _checked_path(value: Any) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise ValueError(value)
    return Path(value)


def _check_images(value: Any) -> Path | list[Path]:
    if isinstance(value, (str, Path)):
        return _checked_path(value)
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, Sequence) or not value:
        raise ValueError(value)
    return [_checked_path(file) for file in value]


def _check_injection_time(value: Any) -> str:
    from monai_fusion.data.dicom_time import parse_datetime, parse_time

    if isinstance(value, bool) or not isinstance(value, (str, int, float)):  # numbers: MONAI's command line makes them
        raise ValueError(value)
    text = str(value)
    if parse_datetime(text) is None and parse_time(text) is None:
        raise ValueError(value)
    return text


def _check_device(value: Any) -> Any:
    import torch

    if isinstance(value, torch.device):
        return value
    if not isinstance(value, str):
        raise ValueError(value)
    try:
        return torch.device(value)
    except RuntimeError as error:
        raise ValueError(value) from error


def _check_axis(value: Any) -> str | int:
    from monai_fusion.slices import AXES

    if isinstance(value, bool) or value not in ("acquisition", *AXES, 0, 1, 2):
        raise ValueError(value)
    return value if isinstance(value, str) else int(value)


def _read_axis(text: str) -> str | int:
    return int(text) if text in ("0", "1", "2") else text


def _check_methods(value: Any) -> list[str | Path]:
    names = [value] if isinstance(value, (str, Path)) else value
    if isinstance(names, (bytes, Mapping)) or not isinstance(names, Sequence):
        raise ValueError(value)
    return [name if isinstance(name, str) else _checked_path(name) for name in names]


def _check_sources(value: Any) -> list[str]:
    if isinstance(value, (str, bytes, Mapping)):
        raise ValueError(value)
    first, second = (str(_checked_path(name)) for name in value)
    return [first, second]


_SERIES = "a SeriesInstanceUID, a modality, or a pattern of the description, of at most 1,024 characters"
_FRAME = "the number of a volume, from 0"
_WINDOW = "two numbers in the image's unit, the lower one first"
_PERCENTILES = "two numbers of 0 to 100, the lower one first"
_IMAGES = "a path, or the paths of the files of one DICOM series"

#: Ids of the bundle's configurations.
OPTIONS: dict[str, Option] = {
    "mri": Option(_IMAGES, _check_images),
    "functional": Option(_IMAGES, _check_images),
    "output_dir": _path("the path of a folder"),
    "mri_series": _text(_SERIES),
    "functional_series": _text(_SERIES),
    "mri_frame": _whole(_FRAME, 0),
    "functional_frame": _whole(_FRAME, 0),
    "mri_uneven": _choice_of(_names_in("data.dicom_volume", "UNEVEN")),
    "functional_uneven": _choice_of(_names_in("data.dicom_volume", "UNEVEN")),
    "mri_window": _range(_WINDOW, -math.inf, math.inf),
    "functional_window": _range(_WINDOW, -math.inf, math.inf),
    "mri_percentiles": _range(_PERCENTILES, 0, 100, none_below=True),
    "functional_percentiles": _range(_PERCENTILES, 0, 100, none_below=True),
    "functional_transform": _path(),
    "functional_unit": _choice_of(_names_in("transforms.suv", "UNITS"), fold_case=True),
    "patient_weight": _number("kg", 0, 500),
    "injected_dose": _number("MBq", 0, 1e5),
    "injection_time": Option("a DICOM time or date-time, HHMMSS or YYYYMMDDHHMMSS", _check_injection_time),
    "patient_size": _number("m", 0, 3),
    "patient_sex": _choice("M", "F", "O"),
    "registration": _choice("none", "auto", "rigid", "affine"),
    "registration_timeout": _number("seconds", 0, 86400),
    "accept_registration": _flag(),
    "axis": Option("acquisition, sagittal, coronal, axial, or an array axis 0, 1, 2", _check_axis, _read_axis),
    "color_map": _choice_of(_names_in("transforms.color", "COLOR_MAPS")),
    "presentation_state": _flag(),
    "deidentify": _flag(),
    "progress": _flag(),
    "backend": _choice_of(_names_in("inferers.kernels.choice", "BACKENDS")),
    "device": Option("a device as PyTorch names it, for example cpu or cuda:0", _check_device),
    "checkpoint": _path("the path of a weights file"),
    "calibration": _choice_of(_names_in("networks.calibration", "CALIBRATIONS")),
    "method": Option("names of methods, or paths of weights files", _check_methods),
    "protocol": _choice_of(_names_in("metrics.protocol", "PROTOCOLS")),
    "sources": Option("the names of two subfolders", _check_sources),
    "rivals": _flag(),
    "lesions": _flag(),
    "seed": _whole("a whole number from 0", 0),
}
