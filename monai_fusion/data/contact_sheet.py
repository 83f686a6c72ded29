"""One picture of the whole result: sources and fused slices side by side, for a first look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from monai_fusion.slices import SlicePlan

__all__ = ["write_contact_sheet"]

_HEIGHT = 200
_GAP = 4
_LABEL = 88
_FOOTER = "For research use only, not for diagnosis"


def write_contact_sheet(
    path: Path, rows: dict[str, torch.Tensor], affine: np.ndarray, plan: SlicePlan, columns: int = 7
) -> None:
    """Writes a PNG: one row an image, one column a slice, in the radiologist's orientation with sides lettered.

    Args:
        path: the file to write.
        rows: label and volume, ``(1, I, J, K)`` in [0, 1] or ``(3, I, J, K)`` uint8; all on one grid.
        affine: 4x4, voxel index to RAS in mm, of that grid: displayed pixels are isotropic.
        plan: which slices, and how they are turned.
        columns: slices shown, evenly spaced over those where the first row is not empty.
    """
    first = next(iter(rows.values()))
    shown = _choose_slices(first, plan, columns)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    shape = first.shape[1:]
    width = round(_HEIGHT * shape[plan.columns] * spacing[plan.columns] / (shape[plan.rows] * spacing[plan.rows]))
    size = (max(width, 1), _HEIGHT)
    sheet = Image.new("RGB", (_LABEL + len(shown) * (size[0] + _GAP), len(rows) * (_HEIGHT + _GAP) + 20))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    left, right, top, bottom = plan.letters(affine)
    for r, (label, volume) in enumerate(rows.items()):
        y = r * (_HEIGHT + _GAP)
        draw.text((6, y + _HEIGHT // 2), label, fill="white", font=font, anchor="lm")
        for c, k in enumerate(shown):
            x = _LABEL + c * (size[0] + _GAP)
            tile = plan.take(volume, k, k + 1)[0]
            if tile.dtype != torch.uint8:
                tile = (tile * 255).round().to(torch.uint8)
            image = Image.fromarray(tile.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
            sheet.paste(image.resize(size, Image.Resampling.BICUBIC), (x, y))
            middle = (x + size[0] // 2, y + _HEIGHT // 2)
            draw.text((x + 3, middle[1]), left, fill="yellow", font=font, anchor="lm")
            draw.text((x + size[0] - 3, middle[1]), right, fill="yellow", font=font, anchor="rm")
            draw.text((middle[0], y + 3), top, fill="yellow", font=font, anchor="ma")
            draw.text((middle[0], y + _HEIGHT - 3), bottom, fill="yellow", font=font, anchor="md")
    draw.text((6, sheet.height - 4), _FOOTER, fill="orange", font=font, anchor="ls")
    sheet.save(path, format="PNG", compress_level=3)


def _choose_slices(volume: torch.Tensor, plan: SlicePlan, columns: int) -> list[int]:
    """Slice numbers, evenly spaced between the outermost ones that hold a tenth of the brightest slice's signal."""
    signal = volume.mean(dim=[d for d in range(4) if d != plan.axis + 1])
    filled = torch.nonzero(signal > 0.1 * signal.max()).ravel()
    low, high = (int(filled[0]), int(filled[-1])) if len(filled) else (0, len(signal) - 1)
    # ends themselves are nearly empty: take the middles of equal parts
    edges = np.linspace(low, high, columns + 1)
    return sorted({round(float(v)) for v in (edges[:-1] + edges[1:]) / 2})
