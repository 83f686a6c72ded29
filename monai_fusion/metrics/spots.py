"""Spots of known truth: the artificial lesions of the conspicuity benchmark, and what makes up its definition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from monai_fusion.errors import InputError

__all__ = ["HEAD", "REACH", "RING_PIXELS", "SOURCE_CHANGE", "LesionProtocol", "Spot", "draw_spots"]


@dataclass(frozen=True)
class LesionProtocol:
    """The choices behind the benchmark; docs/conspicuity.md argues them and shows what others change.

    Attributes:
        spots: drawn a pair, brighter and darker in turn.
        radii: range of r, the standard deviation of the Gaussian, in pixels. The FWHM is 2.355 r: 2 to 5 are 4.7 to
            11.8 mm where a pixel is 1 mm.
        contrast: of the spot's centre, as a share of the source's value there.
        ring: inner and outer edge of the surroundings, in r.
        noise_floor: added to the surroundings' standard deviation, on [0, 1].

    Raises:
        InputError: a choice that measures nothing.
    """

    spots: int = 6
    radii: tuple[float, float] = (2.0, 5.0)
    contrast: float = 0.35
    ring: tuple[float, float] = (2.0, 4.0)
    noise_floor: float = 0.02

    def __post_init__(self) -> None:
        if self.spots < 1:
            raise InputError(f"{self.spots} spots a pair; draw at least one")
        if not 0 < self.radii[0] <= self.radii[1]:
            raise InputError(f"radii {self.radii}: give a range of pixels above 0, the smaller first")
        if not 0 < self.contrast <= 1:
            raise InputError(f"contrast {self.contrast}: give a share above 0, 1 at most")
        if not 1 <= self.ring[0] < self.ring[1]:
            raise InputError(f"ring {self.ring}: give two edges in radii, the inner first, outside of the core (1)")
        if self.noise_floor <= 0:
            raise InputError(f"noise floor {self.noise_floor}: constant surroundings need one above 0")


#: The head is where the MRI and where the functional image are above these.
HEAD = (0.1, 0.2)
#: A spot that changes its source's core by less is left out.
SOURCE_CHANGE = 0.02
#: A spot ends here, in r.
REACH = 2.5
#: Of the head, which a spot's ring needs.
RING_PIXELS = 40


@dataclass(frozen=True)
class Spot:
    """A spot and its window, the part of the image ``(h, w)`` that its core and ring lie in.

    Attributes:
        radius: the Gaussian's standard deviation r, in pixels.
        factor: of the source's values in the window, ``(h, w)`` float64.
        window: rows and columns of the image.
        core: d < r, ``(h, w)``.
        ring: the surroundings within the head, ``(h, w)``.
    """

    radius: float
    factor: torch.Tensor
    window: tuple[slice, slice]
    core: torch.Tensor
    ring: torch.Tensor

    def put_into(self, image: torch.Tensor) -> torch.Tensor:
        """The window of an image ``(H, W)`` float64 in [0, 1] with the spot."""
        return (image[self.window] * self.factor).clamp(0, 1)

    def contrast(self, image: torch.Tensor, spotted: torch.Tensor) -> float:
        """How far the core's mean colour moves between an image ``(C, H, W)`` and the window ``(C, h, w)`` with the
        spot: the Euclidean distance, which for a grey image is the change of its mean."""
        change = spotted[:, self.core].mean(dim=1) - image[(slice(None), *self.window)][:, self.core].mean(dim=1)
        return float(change.square().sum().sqrt())

    def noise(self, image: torch.Tensor) -> float:
        """The root mean square distance of the ring's colours from their mean in an image ``(C, H, W)``; for a grey
        image its standard deviation."""
        ring = image[(slice(None), *self.window)][:, self.ring]
        return float(ring.var(dim=1, correction=0).sum().sqrt())


def draw_spots(head: torch.Tensor, seed: int | Sequence[int], protocol: LesionProtocol) -> list[Spot]:
    """Spots at random in a head ``(H, W)``, less those whose ring has fewer than 40 pixels of it."""
    centers = torch.nonzero(head).tolist()
    if not centers:
        return []
    rng = np.random.default_rng(seed)
    spots = []
    for i in range(protocol.spots):
        row, column = centers[int(rng.integers(len(centers)))]
        radius = float(rng.uniform(*protocol.radii))
        reach = math.ceil(max(REACH, protocol.ring[1]) * radius)
        rows, columns = (
            slice(max(0, c - reach), min(size, c + reach + 1)) for c, size in zip((row, column), head.shape)
        )
        y = torch.arange(rows.start, rows.stop, dtype=torch.float64)[:, None] - row
        x = torch.arange(columns.start, columns.stop, dtype=torch.float64) - column
        distance = torch.hypot(y, x)
        inner, outer = (edge * radius for edge in protocol.ring)
        ring = (distance > inner) & (distance < outer) & head[rows, columns]
        if ring.sum() < RING_PIXELS:
            continue
        change = protocol.contrast * torch.exp(-(distance**2) / (2 * radius**2)) * (distance < REACH * radius)
        factor = 1 - change if i % 2 else 1 + change
        spots.append(Spot(radius, factor, (rows, columns), distance < radius, ring))
    return spots
