"""Automatic windows and presets: what is black and what is white at first, in the image's own unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from monai_fusion.transforms.intensity import foreground
from monai_fusion.viewer.voxels import Voxels, is_suv

__all__ = ["automatic_window", "functional_presets", "mri_presets"]

_TOP = 99.5  # percentile within the head; a single hot voxel does not darken the rest
_SUV_PRESETS = {"SUV 0 to 5": (0.0, 5.0), "SUV 0 to 10": (0.0, 10.0), "Brain, SUV 0 to 15": (0.0, 15.0)}


def automatic_window(image: Voxels, from_zero: bool) -> tuple[float, float]:
    """From zero (or the 1st percentile) to the 99.5th percentile within the foreground."""
    coarse, mask = foreground(image.array)
    low, high = np.percentile(coarse[mask], [1.0, _TOP])
    low = 0.0 if from_zero else float(low)
    top = float(high) if high > low else float(image.array.max())
    return low, top if top > low else low + 1.0


def mri_presets(image: Voxels, automatic: tuple[float, float]) -> list[dict[str, Any]]:
    low, high = automatic
    whole = (float(image.array.min()), float(image.array.max()))
    middle, width = (low + high) / 2, high - low
    return [
        _preset("Auto", automatic),
        _preset("Hard", (middle - width / 4, middle + width / 4)),
        _preset("Soft", (middle - width, middle + width)),
        _preset("Whole range", whole),
    ]


def functional_presets(image: Voxels, automatic: tuple[float, float]) -> list[dict[str, Any]]:
    """Windows in SUV only where the image is in SUV; else in percent of its maximum."""
    presets = [_preset("Auto", automatic)]
    if is_suv(image.unit):
        presets += [_preset(name, window) for name, window in _SUV_PRESETS.items()]
    maximum = float(image.array.max())
    if maximum > 0:
        presets += [_preset(f"0 to {share} % of maximum", (0.0, maximum * share / 100)) for share in (50, 100)]
    return presets


def _preset(name: str, window: tuple[float, float]) -> dict[str, Any]:
    return {"name": name, "low": window[0], "high": window[1]}
