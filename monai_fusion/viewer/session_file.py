"""A file that opens the same view again: which images, how they were matched and fused, and what the page showed.

It holds UIDs and hashes, no voxels and no names; to open it, the images must be at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from monai_fusion.data.transform_file import check_linear
from monai_fusion.errors import InputError
from monai_fusion.options import check_option
from monai_fusion.viewer.case import Case
from monai_fusion.viewer.nudge import REACH_DEGREES, REACH_MM, Nudge
from monai_fusion.viewer.page_state import PageState, Strict, Windows

__all__ = ["KeptImage", "SessionFile", "read_session_file", "write_session_file"]

_KEY, _VERSION = "monai_fusion_view", 1
_MAX_BYTES = 1 << 20
_MEASURED = ("numbers", "length_mm")  # what the server makes of a region or distance, and makes again
_LONGEST = 1024  # characters of a UID or the name of a file
#: What pydantic finds, where its own words are hard to understand.
_WORDS = {"extra_forbidden": " is not known", "missing": " is missing"}


class KeptImage(Strict):
    """A UID, or the file's name, and the hash by which its content is known again."""

    series: Annotated[str, Field(max_length=_LONGEST)] | None
    name: Annotated[str, Field(max_length=_LONGEST)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Images(Strict):
    mri: KeptImage
    functional: KeptImage


class _Place(Strict):
    kind: Literal["upload", "folder", "command line", "demo"] | None = None
    folder: Annotated[str, Field(max_length=4096)] | None = None


_Shift = Annotated[float, Field(ge=-REACH_MM, le=REACH_MM)]
_Turn = Annotated[float, Field(ge=-REACH_DEGREES, le=REACH_DEGREES)]


class _Nudge(Strict):
    right: _Shift = 0.0
    front: _Shift = 0.0
    up: _Shift = 0.0
    pitch: _Turn = 0.0
    roll: _Turn = 0.0
    yaw: _Turn = 0.0


class _Corrections(Strict):
    patient_weight: float | None = None
    injected_dose: float | None = None
    injection_time: str | int | float | None = None

    @field_validator("*")
    @classmethod
    def _check(cls, value: Any, field: ValidationInfo) -> Any:
        return check_option(str(field.field_name), value)


def _check_matrix(rows: list[list[float]]) -> list[list[float]]:
    if [len(row) for row in rows] != [4, 4, 4, 4] or rows[3] != [0, 0, 0, 1]:
        raise ValueError("give four rows of four numbers, the last one 0, 0, 0, 1")
    check_linear(np.array(rows), "it")
    return rows


class SessionFile(Strict):
    """What stands in the file; ``registered`` maps points of the MRI to points of the functional image, LPS mm."""

    version: Annotated[Literal[1], Field(alias=_KEY)]
    images: _Images
    place: _Place
    nudge: _Nudge
    registered: Annotated[list[list[float]], AfterValidator(_check_matrix)] | None = None
    restart: bool = False
    accept: bool = False
    corrections: _Corrections
    windows: Windows
    state: PageState

    @property
    def choice(self) -> dict[str, Any]:
        """Arguments of `Choice`, but for the images."""
        windows = self.windows.model_dump(exclude_none=True)
        return {
            "place": self.place.model_dump(exclude_none=True),
            "nudge": Nudge(**self.nudge.model_dump()),
            "registered": None if self.registered is None else np.array(self.registered, dtype=float),
            "restart": self.restart,
            "accept": self.accept,
            "corrections": self.corrections.model_dump(exclude_none=True),
            "windows": {role: (low, high) for role, (low, high) in windows.items()},
        }


def write_session_file(case: Case, look: Mapping[str, Any]) -> bytes:
    """
    Args:
        case: what is looked at.
        look: what the browser shows.
    """
    choice = case.choice
    images = {
        role: {"series": image.series, "name": image.path.name, "sha256": case.pair.report[role]["sha256"]}
        for role, image in (("mri", choice.mri), ("functional", choice.functional))
    }
    for role, image in images.items():
        if image["series"] is not None:  # its folder's name may be a patient's
            image["name"] = role
    state = {key: look[key] for key in PageState.model_fields if look.get(key) is not None}
    for name in ("rois", "distances"):
        if name in state:
            state[name] = [{key: value for key, value in one.items() if key not in _MEASURED} for one in state[name]]
    content = {
        _KEY: _VERSION,
        "images": images,
        "place": dict(choice.place),
        "nudge": asdict(choice.nudge),
        "registered": None if choice.registered is None else choice.registered.tolist(),
        "restart": choice.restart,
        "accept": choice.accept,
        "corrections": dict(choice.corrections),
        "windows": {role: list(window) for role, window in choice.windows.items()},
        "state": state,
    }
    return json.dumps(content, indent=1, allow_nan=False).encode()


def read_session_file(content: bytes) -> SessionFile:
    """
    Raises:
        InputError: it is none, or of another version; or a key that is unknown, missing or not what it must be.
    """
    if len(content) > _MAX_BYTES:
        raise InputError("the session file is larger than 1 MiB, so it is none of this viewer; open the images by hand")
    try:
        parsed = json.loads(content)
        version = parsed[_KEY]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError("not a session file of this viewer, or a damaged one; open the images by hand") from error
    if version != _VERSION:
        raise InputError("the session file is of another version of this viewer; open the images by hand")
    try:
        return SessionFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "its content"
        what = _WORDS.get(first["type"], f": {first['msg'].removeprefix('Value error, ')}")  # of a check of our own
        raise InputError(f"the session file: {where}{what}; open the images by hand") from error
