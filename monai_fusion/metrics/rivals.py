"""Fusion by a formula, pixel by pixel: rivals that cost nothing, to stand in every table."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["RIVALS"]


def _mean(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a + b) / 2


def _screen(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a + b - a * b


def _tanh_sum(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.tanh(a + b)


#: Each takes two sources with values in [0, 1], of one shape, and returns the fused image of that shape in [0, 1].
RIVALS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "maximum": torch.maximum,
    "mean": _mean,
    "screen": _screen,
    "tanh_sum": _tanh_sum,
}
