"""SCD: the sum of the correlations of differences."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric
from monai_fusion.metrics.correlation import pearson

__all__ = ["FusionSCD", "compute_scd"]


@fusion_metric()
def compute_scd(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The sum of the correlations of differences: what is left of F without one source ought to be the other.

    .. math::
        \mathrm{SCD} = r(F - B, A) + r(F - A, B)

    with Pearson's correlation r. V. Aslantas and E. Bendes, "A new image quality metric for image fusion: the sum of
    the correlations of differences", AEU - International Journal of Electronics and Communications 69(12), 2015.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, -2 to 2 (reached by F = A + B), no unit; more is better. The correlation with a constant image, or
        of a constant difference (F = B), counts as 0.
    """
    return pearson(fused - source_b, source_a) + pearson(fused - source_a, source_b)


class FusionSCD(FusionMetric):
    """Sum of the correlations of differences, -2 to 2, more is better; see `compute_scd` and `FusionMetric`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_scd(fused, source_a, source_b)
