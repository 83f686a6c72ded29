"""The metrics by the names they have in tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from monai_fusion.metrics.average_gradient import compute_average_gradient
from monai_fusion.metrics.correlation import compute_cc
from monai_fusion.metrics.entropy import compute_entropy
from monai_fusion.metrics.gmsd import compute_gmsd
from monai_fusion.metrics.mutual_information import compute_mutual_information
from monai_fusion.metrics.qabf import compute_qabf
from monai_fusion.metrics.scd import compute_scd
from monai_fusion.metrics.spatial_frequency import compute_spatial_frequency
from monai_fusion.metrics.ssim import compute_ssim
from monai_fusion.metrics.standard_deviation import compute_sd
from monai_fusion.metrics.vif import compute_vif

__all__ = ["LESS_IS_BETTER", "METRICS", "PUBLISHED", "measure_all"]

#: Each takes a fused image and its two sources, ``(N, 1, H, W)`` with grey levels of 0 to 255, and returns ``(N,)``.
METRICS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "SD": compute_sd,
    "SCD": compute_scd,
    "VIF": compute_vif,
    "Qabf": compute_qabf,
    "SSIM": compute_ssim,
    "SSIM_range2": partial(compute_ssim, data_range=2.0),
    "CC": compute_cc,
    "GMSD": compute_gmsd,
    "EN": compute_entropy,
    "MI": compute_mutual_information,
    "SF": compute_spatial_frequency,
    "AG": compute_average_gradient,
}

#: The columns of the published tables, whose SSIM is SSIM_range2.
PUBLISHED = ("SD", "SCD", "VIF", "Qabf", "SSIM", "SSIM_range2", "CC")

LESS_IS_BETTER = frozenset({"GMSD"})


def measure_all(
    fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor, names: Sequence[str] = tuple(METRICS)
) -> dict[str, torch.Tensor]:
    """Computes several metrics of a batch.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255.
        source_a: the same shape.
        source_b: the same shape.
        names: keys of `METRICS`.

    Returns:
        The metrics in the order of `names`, each ``(N,)``.
    """
    return {name: METRICS[name](fused, source_a, source_b) for name in names}
