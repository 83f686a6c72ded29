"""MI: the information that the fused image shares with its sources."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric
from monai_fusion.metrics.histogram import entropy, joint_histogram, levels

__all__ = ["FusionMutualInformation", "compute_mutual_information"]


def _mutual_information(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    joint = joint_histogram(a, b)
    return entropy(joint.sum(dim=0)) + entropy(joint.sum(dim=1)) - entropy(joint)


@fusion_metric()
def compute_mutual_information(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The mutual information of the fused image's grey levels with those of either source, summed.

    .. math::
        \mathrm{MI} = I(F; A) + I(F; B),\quad I(F; S) = \sum_{kl} p_{kl} \log_2 \frac{p_{kl}}{p_k p_l}

    with the joint share :math:`p_{kl}` of the pixels whose rounded grey levels are k and l. G. Qu, D. Zhang and P. Yan,
    "Information measure for performance of image fusion", Electronics Letters 38(7), 2002. Programs that take the
    natural logarithm give ln 2 = 0.693 times as much.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, 0 (constant image) to 16 bits; more is better.
    """
    of = [
        [_mutual_information(image, source) for image, source in zip(levels(fused), levels(sources))]
        for sources in (source_a, source_b)
    ]
    return sum((torch.stack(values) for values in of), fused.new_zeros(fused.shape[0])).clamp_min(0)


class FusionMutualInformation(FusionMetric):
    """Mutual information with the sources in bits, 0 to 16, more is better; see `compute_mutual_information`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_mutual_information(fused, source_a, source_b)
