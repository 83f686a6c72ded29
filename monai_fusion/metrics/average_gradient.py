"""AG: the mean gradient of the fused image."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric

__all__ = ["FusionAverageGradient", "compute_average_gradient"]


@fusion_metric(min_size=2)
def compute_average_gradient(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The mean strength of the fused image's gradient; the sources do not enter.

    .. math::
        \mathrm{AG} = \mathrm{mean} \sqrt{\frac{(\partial_x F)^2 + (\partial_y F)^2}{2}}

    with central differences, one-sided ones at the border. G. Cui et al., "Detail preserved fusion of visible and
    infrared images using regional saliency extraction and multi-scale image decomposition", Optics Communications 341,
    2015.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255, at least 2 by 2.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, 0 (constant image) to 255 grey levels a pixel; more counts as better, and noise raises it.
    """
    down, across = torch.gradient(fused, dim=(-2, -1))
    return ((down * down + across * across) / 2).sqrt().mean(dim=(1, 2, 3))


class FusionAverageGradient(FusionMetric):
    """Average gradient in grey levels a pixel, 0 to 255, more counts as better; see `compute_average_gradient`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_average_gradient(fused, source_a, source_b)
