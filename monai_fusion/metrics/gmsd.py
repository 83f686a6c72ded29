"""GMSD: the gradient magnitude similarity deviation of the fused image from its sources."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from monai_fusion.metrics.base import FusionMetric, fusion_metric
from monai_fusion.metrics.windows import filter_separably

__all__ = ["FusionGMSD", "compute_gmsd"]

_C = 170.0


def _gradient(image: torch.Tensor) -> torch.Tensor:
    """Strength of Prewitt's gradient of the image at half its size; outside of the image is black."""
    height, width = image.shape[-2:]
    halved = F.avg_pool2d(F.pad(image, [0, width % 2, 0, height % 2]), kernel_size=2)
    padded = F.pad(halved, [1, 1, 1, 1])
    third = (1 / 3, 1 / 3, 1 / 3)
    x = filter_separably(padded, third, (1, 0, -1))
    y = filter_separably(padded, (1, 0, -1), third)
    return (x * x + y * y).sqrt()


@fusion_metric()
def compute_gmsd(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The gradient magnitude similarity deviation from either source, summed.

    Of the images averaged over 2 by 2 pixels and thinned out to half their size, with the strength m of Prewitt's
    gradient:

    .. math::
        \mathrm{GMSD}(F, S) = \mathrm{std} \frac{2 m_F m_S + c}{m_F^2 + m_S^2 + c},\quad c = 170,\quad
        \mathrm{GMSD} = \mathrm{GMSD}(F, A) + \mathrm{GMSD}(F, B)

    W. Xue et al., "Gradient magnitude similarity deviation: a highly efficient perceptual image quality index", IEEE
    Transactions on Image Processing 23(2), 2014. The standard deviation is that of the paper (over N, not N - 1).

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, 0 (a copy of both sources) to 1, no unit; **less is better**. Constant images are no special case.
    """
    strength = _gradient(fused)
    total = fused.new_zeros(fused.shape[0])
    for source in (source_a, source_b):
        expected = _gradient(source)
        similarity = (2 * strength * expected + _C) / (strength * strength + expected * expected + _C)
        total = total + similarity.flatten(1).std(dim=1, correction=0)
    return total


class FusionGMSD(FusionMetric):
    """Gradient magnitude similarity deviation summed over the sources, 0 to 1; see `compute_gmsd` and `FusionMetric`.

    **Less is better**: as key metric it needs ``metric_cmp_fn: "$lambda new, best: new < best"`` in the evaluator and
    ``key_metric_negative_sign: true`` in the `CheckpointSaver`.
    """

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_gmsd(fused, source_a, source_b)
