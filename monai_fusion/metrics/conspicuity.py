"""How much of a lesion's contrast a fusion keeps, measured with spots of known truth; and what it saturates or invents.

It speaks of small spots of one contrast, one at a time, with Gaussian flanks, in the fused image and in its colour
output: not of anatomy, of how often a reader would find them, nor of what is outside the head. Another seed moves what
a formula keeps by some 0.03 and what it loses by some points on 42 pairs: compare methods on the same seeds, and on
several. docs/conspicuity.md argues the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from monai_fusion.errors import InputError
from monai_fusion.metrics.conspicuity_color import rgb_to_lab
from monai_fusion.metrics.false_structure import compute_false_structure
from monai_fusion.metrics.spots import HEAD, SOURCE_CHANGE, LesionProtocol, Spot, draw_spots

__all__ = ["LOST_BELOW", "Conspicuity", "SourceLesions", "aggregate", "measure_conspicuity"]

#: A lesion that keeps less than this share of its contrast-to-noise counts as lost.
LOST_BELOW = 0.25

_SATURATED, _BRIGHT_SOURCE = 0.985, 0.95
_LIGHTNESS = 100  # L* of white

Fuse = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Color = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class SourceLesions:
    """The lesions put into one of the two sources, in the order in which they were drawn.

    Attributes:
        radii: the standard deviation of each Gaussian spot, in pixels.
        values: for each what the fused image keeps of its contrast-to-noise in the source, 0 or more. 1 is all of it;
            more is possible, where the fusion raises the contrast or calms the surroundings.
    """

    radii: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @classmethod
    def pooled(cls, parts: Sequence[SourceLesions]) -> SourceLesions:
        """The lesions of several pairs as one."""
        return cls(tuple(r for part in parts for r in part.radii), tuple(v for part in parts for v in part.values))

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
        return self.share_below(LOST_BELOW)

    def share_below(self, threshold: float) -> float:
        return float(np.mean(np.less(self.values, threshold))) if self.values else float("nan")


@dataclass(frozen=True)
class Conspicuity:
    """What a fusion did to one pair.

    Attributes:
        mri: the lesions that were put into the MRI alone.
        functional: those that were put into the functional image alone.
        head_pixels: size of the head, in pixels.
        saturated_pixels: how many of them are white in the fused image where neither source is.
        false_structure: of the fused image without lesions, see `compute_false_structure`.
        mri_color: the lesions of `mri` in the colour output; None where there is no such output.
        functional_color: those of `functional`.
    """

    mri: SourceLesions
    functional: SourceLesions
    head_pixels: int
    saturated_pixels: int
    false_structure: float
    mri_color: SourceLesions | None = None
    functional_color: SourceLesions | None = None

    @property
    def saturated(self) -> float:
        """Share of the head, 0 to 1; NaN without a head."""
        return self.saturated_pixels / self.head_pixels if self.head_pixels else float("nan")


@dataclass(frozen=True)
class _Lesion:
    """A spot in one source (0 the MRI, 1 the functional image) and its contrast-to-noise there."""

    which: int
    spot: Spot
    spotted: torch.Tensor
    in_source: float


def measure_conspicuity(
    fuse: Fuse,
    mri: torch.Tensor,
    functional: torch.Tensor,
    seed: int | Sequence[int],
    color: Color | None = None,
    protocol: LesionProtocol | None = None,
) -> Conspicuity:
    """Puts spots into one source at a time, fuses, and measures what is left of them; counts what is saturated.

    The head is where the functional image is above 0.2 and the MRI above 0.1. Six spots a pair, the same in both
    sources, each alone in the image: centre random in the head, radius r uniform in 2 to 5 pixels, the source times
    1 ± 0.35 exp(-d²/2r²) for d < 2.5 r, brighter and darker in turn, clipped. The core is d < r, the ring
    2r < d < 4r within the head. Kept is the change of the fused core's mean over (SD of the fused ring + 0.02), divided
    by the same for the source; the ring is that of the images without the spot. Saturated are the head's pixels above
    0.985 in the fused image where neither source is above 0.95.

    In colour the change is the distance of the core's mean colours in CIELAB (CIE76), the SD the root mean square
    distance of the ring's colours from their mean, and 0.02 becomes 2 of 100, about the least difference that is seen.
    The source is the grey MRI, and the functional image coloured with itself as fused image.

    Left out are spots whose ring has fewer than 40 pixels, and spots that change the core of their source by less than
    0.02 (dark places); so the two sources may have different numbers of lesions, and fewer than six.

    Args:
        fuse: takes the MRI and the functional image, each ``(N, 1, H, W)`` in [0, 1], and returns the fused images of
            that shape, clipped here to [0, 1] (protocol "product", without its rounding). Called once, with N of 1 to
            13 variants of the pair; what it does to one must not depend on the others.
        mri: ``(1, 1, H, W)``, [0, 1].
        functional: the same shape, device and precision.
        seed: of the spots. Give each pair of a data set its own, and each method the same.
        color: takes fused images and the functional images behind them, each ``(N, 1, H, W)`` in [0, 1], and returns
            the pictures a viewer shows, sRGB ``(N, 3, H, W)`` in [0, 1].
        protocol: other choices than the numbers above.

    Raises:
        InputError: not one pair of one shape in [0, 1], or a fused image of another shape or not finite.
    """
    protocol = protocol or LesionProtocol()
    pair = _checked_pair(mri, functional)
    # in the precision of the images: grey level 51 of 255 is not above 0.2, but float32's 0.2 is above float64's
    head = ((pair[0] > HEAD[0]) & (pair[1] > HEAD[1]))[0, 0].cpu()
    bright_source = (torch.maximum(*pair) > _BRIGHT_SOURCE)[0, 0].cpu()

    lesions = _put_lesions(pair, draw_spots(head, seed, protocol), protocol)
    batches = [image.repeat(1 + len(lesions), 1, 1, 1) for image in pair]
    for i, lesion in enumerate(lesions, start=1):
        batches[lesion.which][i, 0][lesion.spot.window] = lesion.spotted.to(mri.device, mri.dtype)
    with torch.no_grad():
        fused = fuse(*batches)
    _check(fused, batches[0].shape, "the fused image")
    fused = fused.detach().as_subclass(torch.Tensor).clamp(0, 1)

    in_fused = _contrasts(fused, lesions, protocol.noise_floor)
    kept = [fused / lesion.in_source for fused, lesion in zip(in_fused, lesions)]
    kept_color = None if color is None else _kept_in_color(color, fused, batches, lesions, protocol.noise_floor)
    return Conspicuity(
        *_by_source(kept, lesions),
        int(head.sum()),
        int((head & (fused[0, 0].cpu() > _SATURATED) & ~bright_source).sum()),
        float(compute_false_structure(fused[:1], *pair)),
        *(() if kept_color is None else _by_source(kept_color, lesions)),
    )


def _checked_pair(mri: torch.Tensor, functional: torch.Tensor) -> list[torch.Tensor]:
    if mri.ndim != 4 or mri.shape[:2] != (1, 1):
        raise InputError(f"the MRI is {tuple(mri.shape)}, not (1, 1, H, W)")
    for image, what in ((mri, "the MRI"), (functional, "the functional image")):
        _check(image, mri.shape, what)
        if not image.is_floating_point() or image.min() < 0 or image.max() > 1:
            raise InputError(f"{what} is not of floating-point numbers within [0, 1]")
    return [image.detach().as_subclass(torch.Tensor) for image in (mri, functional)]


def _check(image: torch.Tensor, shape: torch.Size, what: str) -> None:
    if image.shape != shape:
        raise InputError(f"{what} is {tuple(image.shape)}, not {tuple(shape)}")
    if not image.isfinite().all():
        raise InputError(f"{what} is not finite everywhere")


def _put_lesions(pair: list[torch.Tensor], spots: list[Spot], protocol: LesionProtocol) -> list[_Lesion]:
    sources = [image[0].cpu().double() for image in pair]
    lesions = []
    for spot in spots:
        for which, source in enumerate(sources):
            spotted = spot.put_into(source[0])
            change = spot.contrast(source, spotted[None])
            if change >= SOURCE_CHANGE:
                in_source = change / (spot.noise(source) + protocol.noise_floor)
                lesions.append(_Lesion(which, spot, spotted, in_source))
    return lesions


def _contrasts(
    images: torch.Tensor,
    lesions: list[_Lesion],
    floor: float,
    values: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor.double,
) -> list[float]:
    """Contrast-to-noise of each lesion.

    Args:
        images: ``(1 + lesions, C, H, W)``: without a lesion, then with each.
        lesions: where they are.
        floor: of the noise, in the unit of the values.
        values: makes of images the values that are compared.
    """
    images = images.cpu()
    plain = values(images[:1])[0]
    contrasts = []
    for lesion, image in zip(lesions, images[1:]):
        spot = lesion.spot
        spotted = values(image[(slice(None), *spot.window)][None])[0]
        contrasts.append(spot.contrast(plain, spotted) / (spot.noise(plain) + floor))
    return contrasts


def _kept_in_color(
    color: Color, fused: torch.Tensor, batches: list[torch.Tensor], lesions: list[_Lesion], floor: float
) -> list[float]:
    mri, functional = batches
    shown, alone = color(fused, functional), color(functional, functional)
    for picture in (shown, alone):
        _check(picture, torch.Size((len(fused), 3, *fused.shape[2:])), "the colour output")
    in_shown, in_mri, in_alone = (
        _contrasts(images, lesions, floor * _LIGHTNESS, rgb_to_lab) for images in (shown, mri, alone)
    )
    in_source = [(m, f)[lesion.which] for lesion, m, f in zip(lesions, in_mri, in_alone)]
    return [fused / source for fused, source in zip(in_shown, in_source)]


def _by_source(values: list[float], lesions: list[_Lesion]) -> tuple[SourceLesions, SourceLesions]:
    sides = []
    for which in (0, 1):
        mine = [(lesion.spot.radius, value) for lesion, value in zip(lesions, values) if lesion.which == which]
        sides.append(SourceLesions(tuple(r for r, _ in mine), tuple(v for _, v in mine)))
    return sides[0], sides[1]


def aggregate(results: Sequence[Conspicuity], lost_below: float = LOST_BELOW) -> dict[str, float]:
    """A data set's row: every lesion weighs the same, and every pair's saturated share and false structure.

    Pairs without a head or without lesions add nothing to what they lack.

    Returns:
        ``kept_mri``, ``kept_functional`` (1 is all of the contrast), ``lost_mri``, ``lost_functional`` (0 to 1),
        ``saturated`` (0 to 1), ``false_structure`` (0 to 1); where there are colour outputs also ``kept_mri_color``,
        ``kept_functional_color``, ``lost_mri_color``, ``lost_functional_color``. NaN where no pair has any.
    """
    mri, functional = (SourceLesions.pooled([getattr(r, side) for r in results]) for side in ("mri", "functional"))
    shares = [r.saturated for r in results if r.head_pixels]
    row = {
        "kept_mri": mri.kept,
        "kept_functional": functional.kept,
        "lost_mri": mri.share_below(lost_below),
        "lost_functional": functional.share_below(lost_below),
        "saturated": float(np.mean(shares)) if shares else float("nan"),
        "false_structure": float(np.mean([r.false_structure for r in results])) if results else float("nan"),
    }
    colored = [(r.mri_color, r.functional_color) for r in results if r.mri_color and r.functional_color]
    if colored:
        mri, functional = (SourceLesions.pooled(side) for side in zip(*colored))
        row["kept_mri_color"] = mri.kept
        row["kept_functional_color"] = functional.kept
        row["lost_mri_color"] = mri.share_below(lost_below)
        row["lost_functional_color"] = functional.share_below(lost_below)
    return row
