"""The frames of a large DICOM object, made while they are written."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from typing import Any

__all__ = ["FrameStream"]

_BYTES_AT_ONCE = 1 << 22


class FrameStream(io.BufferedIOBase):
    """Frames as a value of Pixel Data that pydicom reads piece by piece, so that they are never held a second time.

    Args:
        take: the bytes of the frames ``start`` to ``stop``, each of the same size.
        count: how many frames there are.
        frame_bytes: of one frame. The stream is padded to an even length, as DICOM wants it.
    """

    def __init__(self, take: Callable[[int, int], bytes], count: int, frame_bytes: int) -> None:
        super().__init__()
        self._take, self._count, self._frame_bytes = take, count, frame_bytes
        self._at_once = max(1, _BYTES_AT_ONCE // frame_bytes)
        self._length = 2 * math.ceil(count * frame_bytes / 2)
        self._position = 0
        self._start, self._piece = 0, b""  # what was taken last

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        stop = self._length if size is None or size < 0 else min(self._position + size, self._length)
        parts = []
        while self._position < stop:
            parts.append(self._at(self._position)[: stop - self._position])
            self._position += len(parts[-1])
        return b"".join(parts)

    def _at(self, position: int) -> memoryview:
        """The bytes from a position to the end of the frames that are taken at once."""
        within = position - self._start
        if not 0 <= within < len(self._piece):
            first = position // self._frame_bytes // self._at_once * self._at_once
            stop = min(first + self._at_once, self._count)
            self._start, self._piece = first * self._frame_bytes, self._take(first, stop)
            if stop == self._count:
                self._piece = self._piece.ljust(self._length - self._start, b"\0")
            within = position - self._start
        return memoryview(self._piece)[within:]

    def __deepcopy__(self, memo: dict[int, Any]) -> FrameStream:
        """Another reader of the same frames."""
        return FrameStream(self._take, self._count, self._frame_bytes)
