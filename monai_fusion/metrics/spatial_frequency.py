"""SF: how much the fused image changes from pixel to pixel."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric

__all__ = ["FusionSpatialFrequency", "compute_spatial_frequency"]


@fusion_metric(min_size=2)
def compute_spatial_frequency(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The root of the mean squared differences of neighbours in the fused image; the sources do not enter.

    .. math::
        \mathrm{SF} = \sqrt{\mathrm{mean} (F_{i,j} - F_{i,j-1})^2 + \mathrm{mean} (F_{i,j} - F_{i-1,j})^2}

    A. M. Eskicioglu and P. S. Fisher, "Image quality measures and their performance", IEEE Transactions on
    Communications 43(12), 1995. Each mean is over the differences there are.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255, at least 2 by 2.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, 0 (constant image) to 361 grey levels (a chess board); more counts as better, and noise raises it.
    """
    across, down = (fused.diff(dim=dim).square().mean(dim=(1, 2, 3)) for dim in (-1, -2))
    return (across + down).sqrt()


class FusionSpatialFrequency(FusionMetric):
    """Spatial frequency in grey levels, 0 to 361, more counts as better; see `compute_spatial_frequency`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_spatial_frequency(fused, source_a, source_b)
