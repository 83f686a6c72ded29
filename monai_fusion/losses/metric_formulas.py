"""The six metrics of the published tables as a loss needs them: in float32, in batches, with finite gradients.

`monai_fusion.metrics` computes them in float64, one image after the other, and some of its gradients are not finite
where an image is flat. Here the windows are products with band matrices, which is several times faster for crops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch.nn import functional as F

from monai_fusion.metrics.windows import gaussian_window

__all__ = ["METRIC_FORMULAS", "cc", "qabf", "scd", "sd", "ssim", "vif"]

_TINY = 1e-6
_VIF_SCALES, _VIF_NOISE = 4, 2.0
_SSIM_SIZE, _SSIM_C1, _SSIM_C2 = 7, (0.01 * 255) ** 2, (0.03 * 255) ** 2


@lru_cache(maxsize=64)
def _band(length: int, taps: tuple[float, ...], step: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """The matrix that filters `length` values where the taps fit entirely and keeps every `step`-th result."""
    matrix = torch.zeros(length, length - len(taps) + 1, dtype=dtype)
    for offset, tap in enumerate(taps):
        matrix.diagonal(-offset).fill_(tap)
    return matrix[:, ::step].contiguous().to(device)


def _filter(image: torch.Tensor, taps: Sequence[float], step: int = 1) -> torch.Tensor:
    height, width = image.shape[-2:]
    down = _band(height, tuple(taps), step, image.device, image.dtype)
    across = _band(width, tuple(taps), step, image.device, image.dtype)
    return down.T @ (image @ across)


def _covariances(
    fused: torch.Tensor, sources: torch.Tensor, taps: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Local means of both, variances of both, covariance."""
    maps = torch.cat([fused, sources, fused * fused, sources * sources, fused * sources], dim=1)
    mean_f, mean_s, square_f, square_s, product = _filter(maps, taps).split([1, 2, 1, 2, 2], dim=1)
    variance_f = (square_f - mean_f * mean_f).clamp_min(0)
    variance_s = (square_s - mean_s * mean_s).clamp_min(0)
    return mean_f, mean_s, variance_f, variance_s, product - mean_f * mean_s


def sd(fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Standard deviation, see `compute_sd`; a constant image gives 0.001 and no gradient."""
    return (fused.flatten(1).var(dim=1, correction=0) + _TINY).sqrt()


def _pearson(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of ``(N, C, H, W)`` images with their partners, summed over the channels; about 0 where one is constant."""
    dx, dy = (image.flatten(2) - image.flatten(2).mean(dim=2, keepdim=True) for image in (x, y))
    norm = ((dx * dx).mean(dim=2) * (dy * dy).mean(dim=2) + _TINY).sqrt()
    return ((dx * dy).mean(dim=2) / norm).sum(dim=1)


def scd(fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Sum of the correlations of differences, see `compute_scd`."""
    return _pearson(fused - sources.flip(1), sources)


def cc(fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Mean correlation with the sources, see `compute_cc`."""
    return _pearson(fused.expand_as(sources), sources) / 2


def ssim(fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Structural similarity summed over the sources, L = 255, see `compute_ssim`."""
    mean_f, mean_s, variance_f, variance_s, covariance = _covariances(fused, sources, [1 / _SSIM_SIZE] * _SSIM_SIZE)
    unbiased = _SSIM_SIZE**2 / (_SSIM_SIZE**2 - 1)
    luminance = (2 * mean_f * mean_s + _SSIM_C1) / (mean_f * mean_f + mean_s * mean_s + _SSIM_C1)
    structure = (2 * unbiased * covariance + _SSIM_C2) / (unbiased * (variance_f + variance_s) + _SSIM_C2)
    return (luminance * structure).mean(dim=(2, 3)).sum(dim=1)


def vif(fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Visual information fidelity summed over the sources, see `compute_vif`; a constant source counts as 1."""
    kept = present = torch.zeros_like(sources[:, :, 0, 0])
    for scale in range(_VIF_SCALES):
        size = 2 ** (_VIF_SCALES - scale) + 1
        window = gaussian_window(size, size / 5)
        if scale > 0:
            fused, sources = _filter(fused, window, step=2), _filter(sources, window, step=2)
        _, _, variance_f, variance_s, covariance = _covariances(fused, sources, window)
        gain = (covariance / (variance_s + 1e-2)).clamp_min(0)
        noise = (variance_f - gain * covariance).clamp_min(0)
        kept = kept + (gain * gain * variance_s / (noise + _VIF_NOISE)).log1p().sum(dim=(2, 3))
        present = present + (variance_s / _VIF_NOISE).log1p().sum(dim=(2, 3))
    empty = present < _TINY
    return torch.where(empty, 1, kept / torch.where(empty, 1, present)).sum(dim=1)


def _sobel_edges(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Strength and orientation of the edges; outside of the image is black. Flat places have a gradient of 0."""
    padded = F.pad(image, [1, 1, 1, 1])
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    x = rows[..., 2:] - rows[..., :-2]
    y = columns[..., :-2, :] - columns[..., 2:, :]
    strength = (x * x + y * y + _TINY).sqrt()
    upright = x.abs() < 1e-3
    orientation = torch.where(upright, math.pi / 2, torch.atan(y / torch.where(upright, 1, x)))
    return strength, orientation


def qabf(fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Share of the sources' edges that is kept, see `compute_qabf`; two black sources give 0."""
    strength_f, orientation_f = _sobel_edges(fused)
    strength, orientation = _sobel_edges(sources)
    ratio = torch.minimum(strength, strength_f) / torch.maximum(strength, strength_f)
    alike = 1 - (orientation - orientation_f).abs() / (math.pi / 2)
    kept = 0.9994 * 0.9879 * torch.sigmoid(15 * (ratio - 0.5)) * torch.sigmoid(22 * (alike - 0.8))
    weight = strength - math.sqrt(_TINY)
    present = weight.sum(dim=(1, 2, 3))
    return (kept * weight).sum(dim=(1, 2, 3)) / present.clamp_min(1)


#: Each takes a fused image ``(N, 1, H, W)`` and its sources ``(N, 2, H, W)``, float32 grey levels of 0 to 255, at least
#: 41 by 41, and returns ``(N,)``. More is better in all.
METRIC_FORMULAS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "SD": sd,
    "SCD": scd,
    "VIF": vif,
    "Qabf": qabf,
    "SSIM": ssim,
    "CC": cc,
}
