"""CC: the correlation of the fused image with its sources."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric, is_constant

__all__ = ["FusionCC", "compute_cc", "pearson"]


def pearson(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Pearson's correlation of each image ``(N, 1, H, W)`` with its partner: ``(N,)``, 0 where either is constant."""
    dx, dy = (image.flatten(1) - image.flatten(1).mean(dim=1, keepdim=True) for image in (x, y))
    norm = (dx.square().sum(dim=1) * dy.square().sum(dim=1)).sqrt()
    undefined = is_constant(x) | is_constant(y)
    value = (dx * dy).sum(dim=1) / torch.where(undefined, 1, norm)
    return torch.where(undefined, 0, value.clamp(-1, 1))


@fusion_metric()
def compute_cc(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The mean of Pearson's correlations of the fused image with either source.

    .. math::
        \mathrm{CC} = \frac{r(F, A) + r(F, B)}{2}

    M. Deshmukh and U. Bhosale, "Image fusion and image quality assessment of fused images", International Journal of
    Image Processing 4(5), 2010.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, -1 to 1, no unit; more is better. The correlation with a constant image counts as 0.
    """
    return (pearson(fused, source_a) + pearson(fused, source_b)) / 2


class FusionCC(FusionMetric):
    """Mean correlation with the sources, -1 to 1, more is better; see `compute_cc` and `FusionMetric`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_cc(fused, source_a, source_b)
