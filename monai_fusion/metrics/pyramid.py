"""Fusion by Laplacian pyramids."""

from __future__ import annotations

import torch
from torch.nn import functional as F

__all__ = ["fuse_laplacian"]

_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_LEVELS = 4
_MIN_SIZE = 8  # rows and columns of the coarsest level


def fuse_laplacian(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Fuses two images scale by scale: of every detail the stronger, of the coarsest level the mean.

    P. J. Burt and E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on Communications
    31(4), 1983: five binomial taps, four levels of detail, or as many as leave eight rows and columns. Whatever the
    size, a pyramid gives its image back, so two equal sources come out as they went in. Of equally strong details the
    first source's is taken.

    Args:
        a: ``(N, 1, H, W)``, values in [0, 1].
        b: the same shape.

    Returns:
        The same shape, clipped to [0, 1]: details of two images added to a mean may leave it.
    """
    details: list[torch.Tensor] = []
    while len(details) < _LEVELS and min(a.shape[-2:]) >= 2 * _MIN_SIZE:
        small_a, small_b = _reduce(a), _reduce(b)
        detail_a, detail_b = a - _expand(small_a, a.shape[-2:]), b - _expand(small_b, b.shape[-2:])
        details.append(torch.where(detail_a.abs() >= detail_b.abs(), detail_a, detail_b))
        a, b = small_a, small_b
    fused = (a + b) / 2
    for detail in reversed(details):
        fused = detail + _expand(fused, detail.shape[-2:])
    return fused.clamp(0, 1)


def _smooth(image: torch.Tensor) -> torch.Tensor:
    # shifted and added up: torch's convolution of a single channel takes seven times as long
    image = F.pad(image, (2, 2, 2, 2), mode="reflect")
    for dim in (-2, -1):
        length = image.shape[dim] - len(_TAPS) + 1
        first, *others = (image.narrow(dim, i, length) * tap for i, tap in enumerate(_TAPS))
        image = sum(others, first)
    return image


def _reduce(image: torch.Tensor) -> torch.Tensor:
    """Every other pixel of the smoothed image, the first among them: ``(N, 1, ceil(H / 2), ceil(W / 2))``."""
    return _smooth(image)[..., ::2, ::2]


def _expand(image: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """The image of which `_reduce` took every other pixel, the missing ones interpolated.

    Zeros between the pixels stay between them under reflection at either end, so a constant stays constant.
    """
    spread = image.new_zeros((*image.shape[:-2], *size))
    spread[..., ::2, ::2] = image
    return 4 * _smooth(spread)
