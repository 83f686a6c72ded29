"""Small 8-bit images made on the spot for the tests of the metrics."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def fused_pairs(count: int = 3, height: int = 61, width: int = 72) -> Triple:
    """Fused images and their sources: a head on black with texture, blurred uptake, and something between them.

    Returns:
        Three times ``(count, 1, height, width)`` float64, whole numbers of 0 to 255.
    """
    rng = np.random.default_rng(0)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    triples = []
    for _ in range(count):
        head = (x / 0.8) ** 2 + (y / 0.9) ** 2 < 1
        a = head * (90 + 60 * np.cos(9 * x) * np.sin(7 * y) + rng.normal(0, 12, x.shape))
        b = ndimage.gaussian_filter(head * rng.uniform(0, 1, x.shape) * 400, 2.5) * head
        fused = 0.6 * a + 0.5 * b + head * rng.normal(0, 5, x.shape)
        triples.append([np.clip(np.round(image), 0, 255) for image in (fused, a, b)])
    fused, a, b = (torch.from_numpy(np.stack(images))[:, None] for images in zip(*triples))
    return fused, a, b


def constant(level: float, height: int = 61, width: int = 72) -> torch.Tensor:
    return torch.full((1, 1, height, width), level, dtype=torch.float64)


def arrays(images: Triple) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The triples of a batch as NumPy images ``(H, W)``."""
    return [(f[0].numpy(), a[0].numpy(), b[0].numpy()) for f, a, b in zip(*images)]
