"""The student on the CPU in one pass: convolution, ReLU, convolution, tanh, a few rows in cache at a time.

As separate layers the student is bound by memory: every layer reads and writes its maps whole. Here each thread takes a
strip of rows, from top to bottom, through all of it (`cpu_strip`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from queue import SimpleQueue

import numpy as np
import torch

from monai_fusion.errors import InputError
from monai_fusion.inferers.kernels.cpu_strip import fuse_strip
from monai_fusion.inferers.kernels.weights import read_weights

__all__ = ["CpuStudent"]

#: Slice, first row, last row + 1.
Strip = tuple[int, int, int]

_MIN_ROWS = 32  # a strip computes two hidden rows of its neighbours again


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
            fuse_strip(first[n], second[n], out[n], start, stop, scales, clip, *self._weights)

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
