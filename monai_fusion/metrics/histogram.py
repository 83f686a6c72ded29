"""Histograms of 8-bit images and the entropy of their shares."""

from __future__ import annotations

import torch

__all__ = ["LEVELS", "entropy", "joint_histogram", "levels"]

#: Grey levels of an 8-bit image.
LEVELS = 256


def levels(image: torch.Tensor) -> torch.Tensor:
    """The nearest of the grey levels 0 to 255 of each pixel: ``(N, 1, H, W)`` gives ``(N, H W)``, whole numbers."""
    return image.nan_to_num(0).clamp(0, LEVELS - 1).round().long().flatten(1)


def joint_histogram(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The share of the pixels that have each pair of grey levels: two ``(K,)`` give ``(256, 256)``, float64."""
    counts = torch.bincount(a * LEVELS + b, minlength=LEVELS * LEVELS)
    return counts.view(LEVELS, LEVELS).double() / a.numel()


def entropy(shares: torch.Tensor) -> torch.Tensor:
    """Shannon's entropy in bits of shares that sum to 1; ``0 log 0 = 0``."""
    return -torch.xlogy(shares, shares).sum() / torch.log(shares.new_tensor(2.0))
