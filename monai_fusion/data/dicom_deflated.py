"""Deflated DICOM files, of which pydicom unpacks all, whatever it comes to."""

from __future__ import annotations

import zlib
from typing import IO, BinaryIO, cast

from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_fusion.data.unpacking import is_bomb

__all__ = ["refuse_deflated_bomb"]

_START = 132  # preamble and mark
_MOST = 1032  # times what it is, deflate's best
_BLOCK = 1 << 20


def refuse_deflated_bomb(stream: IO[bytes], size: int) -> None:
    """Unpacks a deflated file piece by piece, keeping nothing, until its end or until it is too much.

    Args:
        stream: at its start, where it is again afterwards.
        size: of the file in bytes; a small one can do no harm and is not looked at.

    Raises:
        ValueError: it unpacks to what is not to be trusted.
    """
    if not is_bomb(size, size * _MOST):
        return
    stream.seek(_START)
    meta = read_dataset(cast(BinaryIO, stream), False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        unpacked, rest = 0, stream.read(_BLOCK)
        while rest and not inflater.eof:
            unpacked += len(inflater.decompress(rest, _BLOCK))
            rest = inflater.unconsumed_tail or stream.read(_BLOCK)
            if is_bomb(size, unpacked):
                raise ValueError("it is deflated and unpacks to more than can be trusted")
    stream.seek(0)
