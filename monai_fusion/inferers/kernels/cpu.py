"""The student on the CPU in one pass: convolution, ReLU, convolution, tanh, four rows in cache at a time.

As separate layers the student is bound by memory: every layer reads and writes its maps whole. Here a strip of rows is
computed by one thread from top to bottom. Three rows of each source and three hidden rows of each channel, all with
their reflected edge pixels, lie in ring buffers of a few hundred kilobytes at most, which stay in the core's cache, so
the image is read once and written once. Numba compiles it for the machine's vector unit and keeps the result on disk;
NaN stays NaN, so the compiler may reassociate but not reason that there is none.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from queue import SimpleQueue

import numpy as np
import torch
from numba import float32, njit

from monai_fusion.errors import InputError
from monai_fusion.inferers.kernels.weights import read_weights

__all__ = ["CpuStudent"]

#: Slice, first row, last row + 1.
Strip = tuple[int, int, int]

_FASTMATH = {"contract", "reassoc", "nsz", "arcp"}
_MIN_ROWS = 32  # a strip computes two hidden rows of its neighbours again

#: Division as NumPy does it: Python's, which asks whether the divisor is zero, keeps a loop from becoming vector code.
_compiled = njit(fastmath=_FASTMATH, error_model="numpy")


@_compiled
def _tanh(x):  # type: ignore[no-untyped-def]
    """Rational approximation, odd degree 13 over even degree 6, after Eigen's ``ptanh``; error below 4e-7."""
    limit = float32(7.90531110763549805)
    y = limit if x > limit else x
    y = -limit if y < -limit else y
    z = y * y
    p = float32(-2.76076847742355e-16)
    p = p * z + float32(2.00018790482477e-13)
    p = p * z + float32(-8.60467152213735e-11)
    p = p * z + float32(5.12229709037114e-08)
    p = p * z + float32(1.48572235717979e-05)
    p = p * z + float32(6.37261928875436e-04)
    p = p * z + float32(4.89352455891786e-03)
    q = float32(1.19825839466702e-06)
    q = q * z + float32(1.18534705686654e-04)
    q = q * z + float32(2.26843463243900e-03)
    q = q * z + float32(4.89352518554385e-03)
    return y * p / q


@_compiled
def _load(image, y, scale, offset, clip, row):  # type: ignore[no-untyped-def]
    """Row `y`, reflected at top and bottom, scaled, into ``row[1:-1]``, with its reflected edges beside it."""
    height, width = image.shape
    y = -y if y < 0 else y
    y = 2 * height - 2 - y if y >= height else y
    for x in range(width):
        row[x + 1] = float32(image[y, x]) * scale + offset
    if clip:
        for x in range(1, width + 1):
            v = row[x]
            v = float32(0) if v < float32(0) else v
            row[x] = float32(1) if v > float32(1) else v
    row[0] = row[2]
    row[width + 1] = row[width - 1]


@_compiled
def _hide(a0, a1, a2, b0, b1, b2, w, bias, row):  # type: ignore[no-untyped-def]
    """One row of one hidden channel from three rows of each source; all rows with their edge pixels."""
    width = row.size - 2
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    v0, v1, v2, v3, v4, v5, v6, v7, v8 = w[9], w[10], w[11], w[12], w[13], w[14], w[15], w[16], w[17]
    for x in range(width):
        s = bias + w0 * a0[x] + w1 * a0[x + 1] + w2 * a0[x + 2]
        s += w3 * a1[x] + w4 * a1[x + 1] + w5 * a1[x + 2]
        s += w6 * a2[x] + w7 * a2[x + 1] + w8 * a2[x + 2]
        s += v0 * b0[x] + v1 * b0[x + 1] + v2 * b0[x + 2]
        s += v3 * b1[x] + v4 * b1[x + 1] + v5 * b1[x + 2]
        s += v6 * b2[x] + v7 * b2[x + 1] + v8 * b2[x + 2]
        row[x + 1] = float32(0) if s < float32(0) else s
    row[0] = row[2]
    row[width + 1] = row[width - 1]


@_compiled
def _add(p, q, r, w, row):  # type: ignore[no-untyped-def]
    """Adds what one hidden channel gives to an output row."""
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    for x in range(row.size):
        s = w0 * p[x] + w1 * p[x + 1] + w2 * p[x + 2]
        s += w3 * q[x] + w4 * q[x + 1] + w5 * q[x + 2]
        s += w6 * r[x] + w7 * r[x + 1] + w8 * r[x + 2]
        row[x] += s


