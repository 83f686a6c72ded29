"""Sliding windows: separable filters, and means, variances and covariances under them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

__all__ = ["Moments", "filter_separably", "gaussian_window", "local_moments"]


def gaussian_window(size: int, sigma: float) -> list[float]:
    """A Gaussian of `size` taps (odd) that sum to 1."""
    taps = [math.exp(-((i - size // 2) ** 2) / (2 * sigma**2)) for i in range(size)]
    return [tap / sum(taps) for tap in taps]


def filter_separably(image: torch.Tensor, down: Sequence[float], across: Sequence[float]) -> torch.Tensor:
    """Correlates with a separable kernel where it fits into the image entirely.

    A sum of shifted images: many times faster on a CPU than torch's convolution, which has no fast path for a single
    channel of float64.

    Args:
        image: ``(..., H, W)``.
        down: taps along the rows' index, h of them.
        across: taps along the columns' index, w of them.

    Returns:
        ``(..., H - h + 1, W - w + 1)``.
    """
    for dim, taps in ((-1, across), (-2, down)):
        size = image.shape[dim] - len(taps) + 1
        total = image.narrow(dim, 0, size) * taps[0]
        for start, tap in enumerate(taps[1:], start=1):
            if tap != 0:
                total.add_(image.narrow(dim, start, size), alpha=tap)
        image = total
    return image


class Moments(NamedTuple):
    """Local statistics of the fused image ``(N, 1, h, w)`` and its sources ``(N, 2, h, w)``, biased as they stand."""

    mean_fused: torch.Tensor
    mean_sources: torch.Tensor
    variance_fused: torch.Tensor
    variance_sources: torch.Tensor
    covariance: torch.Tensor


def local_moments(fused: torch.Tensor, sources: torch.Tensor, window: Sequence[float]) -> Moments:
    """Means, variances and covariances under a separable window of weights, where it fits entirely.

    Args:
        fused: ``(N, 1, H, W)``, float64.
        sources: ``(N, 2, H, W)``, float64.
        window: taps along both axes; they sum to 1.
    """
    maps = torch.cat([fused, sources, fused * fused, sources * sources, fused * sources], dim=1)
    mean_f, mean_s, square_f, square_s, product = filter_separably(maps, window, window).split([1, 2, 1, 2, 2], dim=1)
    return Moments(
        mean_f,
        mean_s,
        (square_f - mean_f * mean_f).clamp_min(0),
        (square_s - mean_s * mean_s).clamp_min(0),
        product - mean_f * mean_s,
    )
