"""The fusion metrics of the slice that is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from monai_fusion.metrics import measure_all
from monai_fusion.slices import AXES
from monai_fusion.viewer.case import Case
from monai_fusion.viewer.grid import as_displayed

__all__ = ["METRIC_NAMES", "slice_metrics"]

METRIC_NAMES = ("SSIM", "CC", "SCD", "VIF", "Qabf", "MI", "EN", "SD", "SF", "AG", "GMSD")


def slice_metrics(case: Case, plane: str, crosshair: Sequence[float]) -> dict[str, float]:
    """Of the fused slice against both sources as the network saw them.

    Args:
        plane: a name of `AXES`.
        crosshair: display index; the slice goes through it.
    """
    axis = AXES[plane] if not case.is_picture else 2
    k = min(max(round(float(crosshair[axis])), 0), case.grid.shape[axis] - 1)
    images = (case.result.fused, case.result.sources["mri"], case.result.sources["functional"])
    slices = [a if a.ndim == 2 else as_displayed(case.grid.turn(a), axis, k) for a in images]
    fused, mri, functional = (torch.from_numpy(s)[None, None] * 255 for s in slices)
    measured = measure_all(fused, mri, functional, METRIC_NAMES)
    return {name: float(value[0]) for name, value in measured.items()}
