"""What the browser is told of a case: grid, volumes by address, windows, palettes, and everything to be wary of."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.transforms.color import COLOR_MAPS, color_table
from monai_fusion.viewer.addresses import Content
from monai_fusion.viewer.attribution import functional_share
from monai_fusion.viewer.banner import banner
from monai_fusion.viewer.case import Case
from monai_fusion.viewer.grid import Scale
from monai_fusion.viewer.images import KINDS
from monai_fusion.viewer.nudge import size_of_motion
from monai_fusion.viewer.session import Session
from monai_fusion.viewer.voxels import Voxels, picture_to_volume
from monai_fusion.viewer.windows import functional_presets, mri_presets

__all__ = ["NOTICE", "Scene", "build_scene"]

NOTICE = "For research use only. Not for diagnostic use."

_OWN_COLORS = (
    "The functional image is a picture in colours of its own: it is shown and measured by its brightness, "
    "which is no uptake; the PNG file in Keep has its colours"
)
_RIGID = 0.0005  # of a length: less is the rounding of a file


@dataclass
class Scene:
    """A scene and the addresses that were made for it.

    Args:
        data: see `build_scene`.
        sources: those of the two sources, which a further fusion of the same pair keeps.
        fused: those of what was fused.
        contents: what lies at the addresses of the sources.
    """

    data: dict[str, Any]
    sources: list[str] = field(default_factory=list)
    fused: list[str] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)


def build_scene(case: Case, session: Session, last: Scene | None = None) -> Scene:
    """The scene of a case, as JSON values; its volumes are published at addresses of the session.

    Args:
        case: the case.
        session: whose addresses.
        last: the scene of the same pair before it was fused again: the sources stay where they are.
    """
    scene = Scene({})
    if last is None:
        sources = _sources(case, session, scene)
    else:
        sources = {name: last.data[name] for name in ("volumes", "presets", "registration")}
        scene.sources, scene.contents = last.sources, last.contents
    fused = Content(partial(_fused, case))
    first = [fused, *scene.contents]
    scene.data = {
        "version": 1,
        "id": secrets.token_urlsafe(12),
        "shape": list(case.grid.shape),
        "spacing": list(case.grid.spacing),
        "affine": case.grid.affine.tolist(),
        **sources,
        "volumes": {
            "mri": sources["volumes"]["mri"],
            "functional": sources["volumes"]["functional"],
            "fused": _publish(scene.fused, session, fused, None),
            "attribution": _publish(scene.fused, session, Content(partial(_attribution, case, first)), None),
        },
        "palettes": _palettes(),
        "palette": "grey" if case.has_own_colors else "rainbow",
        "color": {
            "rule": "BT.601 luma of fused, chroma of palette(functional in window low..high), chroma shortened to fit"
        },
        "names": {"mri": "MRI", "functional": KINDS.get(case.choice.functional.modality, "PET/SPECT")},
        "banner": banner(case.pair.report, {"mri": case.choice.mri, "functional": case.choice.functional}),
        "picture": case.is_picture,
        "warnings": _warnings(case),
        "edited": case.edited,
        "notice": NOTICE,
        "model": {key: case.result.report["model"][key] for key in ("name", "sha256")},
        "lesions": None,
        "rois": [],
        "restore": None,
    }
    return scene


def _sources(case: Case, session: Session, scene: Scene) -> dict[str, Any]:
    windows, scales = case.sources.windows, case.sources.scales
    volumes = {}
    for role in ("mri", "functional"):
        unit = case.functional.unit if role == "functional" else ""
        low, high = windows[role]
        scene.contents.append(Content(partial(_stored, case, role)))
        facts = _publish(scene.sources, session, scene.contents[-1], scales[role])
        volumes[role] = {**facts, "unit": unit, "low": low, "high": high}
    return {
        "volumes": volumes,
        "presets": {
            "mri": mri_presets(case.mri, windows["mri"]),
            "functional": functional_presets(case.functional, windows["functional"]),
        },
        "registration": _registration(case, session, scene, scales["functional"]),
    }


def _stored(case: Case, role: str) -> bytes:
    return case.sources.stored[role]


def _publish(urls: list[str], session: Session, content: Content, scale: Scale | None) -> dict[str, Any]:
    """A volume that is made when the browser asks for it; without a scale, bytes of 0 to 255 for 0 to 1."""
    urls.append(session.publish(content, "vol"))
    if scale is None:
        return {"url": urls[-1], "dtype": "uint8", "slope": 1 / 255, "intercept": 0.0, "unit": ""}
    return {"url": urls[-1], "dtype": "uint16", "slope": scale.slope, "intercept": scale.intercept}


def _fused(case: Case) -> bytes:
    return _as_shown(case, (case.result.fused * 255).round().astype(np.uint8))


def _attribution(case: Case, first: Sequence[Content]) -> bytes:
    """After what is looked at first: the browser asks for all at once, and this takes the longest."""
    for content in first:
        content.get()
    return _as_shown(case, functional_share(case.result, case.slice_axis))


def _as_shown(case: Case, array: np.ndarray) -> bytes:
    volume = picture_to_volume(array) if array.ndim == 2 else case.grid.turn(array)
    return volume.tobytes(order="F")


def _registration(case: Case, session: Session, scene: Scene, scale: Scale) -> dict[str, Any]:
    """How the functional image was moved, and whether that can be trusted."""
    found: Mapping[str, Any] = case.pair.report.get("registration", {})
    matrix = case.registered
    if matrix is None:
        text = "Not moved: placed by the coordinates in the headers."
        return {"verdict": "none", "text": text, "matrix_lps": None, "before": None}
    before = Voxels(case.functional.array, LPS_TO_RAS @ matrix @ LPS_TO_RAS @ case.functional.affine)
    shift, turn, factor = size_of_motion(matrix, case.center)
    motion = f"Moved {shift:.1f} mm, turned {turn:.1f} degrees"
    if abs(factor - 1) > _RIGID:
        motion += f", scaled by up to {factor:.3f}"
    reasons = f". {_reasons(case).capitalize()}" if _reasons(case) else ""
    return {
        "verdict": found.get("verdict", "none"),
        "text": f"{motion} by {found.get('rule', 'registration')}{reasons}.",
        "matrix_lps": matrix.tolist(),
        "before": _publish(scene.sources, session, Content(lambda: scale.store(case.grid.resample(before))), scale),
    }


def _reasons(case: Case) -> str:
    return "; ".join(case.pair.report.get("registration", {}).get("reasons", []))


def _warnings(case: Case) -> list[str]:
    """Those of the report, but for the one that repeats why the registration is doubted: its own banner says so."""
    reasons = _reasons(case)
    own = [_OWN_COLORS] if case.has_own_colors else []
    return own + [warning for warning in case.result.report["warnings"] if not (reasons and reasons in warning)]


@cache
def _palettes() -> dict[str, str]:
    """256 colours each, RGB, in base64."""
    tables = {name: (color_table(name).numpy() * 255).round().astype(np.uint8) for name in COLOR_MAPS}
    tables["inverse_grey"] = tables["grey"][::-1]
    return {name: base64.b64encode(table.tobytes()).decode() for name, table in tables.items()}
