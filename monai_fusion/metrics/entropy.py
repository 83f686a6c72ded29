"""EN: the entropy of the fused image."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric
from monai_fusion.metrics.histogram import LEVELS, entropy, levels

__all__ = ["FusionEntropy", "compute_entropy"]


@fusion_metric()
def compute_entropy(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""Shannon's entropy of the fused image's grey levels; the sources do not enter.

    .. math::
        \mathrm{EN} = -\sum_{k=0}^{255} p_k \log_2 p_k

    with the share :math:`p_k` of the pixels whose grey level, rounded, is k. J. W. Roberts, J. van Aardt and F. Ahmed,
    "Assessment of image fusion procedures using entropy, image quality, and multispectral classification", Journal of
    Applied Remote Sensing 2, 2008.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, 0 (constant image) to 8 bits; more is better.
    """
    counts = [torch.bincount(image, minlength=LEVELS) for image in levels(fused)]
    return torch.stack([entropy(count.double() / count.sum()) for count in counts])


class FusionEntropy(FusionMetric):
    """Entropy in bits, 0 to 8, more is better; see `compute_entropy` and `FusionMetric`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_entropy(fused, source_a, source_b)
