"""How images become the 8-bit grey levels that the metrics are defined on.

The published numbers come about so (found by reproducing them, see `tests/metrics/test_protocol.py`): OpenCV reads the
sources as grey, the method gets them as float32 in [0, 1], its output is stretched to its own minimum and maximum and
rounded to 8 bit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from monai_fusion.data.picture_formats import PICTURE_FORMATS
from monai_fusion.errors import InputError

__all__ = ["PROTOCOLS", "clip_to_8bit", "luma_8bit", "read_grey", "stretch_to_8bit"]

#: BT.601 as libpng has it, in 32768ths, which is how OpenCV reads a PNG as grey.
_LIBPNG_LUMA = (9797, 19234, 3737)


def luma_8bit(rgb: np.ndarray) -> np.ndarray:
    """The luma of ITU-R BT.601 of an 8-bit picture, truncated to 8 bit as libpng does it.

    Rounding instead moves the published values by up to 0.6 %, most of all SSIM with data_range 2.

    Args:
        rgb: ``(..., 3)`` uint8.

    Returns:
        ``(...)`` uint8.
    """
    weighted = rgb.astype(np.int64) @ np.array(_LIBPNG_LUMA)
    return (weighted >> 15).astype(np.uint8)


def read_grey(path: Path | str) -> torch.Tensor:
    """Reads a picture as grey, bit by bit as OpenCV's ``imread(path, IMREAD_GRAYSCALE)`` reads 8-bit PNG and JPEG.

    The luma of a JPEG is the one stored in the file, not computed anew from red, green and blue.

    Returns:
        ``(1, H, W)`` float32, 0 to 255.

    Raises:
        InputError: not readable, or not 8-bit grey or RGB.
    """
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            if image.format == "JPEG":
                image.draft("L", image.size)
            if image.mode not in ("L", "LA", "P", "RGB", "RGBA"):
                raise InputError(f"{path}: a picture in colour mode {image.mode}; the metrics need 8-bit grey or RGB")
            grey = np.asarray(image) if image.mode == "L" else luma_8bit(np.asarray(image.convert("RGB")))
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds
        raise InputError(f"{path}: not a readable picture, or cut short ({error})") from error
    return torch.from_numpy(grey.astype(np.float32))[None]


def stretch_to_8bit(image: torch.Tensor) -> torch.Tensor:
    """Stretches every image of a batch from its own minimum and maximum to 0 and 255, and rounds.

    A constant image becomes black (the published program divides by zero).

    Args:
        image: ``(N, ...)``.

    Returns:
        The same shape and precision, whole numbers of 0 to 255.
    """
    dims = tuple(range(1, image.ndim))
    low, high = image.amin(dim=dims, keepdim=True), image.amax(dim=dims, keepdim=True)
    span = torch.where(high > low, high - low, 1)
    return ((image - low) / span * 255).round()


def clip_to_8bit(image: torch.Tensor) -> torch.Tensor:
    """Clips to [0, 1] and rounds to the 8 bit that the user gets to see: whole numbers of 0 to 255."""
    return (image.clamp(0, 1) * 255).round()


#: Ways from a fused image ``(N, 1, H, W)``, [0, 1] if it is not to be clipped, to its grey levels.
PROTOCOLS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"paper": stretch_to_8bit, "product": clip_to_8bit}
