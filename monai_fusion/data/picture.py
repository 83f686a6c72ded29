"""Reading and writing single 2-D images (PNG, JPEG, TIFF) by Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from monai_fusion.data.picture_formats import PICTURE_FORMATS
from monai_fusion.data.source import Source, hash_files
from monai_fusion.data.unpacking import is_bomb
from monai_fusion.errors import InputError

__all__ = ["read_picture", "write_png"]


def read_picture(path: Path) -> Source:
    """Reads a picture as ``(H, W)``, or ``(H, W, 3)`` where its colour channels differ.

    The fact ``display_range`` says which values are black and white: 0 and 255 for 8-bit pictures, which are taken as
    windowed already; deeper ones (16-bit, float) have none.

    Raises:
        InputError: not readable, cut short, several pages, transparent, or CMYK.
    """
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            if is_bomb(path.stat().st_size, image.width * image.height * len(image.getbands())):
                raise InputError(f"{path}: {image.width}x{image.height} pixels in so few bytes are not to be trusted")
            pages = getattr(image, "n_frames", 1)
            if pages != 1:
                raise InputError(f"{path}: a picture of {pages} pages; save the one to fuse as its own file")
            array = np.asarray(_plain(path, ImageOps.exif_transpose(image)))
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds
        raise InputError(f"{path}: not a readable picture, or cut short ({error}); copy or export it again") from error

    if array.ndim == 3 and (array == array[..., :1]).all():
        array = array[..., 0]
    facts: dict[str, object] = {"kind": "picture", "sha256": hash_files([path]), "warnings": []}
    if array.dtype == np.uint8:
        facts["display_range"] = [0, 255]
    elif array.ndim == 3:
        raise InputError(f"{path}: a colour picture of {array.dtype}; save it with 8 bits a channel")
    return Source(array.astype(np.float32), np.eye(4), None, facts)


def _plain(path: Path, image: Image.Image) -> Image.Image:
    """The picture without palette and transparency channel."""
    if image.mode in ("P", "PA", "LA", "RGBA"):
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            raise InputError(f"{path}: a picture with transparent pixels; flatten it first")
        return rgba.convert("RGB")
    if image.mode == "1":
        return image.convert("L")
    if image.mode not in ("L", "RGB", "F") and not image.mode.startswith("I"):
        raise InputError(f"{path}: a picture in colour mode {image.mode}; save it as grey or RGB")
    return image


def write_png(path: Path, array: np.ndarray) -> None:
    """Writes ``(H, W)`` or ``(H, W, 3)`` uint8 as PNG."""
    Image.fromarray(array).save(path, format="PNG")
