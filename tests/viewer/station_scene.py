"""Scenes for the reading station: an asymmetric head of known values, and any arrays as the viewer would send them."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from monai_fusion.transforms.color import COLOR_MAPS, color_table

#: The token of what a second fusion gives: the negative of the first.
AGAIN = "again"
NOTICE = "For research use only. Not for diagnostic use."


@dataclass
class Scene:
    """What Python sends to the browser, and the volumes it fetches.

    Args:
        facts: see the viewer's contract; JSON.
        volumes: token to the stored values ``[x, y, z]``.
    """

    facts: dict[str, Any]
    volumes: dict[str, np.ndarray] = field(default_factory=dict)


def palettes() -> dict[str, str]:
    tables = {name: np.round(color_table(name).numpy() * 255).astype(np.uint8) for name in COLOR_MAPS}
    tables["inverse_grey"] = tables["grey"][::-1]
    return {name: base64.b64encode(table.tobytes()).decode("ascii") for name, table in tables.items()}


def make_scene(
    affine: np.ndarray,
    mri: np.ndarray,
    functional: np.ndarray,
    fused: np.ndarray,
    attribution: np.ndarray,
    before: np.ndarray,
    palette: str = "rainbow",
) -> Scene:
    """A scene of arrays ``[x, y, z]`` on a RAS grid.

    Args:
        affine: 4x4, voxel index to RAS in mm.
        mri: values in the scanner's unit.
        functional, before: SUV, after and before registration.
        fused, attribution: in [0, 1].
        palette: of the fused picture.
    """
    scene = Scene({})

    def volume(values: np.ndarray, dtype: str, slope: float, unit: str) -> dict[str, Any]:
        token = secrets.token_urlsafe(32)
        scene.volumes[token] = np.round(values / slope).astype(dtype)
        return {"url": f"/vol/{token}", "dtype": dtype, "slope": slope, "intercept": 0, "unit": unit}

    scene.volumes[AGAIN] = 255 - np.round(fused * 255).astype(np.uint8)
    suv = float(np.percentile(functional[functional > 0], 99.5))
    scene.facts = {
        "version": 1,
        "id": secrets.token_urlsafe(8),
        "shape": list(mri.shape),
        "spacing": np.linalg.norm(affine[:3, :3], axis=0).tolist(),
        "affine": affine.tolist(),
        "names": {"mri": "MRI", "functional": "PET"},
        "volumes": {
            "mri": {**volume(mri, "uint16", 1 / 32, ""), "low": 0, "high": float(np.percentile(mri, 99.5))},
            "functional": {**volume(functional, "uint16", 0.00137, "SUVbw"), "low": 0, "high": suv},
            "fused": volume(fused, "uint8", 1 / 255, ""),
            "attribution": volume(attribution, "uint8", 1 / 255, ""),
        },
        "presets": {
            "mri": [
                {"name": "Auto", "low": 0, "high": float(np.percentile(mri, 99.5))},
                {"name": "Wide", "low": 0, "high": 1200},
            ],
            "functional": [
                {"name": "Auto", "low": 0, "high": suv},
                {"name": "SUV 0 to 5", "low": 0, "high": 5},
                {"name": "SUV 0 to 10", "low": 0, "high": 10},
            ],
        },
        "palettes": palettes(),
        "palette": palette,
        "color": {"rule": "BT.601 luma of fused, chroma of palette(functional in window low..high), shortened to fit"},
        "banner": {"patient": ["Phantom, Asymmetric", "ID 0000"], "series": ["T1 axial", "FDG, attenuation corrected"]},
        "registration": {
            "verdict": "good",
            "text": "Similarity 0.41, before 0.18; coverage 100 %.",
            "matrix_lps": None,
            "before": volume(before, "uint16", 0.00137, "SUVbw"),
        },
        "warnings": [],
        "edited": [],
        "notice": NOTICE,
        "model": {"name": "mmdrfuse", "sha256": "0" * 64},
        "lesions": None,
        "rois": [],
        "restore": None,
    }
    return scene


#: Index to RAS of `phantom`: voxels of 3 x 2.5 x 5 mm, the head around the origin.
AFFINE = np.array([[3.0, 0, 0, -70.5], [0, 2.5, 0, -78.75], [0, 0, 5.0, -72.5], [0, 0, 0, 1]])
SHAPE = (48, 64, 30)


def phantom() -> dict[str, np.ndarray]:
    """A head with a bright MRI block at the left, front and top, and a hot ball at the right, back and bottom."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    inside = (x / 0.85) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2 < 1
    mri = inside * (420 + 120 * np.cos(5 * x) * np.sin(4 * y) + 90 * np.sin(6 * z))
    mri[(abs(x + 0.4) < 0.12) & (abs(y - 0.4) < 0.12) & (abs(z - 0.4) < 0.15)] = 1000
    suv = inside * (3 + 1.5 * np.sin(3 * x + 1) * np.cos(4 * y) + z)
    suv[(x - 0.4) ** 2 + (y + 0.4) ** 2 + (z + 0.4) ** 2 < 0.03] = 10
    fused = np.clip(0.6 * mri / 1000 + 0.05 * suv, 0, 1)
    share = inside * np.clip(0.5 + 0.4 * np.sin(4 * x) + 0.1 * z, 0, 1)
    return {
        "mri": mri,
        "functional": suv,
        "fused": fused,
        "attribution": share,
        "before": np.roll(suv, (4, 3, 1), axis=(0, 1, 2)),
    }
