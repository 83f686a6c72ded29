"""SD: the contrast of the fused image."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric

__all__ = ["FusionSD", "compute_sd"]


@fusion_metric()
def compute_sd(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The standard deviation of the fused image; the sources do not enter.

    .. math::
        \mathrm{SD} = \sqrt{\frac{1}{HW} \sum_{ij} (F_{ij} - \bar F)^2}

    It measures contrast, wherever it comes from: noise raises it as well as tissue.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, 0 (constant image) to 127.5 grey levels; more is better.
    """
    return fused.flatten(1).std(dim=1, correction=0)


class FusionSD(FusionMetric):
    """Standard deviation in grey levels, 0 to 127.5, more is better; see `compute_sd` and `FusionMetric`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_sd(fused, source_a, source_b)
