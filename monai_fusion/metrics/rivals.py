"""Fusion that needs no training: rivals that cost nothing, to stand in every table."""

from __future__ import annotations

from collections.abc import Callable

import torch

from monai_fusion.metrics.pyramid import fuse_laplacian
from monai_fusion.metrics.wavelet import fuse_wavelet

__all__ = ["RIVALS"]


def _mean(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a + b) / 2


def _screen(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a + b - a * b


def _tanh_sum(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.tanh(a + b)


#: Each takes two sources ``(N, 1, H, W)`` with values in [0, 1] and returns the fused images of that shape in [0, 1].
#: The first four are formulas, pixel by pixel; the last needs PyWavelets (extra ``evaluate``).
RIVALS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "maximum": torch.maximum,
    "mean": _mean,
    "screen": _screen,
    "tanh_sum": _tanh_sum,
    "laplacian": fuse_laplacian,
    "wavelet": fuse_wavelet,
}
