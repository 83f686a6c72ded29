"""The lesion term: how much of spots of known truth a fusion keeps, as a loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from monai_fusion.metrics.spots import HEAD, REACH, RING_PIXELS, SOURCE_CHANGE, LesionProtocol

__all__ = ["LesionRetention", "SpotGrid"]

_CELL, _JITTER = 32, 5.0
_PROTOCOL = LesionProtocol()


@dataclass(frozen=True)
class SpotGrid:
    """Spots for a batch of crops, K a crop, so far apart that all of a crop can be put in at once.

    Attributes:
        spotted: ``(2, N, 2, H, W)``: the crops with the spots in source 0 alone, and in source 1 alone.
        cores: ``(N, K, H * W)``, each spot's core, weights that sum to 1.
        rings: ``(N, K, H * W)``, each spot's ring within the head, weights that sum to 1 (0 for no ring).
        change: ``(2, N, K)``, the change of the source's core, with its sign.
        in_source: ``(2, N, K)``, contrast-to-noise in the source, more than 0 where valid.
        valid: ``(2, N, K)``, which spots are measured.
    """

    spotted: torch.Tensor
    cores: torch.Tensor
    rings: torch.Tensor
    change: torch.Tensor
    in_source: torch.Tensor
    valid: torch.Tensor

    def kept(self, fused: torch.Tensor, fused_spotted: torch.Tensor) -> torch.Tensor:
        """What the fused images keep of each spot's contrast-to-noise.

        As `monai_fusion.metrics.measure_conspicuity` defines it, but with a sign: a bright spot that turns dark counts
        as less than nothing.

        Args:
            fused: ``(N, 1, H, W)``, [0, 1], of the crops.
            fused_spotted: ``(2, N, 1, H, W)``, of `spotted`.

        Returns:
            ``(2, N, K)`` by the source that holds the spot; meaningless where not `valid`.
        """
        change = torch.einsum("nkp,snp->snk", self.cores, (fused_spotted - fused).flatten(2))
        in_fused = change * self.change.sign() / _noise(self.rings, fused.flatten(1))
        return in_fused / torch.where(self.valid, self.in_source, 1)


def _noise(rings: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """SD of ``(N, H * W)`` in the rings ``(N, K, H * W)``, and the floor."""
    mean, square = (rings @ torch.stack([image, image * image], dim=2)).unbind(dim=2)
    return (square - mean * mean).clamp_min(1e-6).sqrt() + _PROTOCOL.noise_floor


class LesionRetention(nn.Module):
    """Puts spots into one source at a time and asks the fused image to keep their contrast-to-noise.

    Spots, cores, rings and what is kept are those of `monai_fusion.metrics.measure_conspicuity`, but for where the
    spots are: one in each cell of 32 pixels, near its middle, so that none reaches the core of another, not even
    through a network that sees two pixels around. Where a spot lies and what it looks like depends on the seed and the
    crop's index alone. The loss is a square: a spot that is nearly lost counts more than one that is nearly kept.

    Args:
        target: asked for of every spot; what a spot keeps beyond it earns nothing.
        seed: of the spots.
    """

    def __init__(self, target: float = 1.2, seed: int = 0) -> None:
        super().__init__()
        self.target, self.seed = target, seed

    def places(self, index: torch.Tensor, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The spots' centres ``(N, K, 2)`` (row, column), radii ``(N, K)`` in pixels, and signs ``(N, K)``, 1 or -1."""
        rows, columns = (np.arange(size // _CELL) * _CELL + _CELL / 2 for size in (height, width))
        middles = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
        draws = np.stack([np.random.default_rng((self.seed, i)).random((len(middles), 4)) for i in index.tolist()])
        centers = np.rint(middles + (2 * draws[..., :2] - 1) * _JITTER)
        low, high = _PROTOCOL.radii
        return centers, low + (high - low) * draws[..., 2], np.where(draws[..., 3] < 0.5, -1.0, 1.0)

    def draw(self, sources: torch.Tensor, index: torch.Tensor) -> SpotGrid:
        """
        Args:
            sources: ``(N, 2, H, W)`` in [0, 1], H and W at least 32.
            index: ``(N,)``, the crops' numbers, 0 or more.
        """
        height, width = sources.shape[-2:]
        centers, radii, signs = self.places(index, height, width)
        radius, sign = _column(radii, sources), _column(signs, sources)
        y = (torch.arange(height, device=sources.device) - _column(centers[..., 0], sources)).square()
        x = (torch.arange(width, device=sources.device) - _column(centers[..., 1], sources)).square()
        squared = (y[..., None] + x[..., None, :]).flatten(2)

        spread = -0.5 / radius**2
        spot = (sign * _PROTOCOL.contrast * (spread * y).exp())[..., None] * (spread * x).exp()[..., None, :]
        factor = 1 + (spot.flatten(2) * (squared < (REACH * radius) ** 2)).sum(dim=1)
        flat = sources.flatten(2).transpose(0, 1)
        changed = (flat * factor).clamp(0, 1)
        spotted = torch.stack([torch.stack([changed[0], flat[1]], 1), torch.stack([flat[0], changed[1]], 1)])

        head = ((flat[0] > HEAD[0]) & (flat[1] > HEAD[1]))[:, None]
        cores = (squared < radius**2).to(sources.dtype)
        cores = cores / cores.sum(dim=2, keepdim=True)
        rings = (squared > (_PROTOCOL.ring[0] * radius) ** 2) & (squared < (_PROTOCOL.ring[1] * radius) ** 2) & head
        pixels = rings.sum(dim=2, keepdim=True)
        within = (((squared == 0) & head).any(dim=2) & (pixels[..., 0] >= RING_PIXELS))[None]
        weights = rings.to(sources.dtype) / pixels.clamp_min(1)
        change = torch.einsum("nkp,snp->snk", cores, changed - flat)
        in_source = torch.stack([change[s].abs() / _noise(weights, flat[s]) for s in (0, 1)])
        valid = within & (change.abs() >= SOURCE_CHANGE)
        return SpotGrid(spotted.reshape(2, *sources.shape), cores, weights, change, in_source, valid)

    def forward(self, spots: SpotGrid, fused: torch.Tensor, fused_spotted: torch.Tensor) -> torch.Tensor:
        """The square of what the spots in either source keep less than asked for, on average.

        Args:
            spots: from `draw`.
            fused: ``(N, 1, H, W)``, [0, 1].
            fused_spotted: ``(2, N, 1, H, W)``, [0, 1].

        Returns:
            ``(2,)``, by the source that holds the spot; 0 where the batch has no spot.
        """
        missing = (self.target - spots.kept(fused, fused_spotted)).clamp_min(0).square() * spots.valid
        return missing.sum(dim=(1, 2)) / spots.valid.sum(dim=(1, 2)).clamp_min(1)


def _column(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """``(N, K)`` numbers as ``(N, K, 1)``."""
    return torch.from_numpy(values).to(like.device, like.dtype)[..., None]
