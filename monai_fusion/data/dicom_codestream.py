"""Compressed images within DICOM: whether one is whole and of the size that the object says, before it is decoded.

The decoders trust what the codestream says of itself: they allocate that size, and fill in what is cut off.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

__all__ = ["check_codestream"]

_END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
_J2K_START = b"\xff\x4f\xff\x51"  # SOC and SIZ
_JPEG_START = b"\xff\xd8"
#: Start of frame: SOF0 to SOF15 without DHT, JPG and DAC (ITU-T T.81 table B.1), and JPEG-LS's SOF55 (T.87).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}


def check_codestream(data: bytes, syntax: UID, rows: int, columns: int) -> None:
    """Refuses a JPEG, JPEG-LS or JPEG 2000 image that is cut short or not of the size that it should have.

    Args:
        data: one frame, padding included; of another compression (RLE) it is not looked at.
        syntax: how it is stored.
        rows, columns: of the object.

    Raises:
        ValueError: with what is wrong.
    """
    if syntax in JPEG2000TransferSyntaxes:
        size = _j2k_size(data)
    elif syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        size = _jpeg_size(data)
    else:
        return
    if size is None:
        raise ValueError("an image is no codestream of its transfer syntax")
    if size != (rows, columns, 1):
        raise ValueError("an image has another size than Rows and Columns")
    if not data.rstrip(b"\0").endswith(_END):
        raise ValueError("an image is cut short")


def _j2k_size(data: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components by the SIZ segment (ITU-T T.800 A.5.1); None where it does not begin with one."""
    if not data.startswith(_J2K_START) or len(data) < 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    return bottom - top, right - left, struct.unpack_from(">H", data, 40)[0]


def _jpeg_size(data: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components by the first start of frame (T.81 B.2.2)."""
    for marker, at in _segments(data):
        if marker in _FRAMES and at + 10 <= len(data):
            rows, columns, components = struct.unpack_from(">HHB", data, at + 5)
            return rows, columns, components
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The marker segments up to the entropy-coded data, each with where it begins."""
    at = len(_JPEG_START)
    while data.startswith(_JPEG_START) and at + 4 <= len(data) and data[at] == 0xFF:
        yield data[at + 1], at
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
