"""Makes infrared/visible crops resemble what a medical fusion network meets: a head on black, one source smooth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

__all__ = ["VaryPairs"]


@dataclass(frozen=True)
class _Look:
    """How two pictures become channels 0 and 1: ranges of the draws.

    Attributes:
        sharp: darkest and brightest grey level and gamma of channel 0.
        smooth: the same for channel 1.
        blur: standard deviation of the Gaussian for channel 1, in pixels.
        folded: share of the crops whose channel 1 is folded.
    """

    sharp: tuple[tuple[float, float], ...]
    smooth: tuple[tuple[float, float], ...]
    blur: tuple[float, float]
    folded: float


#: Either channel may be the brighter one.
_EVEN = _Look(((-0.3, 0.3), (0.5, 1.1), (0.7, 1.5)), ((-0.3, 0.4), (0.5, 1.2), (0.5, 1.0)), (0.8, 2.8), 0.5)
#: Channel 1 is the brighter and the richer one.
_BRIGHT = _Look(((-0.2, 0.2), (0.3, 0.8), (0.7, 1.5)), ((-0.2, 0.4), (0.8, 1.2), (0.5, 0.9)), (0.5, 1.5), 0.8)
#: Both are bright, and channel 1 is smooth.
_BOTH_BRIGHT = _Look(((0.2, 0.5), (0.9, 1.05), (0.4, 0.8)), ((0.0, 0.3), (0.75, 1.0), (0.5, 1.0)), (1.5, 2.8), 0.0)


@dataclass(frozen=True)
class VaryPairs:
    """Varies a pair of crops at random; a ``vary`` for `monai_fusion.data.patches.PatchPairs.random_crops`.

    No medical image enters. What is imitated: channel 0 is sharp and noisy (MRI), channel 1 smooth (PET, SPECT), both
    use their range of grey levels, lie on black, and the functional image is dark outside of the brain while the MRI
    shows the scalp. Pseudo-colour makes the luma of the functional image fall again above some uptake: bright rims
    around what is darker.

    In this order: which of the two pictures becomes channel 0 is drawn; either is stretched from its 2nd and 98th
    percentile to a random range, bent by a gamma; channel 0 gets noise; channel 1 is smoothed, and folded in part of
    the crops; but for a part of the crops, both are black outside of ellipses.

    How bright, smooth and noisy the channels are was set by eye after a look at pictures and grey-level quantiles of
    the MRI-PET and MRI-SPECT test sets and of the MNI152 head in `benchmarks/conspicuity.py`; the bright looks so that
    the formulas `maximum`, `mean`, `screen` and `tanh_sum` keep of lesions in such crops about what they keep on
    MRI-PET and on that head (docs/training.md). So those sets are not wholly unseen.

    Args:
        noise: greatest standard deviation of the noise in channel 0, of 1.
        surround: share of the crops with a black surround.
        bright: share of the crops whose channel 1 is bright and rich in detail, as a PET in pseudo-colour.
        both_bright: share of the crops in which both are bright and channel 1 is smooth, as a T1 and an FDG-PET in
            grey. In those that are left either channel may be the brighter one, and channel 1 is smooth, as a SPECT.
    """

    noise: float = 0.04
    surround: float = 0.9
    bright: float = 0.0
    both_bright: float = 0.0

    def __call__(self, pair: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """
        Args:
            pair: ``(2, H, W)``, float32 in [0, 1].
            generator: of all draws.

        Returns:
            The same shape and range.
        """

        def uniform(low: float, high: float) -> float:
            return low + (high - low) * float(torch.rand((), generator=generator))

        drawn = uniform(0, 1) if self.bright or self.both_bright else 1.0
        look = _BRIGHT if drawn < self.bright else _BOTH_BRIGHT if drawn < self.bright + self.both_bright else _EVEN
        sharp, smooth = pair if uniform(0, 1) < 0.5 else pair.flip(0)
        smooth = _blur(smooth, uniform(*look.blur))
        sharp = _stretch(sharp, *(uniform(*limits) for limits in look.sharp))
        smooth = _stretch(smooth, *(uniform(*limits) for limits in look.smooth))
        sharp = sharp + uniform(0, self.noise) * torch.randn(sharp.shape, generator=generator)
        fold = uniform(0.55, 0.95) if uniform(0, 1) < look.folded else 1.0
        smooth = torch.minimum(smooth, 2 * fold - smooth)
        varied = torch.stack([sharp, smooth])
        if uniform(0, 1) < self.surround:
            outer, angle = uniform(0.65, 1.0), uniform(0, math.pi)
            inner, ratio = outer * uniform(0.7, 1.0), uniform(0.7, 1.0)
            distance = _elliptic_distance(sharp.shape, angle, ratio)
            varied = varied * torch.stack([distance < outer, ((inner - distance) * 10 + 0.5).clamp(0, 1)])
        return varied.clamp(0, 1)


def _stretch(image: torch.Tensor, low: float, high: float, gamma: float) -> torch.Tensor:
    """From the 2nd and 98th percentile to a range; clipped to [0, 1.2], a flat image becomes its lower end."""
    dark, bright = torch.quantile(image, torch.tensor([0.02, 0.98]))
    unit = ((image - dark) / (bright - dark).clamp_min(1e-3)).clamp(0, 1.2) ** gamma
    return (low + (high - low) * unit).clamp(0, 1.2)


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian of a standard deviation in pixels, beyond the border mirrored."""
    reach = math.ceil(3 * sigma)
    taps = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float32) ** 2) / (2 * sigma**2))
    taps = taps / taps.sum()
    padded = F.pad(image[None, None], [reach] * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, taps[None, None, :, None]), taps[None, None, None, :])[0, 0]


def _elliptic_distance(shape: torch.Size, angle: float, ratio: float) -> torch.Tensor:
    """From the middle; 1 at the nearer borders along the ellipse's long axis."""
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in shape), indexing="ij")
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return torch.hypot(along, across / ratio)
