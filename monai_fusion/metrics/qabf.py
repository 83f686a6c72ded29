"""Q^AB/F: the edges that the fused image keeps."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from monai_fusion.metrics.base import FusionMetric, fusion_metric
from monai_fusion.metrics.windows import filter_separably

__all__ = ["FusionQabf", "compute_qabf"]


def _sobel(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Strength, and orientation in (-pi/2, pi/2], of the edges; outside of the image is black."""
    padded = F.pad(image, [1, 1, 1, 1])
    x = filter_separably(padded, (1, 2, 1), (-1, 0, 1))
    y = filter_separably(padded, (1, 0, -1), (1, 2, 1))
    orientation = torch.where(x == 0, math.pi / 2, torch.atan(y / torch.where(x == 0, 1, x)))
    return (x * x + y * y).sqrt(), orientation


@fusion_metric(min_size=2)
def compute_qabf(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The share of the sources' edges that the fused image keeps in strength and orientation.

    With strength g and orientation :math:`\alpha` of Sobel's gradients, a pixel keeps of source S

    .. math::
        Q^{SF} = \frac{\Gamma_g}{1 + e^{\kappa_g (G - \sigma_g)}} \frac{\Gamma_\alpha}{1 + e^{\kappa_\alpha
        (\Delta - \sigma_\alpha)}},\quad G = \frac{\min(g_S, g_F)}{\max(g_S, g_F)},\quad
        \Delta = 1 - \frac{|\alpha_S - \alpha_F|}{\pi / 2},\quad
        Q^{AB/F} = \frac{\sum Q^{AF} g_A + Q^{BF} g_B}{\sum g_A + g_B}

    with :math:`\Gamma_g = .9994, \kappa_g = -15, \sigma_g = .5, \Gamma_\alpha = .9879, \kappa_\alpha = -22,
    \sigma_\alpha = .8`. C. S. Xydeas and V. Petrovic, "Objective image fusion performance measure", Electronics Letters
    36(4), 2000. Two things are as in the program behind the published tables: where :math:`g_S = g_F` the first factor
    is :math:`\Gamma_g` (this raises Q by up to 0.05 %), and orientations near :math:`\pi/2` and :math:`-\pi/2` count as
    opposite although they are alike.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255 (only ratios enter), at least 2 by 2.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, 0 to 0.9753 (a copy of both sources), no unit; more is better. Two black sources give 0.
    """
    strength_f, orientation_f = _sobel(fused)
    kept = fused.new_zeros(fused.shape[0])
    present = fused.new_zeros(fused.shape[0])
    for source in (source_a, source_b):
        strength, orientation = _sobel(source)
        largest = torch.maximum(strength, strength_f)
        ratio = torch.minimum(strength, strength_f) / torch.where(largest == 0, 1, largest)
        strength_kept = torch.where(strength == strength_f, 1, torch.sigmoid(15 * (ratio - 0.5)))
        alike = 1 - (orientation - orientation_f).abs() / (math.pi / 2)
        orientation_kept = torch.sigmoid(22 * (alike - 0.8))
        quality = 0.9994 * 0.9879 * strength_kept * orientation_kept
        kept = kept + (quality * strength).sum(dim=(1, 2, 3))
        present = present + strength.sum(dim=(1, 2, 3))
    return torch.where(present == 0, 0, kept / torch.where(present == 0, 1, present))


class FusionQabf(FusionMetric):
    """Share of the sources' edges kept, 0 to 0.9753, more is better; see `compute_qabf` and `FusionMetric`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_qabf(fused, source_a, source_b)
