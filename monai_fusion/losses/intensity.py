"""The intensity term: as bright as the brighter source."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["IntensityLoss"]


class IntensityLoss(nn.Module):
    r"""Mean absolute difference from the per-pixel maximum of the sources.

    .. math::
        L_{int} = \frac{1}{HW} \lVert O - \max(I_a, I_b) \rVert_1

    Deng et al., "MMDRFuse", ACM MM 2024. Mean over the batch.

    Shape:
        Three times ``(N, 1, H, W)`` in [0, 1]; output: a scalar.
    """

    def forward(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return (fused - torch.maximum(source_a, source_b)).abs().mean()
