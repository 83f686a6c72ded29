"""False structure: gradients in the fused image that neither source has."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from monai_fusion.metrics.base import FusionMetric, fusion_metric

__all__ = ["FusionFalseStructure", "compute_false_structure"]

#: A fused step may be this many times as high as the larger of the sources' steps: what a plain sum reaches.
_GAIN = 2
#: and this many pixels away from it, down and across: what a 3x3 kernel can do.
_REACH = 1


@fusion_metric(min_size=2)
def compute_false_structure(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The share of the fused image's gradients that neither source accounts for.

    With the steps :math:`\Delta_d` between neighbouring pixels, down and across (d), and the highest step of either
    source within one pixel,

    .. math::
        E = \frac{\sum_d \sum \max(0, |\Delta_d F| - 2 R_d)}{\sum_d \sum |\Delta_d F|},\quad
        R_d = \max_{3 \times 3} \max(|\Delta_d A|, |\Delta_d B|)

    Our own definition, argued in docs/conspicuity.md. Steps are compared along one direction at a time, so the bound is
    exact: it is 0 for the maximum, minimum and mean of the sources, for their sum clipped or not, and for the sum of
    any two 3x3 filters of them whose taps have absolute values that sum to 2 or less: a mean sharpened by unsharp
    masking of amount 0.5 is one. More gain than that costs only what goes beyond it; where the sources are flat, noise,
    halos and the steps of coarse grey levels cost all that they are.

    Args:
        fused: ``(N, 1, H, W)``, of any one scale (only ratios enter), at least 2 by 2.
        source_a: the same shape and scale.
        source_b: the same shape and scale.

    Returns:
        ``(N,)``, 0 to 1, no unit; less is better. A constant fused image gives 0, one with any structure over two
        constant sources 1.
    """
    false = fused.new_zeros(fused.shape[0])
    present = fused.new_zeros(fused.shape[0])
    for dim in (-2, -1):
        steps, steps_a, steps_b = (image.diff(dim=dim).abs() for image in (fused, source_a, source_b))
        allowed = _GAIN * F.max_pool2d(torch.maximum(steps_a, steps_b), 2 * _REACH + 1, stride=1, padding=_REACH)
        false = false + (steps - allowed).clamp_min(0).sum(dim=(1, 2, 3))
        present = present + steps.sum(dim=(1, 2, 3))
    return torch.where(present == 0, 0, false / torch.where(present == 0, 1, present))


class FusionFalseStructure(FusionMetric):
    """Share of false gradients, 0 to 1, less is better; see `compute_false_structure` and `FusionMetric`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_false_structure(fused, source_a, source_b)
