"""How much of a lesion's contrast a fusion keeps, measured with spots of known truth; and what it saturates.

It speaks of small spots of one contrast, one at a time, with Gaussian flanks, in the grey fused image: not of colour,
of anatomy, of how often a reader would find them, nor of what is outside the head. Another seed moves what a formula
keeps by some 0.03 and what it loses by some points on 42 pairs: compare methods on the same seeds, and on several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from monai_fusion.errors import InputError

__all__ = ["LOST_BELOW", "Conspicuity", "SourceLesions", "aggregate", "measure_conspicuity"]

#: A lesion that keeps less than this share of its contrast-to-noise counts as lost.
LOST_BELOW = 0.25

_HEAD_MRI, _HEAD_FUNCTIONAL = 0.1, 0.2
_SPOTS, _RADII, _CONTRAST, _REACH = 6, (2.0, 5.0), 0.35, 2.5
_RING, _RING_PIXELS = (2.0, 4.0), 40
_SOURCE_CHANGE, _NOISE_FLOOR = 0.02, 0.02
_SATURATED, _BRIGHT_SOURCE = 0.985, 0.95

Fuse = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class SourceLesions:
    """The lesions put into one of the two sources, in the order in which they were drawn.

    Attributes:
        radii: the standard deviation of each Gaussian spot, in pixels, 2 to 5.
        values: for each what the fused image keeps of its contrast-to-noise in the source, 0 or more. 1 is all of it;
            more is possible, where the fusion raises the contrast or calms the surroundings.
    """

    radii: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def kept(self) -> float:
        """Plain mean of `values`, without a cap; NaN where there is none."""
        return float(np.mean(self.values)) if self.values else float("nan")

    @property
    def lost(self) -> float:
        """Share of lesions below `LOST_BELOW`, 0 to 1; NaN where there is none."""
        return float(np.mean(np.less(self.values, LOST_BELOW))) if self.values else float("nan")


@dataclass(frozen=True)
class Conspicuity:
    """What a fusion did to one pair.

    Attributes:
        mri: the lesions that were put into the MRI alone.
        functional: those that were put into the functional image alone.
        head_pixels: size of the head, in pixels.
        saturated_pixels: how many of them are white in the fused image where neither source is.
    """

    mri: SourceLesions
    functional: SourceLesions
    head_pixels: int
    saturated_pixels: int

    @property
    def saturated(self) -> float:
        """Share of the head, 0 to 1; NaN without a head."""
        return self.saturated_pixels / self.head_pixels if self.head_pixels else float("nan")


@dataclass(frozen=True)
class _Spot:
    """A spot and its window, the part of the image ``(h, w)`` that its core and ring lie in."""

    radius: float
    sign: int
    window: tuple[slice, slice]
    distance: torch.Tensor
    ring: torch.Tensor

    def put_into(self, image: torch.Tensor) -> torch.Tensor:
        """The window of an image ``(H, W)`` float64 in [0, 1] with the spot."""
        part = image[self.window]
        factor = 1 + self.sign * _CONTRAST * torch.exp(-(self.distance**2) / (2 * self.radius**2))
        return torch.where(self.distance < _REACH * self.radius, (part * factor).clamp(0, 1), part)

    def core_change(self, image: torch.Tensor, spotted: torch.Tensor) -> float:
        """Of the mean between an image ``(H, W)`` and the window with the spot."""
        core = self.distance < self.radius
        return abs(float(spotted[core].mean() - image[self.window][core].mean()))

    def noise(self, image: torch.Tensor) -> float:
        return float(image[self.window][self.ring].std(correction=0)) + _NOISE_FLOOR


def _draw_spots(head: torch.Tensor, seed: int | Sequence[int]) -> list[_Spot]:
    """Spots whose ring has enough of the head; which they are does not depend on the fusion."""
    centers = torch.nonzero(head).tolist()
    if not centers:
        return []
    rng = np.random.default_rng(seed)
    spots = []
    for i in range(_SPOTS):
        row, column = centers[int(rng.integers(len(centers)))]
        radius = float(rng.uniform(*_RADII))
        reach = math.ceil(_RING[1] * radius)
        rows, columns = (
            slice(max(0, c - reach), min(size, c + reach + 1)) for c, size in zip((row, column), head.shape)
        )
        y = torch.arange(rows.start, rows.stop, dtype=torch.float64)[:, None] - row
        x = torch.arange(columns.start, columns.stop, dtype=torch.float64) - column
        distance = torch.hypot(y, x)
        ring = (distance > _RING[0] * radius) & (distance < _RING[1] * radius) & head[rows, columns]
        if ring.sum() >= _RING_PIXELS:
            spots.append(_Spot(radius, -1 if i % 2 else 1, (rows, columns), distance, ring))
    return spots


def _check(image: torch.Tensor, shape: torch.Size, what: str) -> None:
    if image.shape != shape:
        raise InputError(f"{what} is {tuple(image.shape)}, not {tuple(shape)}")
    if not image.isfinite().all():
        raise InputError(f"{what} is not finite everywhere")


def measure_conspicuity(
    fuse: Fuse, mri: torch.Tensor, functional: torch.Tensor, seed: int | Sequence[int]
) -> Conspicuity:
    """Puts spots into one source at a time, fuses, and measures what is left of them; counts what is saturated.

    The head is where the functional image is above 0.2 and the MRI above 0.1. Six spots a pair, the same in both
    sources, each alone in the image: centre random in the head, radius r uniform in 2 to 5 pixels, the source times
    1 ± 0.35 exp(-d²/2r²) for d < 2.5 r, brighter and darker in turn, clipped. The core is d < r, the ring
    2r < d < 4r within the head. Kept is the change of the fused core's mean over (SD of the fused ring + 0.02), divided
    by the same for the source; the ring is that of the images without the spot. Saturated are the head's pixels above
    0.985 in the fused image where neither source is above 0.95.

    Left out are spots whose ring has fewer than 40 pixels, and spots that change the core of their source by less than
    0.02 (dark places); so the two sources may have different numbers of lesions, and fewer than six.

    Args:
        fuse: takes the MRI and the functional image, each ``(N, 1, H, W)`` in [0, 1], and returns the fused images of
            that shape, clipped here to [0, 1] (protocol "product", without its rounding). Called once, with N of 1 to
            13 variants of the pair; what it does to one must not depend on the others.
        mri: ``(1, 1, H, W)``, [0, 1].
        functional: the same shape, device and precision.
        seed: of the spots. Give each pair of a data set its own, and each method the same.

    Raises:
        InputError: not one pair of one shape in [0, 1], or a fused image of another shape or not finite.
    """
    if mri.ndim != 4 or mri.shape[:2] != (1, 1):
        raise InputError(f"the MRI is {tuple(mri.shape)}, not (1, 1, H, W)")
    pair = []
    for image, what in ((mri, "the MRI"), (functional, "the functional image")):
        _check(image, mri.shape, what)
        if not image.is_floating_point() or image.min() < 0 or image.max() > 1:
            raise InputError(f"{what} is not of floating-point numbers within [0, 1]")
        pair.append(image.detach().as_subclass(torch.Tensor))
    # in the precision of the images: grey level 51 of 255 is not above 0.2, but float32's 0.2 is above float64's
    head = ((pair[0] > _HEAD_MRI) & (pair[1] > _HEAD_FUNCTIONAL))[0, 0].cpu()
    bright_source = (torch.maximum(*pair) > _BRIGHT_SOURCE)[0, 0].cpu()
    sources = [image[0, 0].cpu().double() for image in pair]

    lesions: list[tuple[int, _Spot, torch.Tensor, float]] = []
    for spot in _draw_spots(head, seed):
        for which, source in enumerate(sources):
            spotted = spot.put_into(source)
            change = spot.core_change(source, spotted)
            if change >= _SOURCE_CHANGE:
                lesions.append((which, spot, spotted, change / spot.noise(source)))
    batches = [image.repeat(1 + len(lesions), 1, 1, 1) for image in pair]
    for i, (which, spot, spotted, _) in enumerate(lesions, start=1):
        batches[which][i, 0][spot.window] = spotted.to(mri.device, mri.dtype)
    with torch.no_grad():
        fused = fuse(*batches)
    _check(fused, batches[0].shape, "the fused image")
    variants = fused.detach().as_subclass(torch.Tensor)[:, 0].clamp(0, 1).cpu()
    plain = variants[0].double()

    radii: tuple[list[float], list[float]] = ([], [])
    values: tuple[list[float], list[float]] = ([], [])
    for (which, spot, _, in_source), image in zip(lesions, variants[1:]):
        in_fused = spot.core_change(plain, image[spot.window].double()) / spot.noise(plain)
        radii[which].append(spot.radius)
        values[which].append(in_fused / in_source)
    saturated = head & (variants[0] > _SATURATED) & ~bright_source
    in_mri, in_functional = (SourceLesions(tuple(r), tuple(v)) for r, v in zip(radii, values))
    return Conspicuity(in_mri, in_functional, int(head.sum()), int(saturated.sum()))


def aggregate(results: Sequence[Conspicuity]) -> dict[str, float]:
    """A data set's row: every lesion weighs the same, and every pair's saturated share.

    Pairs without a head or without lesions add nothing to what they lack.

    Returns:
        ``kept_mri``, ``kept_functional`` (1 is all of the contrast), ``lost_mri``, ``lost_functional`` (0 to 1),
        ``saturated`` (0 to 1). NaN where no pair has any.
    """
    sides = {"mri": [r.mri for r in results], "functional": [r.functional for r in results]}
    pooled = {
        name: SourceLesions(sum((s.radii for s in side), ()), sum((s.values for s in side), ()))
        for name, side in sides.items()
    }
    shares = [r.saturated for r in results if r.head_pixels]
    return {
        "kept_mri": pooled["mri"].kept,
        "kept_functional": pooled["functional"].kept,
        "lost_mri": pooled["mri"].lost,
        "lost_functional": pooled["functional"].lost,
        "saturated": float(np.mean(shares)) if shares else float("nan"),
    }
