"""Which pictures are read, by name and by content."""

from __future__ import annotations

__all__ = ["PICTURE_FORMATS", "PICTURE_SUFFIXES"]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

#: Whatever its name says, no other format reaches a decoder: Pillow hands some to programs outside.
PICTURE_FORMATS = ("PNG", "JPEG", "TIFF")
