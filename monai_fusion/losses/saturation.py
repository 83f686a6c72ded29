"""The saturation and the black term: white only where a source is white, black where both are black."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["BlackLoss", "SaturationLoss"]


class SaturationLoss(nn.Module):
    """Punishes fused values near white where neither source is white.

    The mean of max(0, f - limit) over the pixels in which neither source is above 0.95.

    Args:
        limit: from where it punishes; below 0.985, from where `monai_fusion.metrics.measure_conspicuity` counts.
    """

    def __init__(self, limit: float = 0.93) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
        """
        Args:
            fused: ``(N, 1, H, W)``, before it is clipped to [0, 1]; else what is beyond 1 has no gradient.
            sources: ``(N, 2, H, W)`` in [0, 1].

        Returns:
            A scalar, 0 or more; 0 where every pixel has a white source.
        """
        allowed = sources.amax(dim=1, keepdim=True) <= 0.95
        return ((fused - self.limit).clamp_min(0) * allowed).sum() / allowed.sum().clamp_min(1)


class BlackLoss(nn.Module):
    """Asks a network to answer black with black: the mean of abs(f) over a fused image of two black sources."""

    def forward(self, fused: torch.Tensor) -> torch.Tensor:
        """
        Args:
            fused: ``(N, 1, H, W)``, of black sources, before it is clipped.
        """
        return fused.abs().mean()
