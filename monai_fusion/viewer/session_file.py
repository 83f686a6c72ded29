"""A file that opens the same view again: which images, how they were matched and fused, and what the page showed.

It holds UIDs and hashes, no voxels and no names; to open it, the images must be at hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from monai_fusion.data.transform_file import check_linear
from monai_fusion.errors import InputError
from monai_fusion.viewer.case import Case
from monai_fusion.viewer.corrections import CORRECTIONS
from monai_fusion.viewer.nudge import Nudge

__all__ = ["SessionFile", "read_session_file", "write_session_file"]

_KEY, _VERSION = "monai_fusion_view", 1
_STATE = ("crosshair", "windows", "palette", "layout", "rois", "distances")
_MAX_BYTES = 1 << 20


class SessionFile:
    """Args:
    images: ``"mri"`` and ``"functional"``: ``series`` (UID or None), ``name`` and ``sha256`` of each.
    place: where they were found.
    choice: ``nudge``, ``registered``, ``restart``, ``accept``, ``corrections``, ``windows``: arguments of `Choice`.
    state: what the page showed.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.images: dict[str, dict[str, Any]] = {
            role: {key: content["images"][role].get(key) for key in ("series", "name", "sha256")}
            for role in ("mri", "functional")
        }
        self.place: dict[str, Any] = dict(content["place"])
        registered = content.get("registered")
        matrix = None if registered is None else np.array(registered, dtype=float)
        if matrix is not None:
            if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or list(matrix[3]) != [0, 0, 0, 1]:
                raise ValueError
            check_linear(matrix, "the session file")
        self.choice: dict[str, Any] = {
            "nudge": Nudge(**{key: _number(value) for key, value in content["nudge"].items()}),
            "registered": matrix,
            "restart": content.get("restart") is True,
            "accept": content.get("accept") is True,
            "corrections": {key: content["corrections"][key] for key in CORRECTIONS if key in content["corrections"]},
            "windows": {
                role: (_number(content["windows"][role][0]), _number(content["windows"][role][1]))
                for role in ("mri", "functional")
                if role in content["windows"]
            },
        }
        self.state: dict[str, Any] = {key: content["state"][key] for key in _STATE if content["state"].get(key)}


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
    state = {key: look[key] for key in _STATE if look.get(key) is not None}
    if "rois" in state:
        state["rois"] = [{key: value for key, value in roi.items() if key != "numbers"} for roi in state["rois"]]
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
        InputError: it is none, or of another version.
    """
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError
        parsed = json.loads(content)
        if parsed[_KEY] != _VERSION:
            raise InputError("the session file is of another version of this viewer; open the images by hand")
        return SessionFile(parsed)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("not a session file of this viewer, or a damaged one; open the images by hand") from error


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number
