"""The reading station: one Streamlit component, drawn in the browser.

The JavaScript is plain ES modules without a build: `_script` joins them, in the order of `_MODULES`, into the one
module that Streamlit takes, and drops the lines by which they import each other. So a name at the top of a module must
be the only one of its kind.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["station"]

_HERE = Path(__file__).parent

#: A module stands after those it imports; the last one has the function that Streamlit calls.
_MODULES = (
    "planes",
    "colors",
    "loading",
    "content",
    "pictures",
    "mip",
    "layout",
    "look",
    "pane",
    "pen",
    "measures",
    "measure-marks",
    "overlay",
    "keeping",
    "pointer",
    "actions",
    "keys",
    "lists",
    "controls",
    "reporting",
    "stage",
    "station",
)


def _script() -> str:
    joined = "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in _MODULES)
    alone = re.sub(r"^import \{[^}]*\} from \"\./[\w-]+\.js\";\n", "", joined, flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", alone, flags=re.MULTILINE)


@functools.cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "monai_fusion_station",
        html=(_HERE / "station.html").read_text(encoding="utf-8"),
        css=(_HERE / "station.css").read_text(encoding="utf-8"),
        js=_script(),
    )


def station(scene: dict[str, Any], key: str) -> Any:
    """Mounts the station.

    Args:
        scene: what it shows: grid, volumes by URL, presets, palettes, texts. A new ``scene["id"]`` makes the browser
            fetch the volumes; with a known one only numbers and texts are taken over.
        key: of the component in the page.

    Returns:
        Streamlit's state of the component: ``crosshair`` (voxel index), ``windows`` (``{"mri": [low, high],
        "functional": ...}``), ``palette``, ``layout`` (how it is looked at; opaque), ``rois``, ``distances`` (RAS mm),
        and ``request``, which is set for the one run in which the user asked for something.
    """
    volumes = scene["volumes"]
    default = {
        "crosshair": [count // 2 for count in scene["shape"]],
        "windows": {name: [volumes[name]["low"], volumes[name]["high"]] for name in ("mri", "functional")},
        "palette": scene["palette"],
        "layout": None,
        "rois": [],
        "distances": [],
    }
    heard = {f"on_{name}_change": _nothing for name in (*default, "request")}
    return _component()(key=key, data=scene, default=default, **heard)


def _nothing() -> None:
    """Streamlit wants a callback for each state."""
