"""A scroll through the slices as an animated PNG, which every browser and slide program plays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from monai_fusion.slices import AXES
from monai_fusion.transforms.color import COLOR_MAPS, color_table, rgb_to_ycc, ycc_to_rgb
from monai_fusion.viewer.case import Case
from monai_fusion.viewer.grid import as_displayed

__all__ = ["write_scroll"]

_HEIGHT = 320
_MILLISECONDS = 80
_FOOTER = "For research use only, not for diagnosis"


def write_scroll(path: Path, case: Case, look: Mapping[str, Any]) -> None:
    """Writes all slices of one plane, in the radiologist's orientation, with isotropic pixels.

    Args:
        path: the file to write.
        case: what is shown.
        look: ``layout`` with ``plane`` and ``image`` (``"mri"``, ``"functional"`` or ``"fused"``), and ``palette``.
    """
    layout = look.get("layout") or {}
    axis = AXES.get(str(layout.get("plane")), AXES["axial"])
    image = layout.get("image") if layout.get("image") in ("mri", "functional") else "fused"
    palette = look.get("palette") if look.get("palette") in COLOR_MAPS else "rainbow"
    mri, functional, fused = (
        case.grid.turn(array)
        for array in (case.result.sources["mri"], case.result.sources["functional"], case.result.fused)
    )
    table = color_table(str(palette))
    chroma = rgb_to_ycc(table.T)[1]
    rows, columns = {2: (1, 0), 1: (2, 0), 0: (2, 1)}[axis]
    spacing, shape = case.grid.spacing, case.grid.shape
    width = round(_HEIGHT * shape[columns] * spacing[columns] / (shape[rows] * spacing[rows]))
    frames = []
    for k in range(shape[axis]):
        cut = [as_displayed(volume, axis, k) for volume in (mri, functional, fused)]
        uptake = torch.from_numpy((cut[1] * 255).round().astype(np.int64))
        if image == "mri":
            rgb = torch.from_numpy(cut[0])[None].expand(3, -1, -1)
        elif image == "functional":
            rgb = table[uptake].permute(2, 0, 1)
        else:
            rgb = ycc_to_rgb(torch.from_numpy(cut[2])[None], chroma[:, uptake])
        pixels = (rgb * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        frame = Image.fromarray(np.ascontiguousarray(pixels)).resize(
            (max(width, 1), _HEIGHT), Image.Resampling.BILINEAR
        )
        ImageDraw.Draw(frame).text((6, _HEIGHT - 4), _FOOTER, "orange", ImageFont.load_default(11), "ls")
        frames.append(frame)
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:], duration=_MILLISECONDS, loop=0)