@njit(fastmath=_FASTMATH, error_model="numpy", nogil=True, cache=True)
def _fuse_strip(a, b, out, start, stop, windows, clip, w_hidden, b_hidden, w_output, b_output):  # type: ignore[no-untyped-def]
    """Rows `start` to `stop` of one slice."""
    height, width = a.shape
    channels = w_hidden.shape[0]
    sources = np.empty((2, 3, width + 2), np.float32)
    hidden = np.empty((3, channels, width + 2), np.float32)
    total = np.empty(width, np.float32)
    first = max(start - 1, 0)
    for y in range(first - 1, first + 1):
        _load(a, y, windows[0, 0], windows[0, 1], clip, sources[0, (y + 3) % 3])
        _load(b, y, windows[1, 0], windows[1, 1], clip, sources[1, (y + 3) % 3])
    for y in range(first, min(stop + 1, height)):  # hidden row y, which completes output row y - 1
        _load(a, y + 1, windows[0, 0], windows[0, 1], clip, sources[0, (y + 1) % 3])
        _load(b, y + 1, windows[1, 0], windows[1, 1], clip, sources[1, (y + 1) % 3])
        i, j, k = (y + 2) % 3, y % 3, (y + 1) % 3
        for c in range(channels):
            _hide(
                sources[0, i], sources[0, j], sources[0, k], sources[1, i], sources[1, j], sources[1, k],
                w_hidden[c], b_hidden[c], hidden[j, c],
            )  # fmt: skip
        if y > start:
            _finish(hidden, y - 1, 0 if y - 1 else 1, 1, w_output, b_output, total, out)
    if stop == height:
        _finish(hidden, height - 1, 0, 0, w_output, b_output, total, out)


@_compiled
def _finish(hidden, y, top, bottom, w_output, b_output, total, out):  # type: ignore[no-untyped-def]
    """Output row `y`; `top`: there is no row above it, `bottom`: there is one below it."""
    above, here, below = (y + 2) % 3, y % 3, (y + 1) % 3
    if top:
        above = below
    if not bottom:
        below = above
    total[:] = b_output
    for c in range(w_output.shape[0]):
        _add(hidden[above, c], hidden[here, c], hidden[below, c], w_output[c], total)
    _store(total, out[y])


@_compiled
def _store(total, row):  # type: ignore[no-untyped-def]
    for x in range(row.size):
        row[x] = _tanh(total[x])


class CpuStudent:
    """A `FusionStudent` of any hidden width as one compiled pass.

    Args:
        state: its state dictionary.
        threads: how many compute; as many as this process may use by default.

    Raises:
        InputError: the state is no student's.
    """

    def __init__(self, state: Mapping[str, torch.Tensor], threads: int | None = None) -> None:
        self._weights = read_weights(state)
        self.threads = threads or len(os.sched_getaffinity(0))

    def __call__(
        self,
        first: np.ndarray,
        second: np.ndarray,
        out: np.ndarray | None = None,
        windows: Sequence[tuple[float, float]] = ((1.0, 0.0), (1.0, 0.0)),
        clip: bool = False,
    ) -> np.ndarray:
        """Fuses slices.

        Args:
            first, second: the sources in the order of the channels, ``(N, H, W)`` with H, W >= 3, of any strides;
                float32, uint8, uint16 or int16.
            out: ``(N, H, W)`` float32 to write into, of any strides; made if missing.
            windows: scale and offset of each source: the network sees ``value * scale + offset``.
            clip: clip what the network sees to [0, 1].

        Returns:
            `out`, in (-1, 1).
        """
        count, height, width = first.shape
        out = np.empty(first.shape, np.float32) if out is None else out
        if second.shape != first.shape or out.shape != first.shape or min(height, width) < 3:
            raise InputError(
                f"sources {first.shape} and {second.shape}, output {out.shape}: want one shape (N, H, W), H and W >= 3"
            )
        scales = np.array(windows, dtype=np.float32)
        strips = _strips(count, height, self.threads)

        def run(strip: Strip) -> None:
            n, start, stop = strip
            _fuse_strip(first[n], second[n], out[n], start, stop, scales, clip, *self._weights)

        if len(strips) == 1 or self.threads == 1:
            for strip in strips:
                run(strip)
        else:
            _share(run, strips, self.threads)
        return out


def _strips(count: int, height: int, threads: int) -> list[Strip]:
    """Whole slices where there are many, else strips of them."""
    pieces = max(1, min(-(-threads // count), height // _MIN_ROWS))
    edges = [round(i * height / pieces) for i in range(pieces + 1)]
    return [(n, edges[i], edges[i + 1]) for n in range(count) for i in range(pieces)]


def _share(run: Callable[[Strip], None], strips: Sequence[Strip], threads: int) -> None:
    """Runs all strips on several threads, the calling one among them; each takes the next strip that is left.

    The caller waits for strips that others have begun, never for a helper to come: one that wakes late, or was lost in
    a fork, finds nothing left.
    """
    left = iter(strips)
    lock = threading.Lock()
    finished: SimpleQueue[BaseException | None] = SimpleQueue()

    def take() -> Strip | None:
        with lock:
            return next(left, None)

    def help_out() -> None:
        while (strip := take()) is not None:
            try:
                run(strip)
                finished.put(None)
            except BaseException as error:  # the caller waits for this strip
                finished.put(error)

    for _ in range(min(threads, len(strips)) - 1):
        _jobs(threads - 1).put(help_out)
    own = 0
    while (strip := take()) is not None:
        run(strip)
        own += 1
    for _ in range(len(strips) - own):
        if (error := finished.get()) is not None:
            raise error


@cache
def _jobs(helpers: int) -> SimpleQueue[Callable[[], None]]:
    """What that many threads take their work from. A `ThreadPoolExecutor` takes 50 us longer to hand it over."""
    jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def work() -> None:
        while True:
            jobs.get()()

    for _ in range(helpers):
        threading.Thread(target=work, name="fusion", daemon=True).start()
    return jobs
