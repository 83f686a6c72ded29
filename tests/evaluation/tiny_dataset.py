"""A data set of three small pairs, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

NAMES = ["a", "b", "c"]
SHAPE = (64, 75)


def write_dataset(folder: Path, names: list[str] = NAMES, sources: tuple[str, str] = ("MRI", "PET")) -> Path:
    """Heads with texture in grey, and blurred uptake in pseudo-colour, as PNG."""
    rng = np.random.default_rng(0)
    y, x = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
    head = (x / 0.9) ** 2 + (y / 0.95) ** 2 < 1
    for name in names:
        mri = head * (110 + 40 * np.cos(9 * x) * np.sin(7 * y) + rng.normal(0, 10, SHAPE))
        uptake = head * np.clip(ndimage.gaussian_filter(rng.uniform(-2, 4, SHAPE), 2.5), 0.4, 1)
        pet = np.stack([255 * uptake, 230 * uptake**2, 40 * (1 - uptake) * head], axis=-1)
        for source, picture in zip(sources, (mri, pet)):
            (folder / source).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / source / f"{name}.png")
    return folder
