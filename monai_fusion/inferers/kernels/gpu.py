"""The student on the GPU in one launch: convolution, ReLU, convolution, tanh, with the hidden maps in registers.

Each lane computes eight neighbouring pixels of a row and walks down a strip of rows. It computes the ten hidden pixels
that these need, so no lane waits for another, and nothing but the sources and the output passes through memory. A
hidden row is added to the three output rows that it belongs to as soon as it is there, one channel at a time. What a
lane holds are tuples of vectors over the lanes, one for each of its columns: Triton has no other way to name a
neighbour. Everything is computed in float32; sources and output may be stored in half precision.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import triton
import triton.language as tl

from monai_fusion.errors import InputError
from monai_fusion.inferers.kernels.weights import read_weights

__all__ = ["GpuStudent"]

_LANES = 32  # one warp a program: the lanes need nothing of each other
_COLUMNS = 8 * _LANES
_WARPS = 16  # that a multiprocessor holds of this kernel, by its registers
_MIN_ROWS, _MAX_ROWS = 6, 64  # a strip computes two hidden rows of its neighbours again


@triton.jit
def _load(row, stride, x, width, TAIL: tl.constexpr):
    """Columns x - 2 to x + 9 of a row, reflected at both edges, as vectors over the lanes."""
    pair, quad = tl.arange(0, 2)[None, :], tl.arange(0, 4)[None, :]
    here = (row + x.to(tl.int64) * stride)[:, None]
    left, right = x[:, None] + (pair - 2), x[:, None] + (pair + 8)
    a, b = tl.split(tl.load(here + (pair - 2) * stride, (left >= 0) & (left < width), 0.0).to(tl.float32))
    c, d, e, f = _split(tl.load(here + quad * stride, x[:, None] + quad < width, 0.0))
    g, h, i, j = _split(tl.load(here + (quad + 4) * stride, x[:, None] + (quad + 4) < width, 0.0))
    k, l = tl.split(tl.load(here + (pair + 8) * stride, right < width, 0.0).to(tl.float32))  # noqa: E741
    return _reflect_columns((a, b, c, d, e, f, g, h, i, j, k, l), x, width, 12, 2, TAIL)


@triton.jit
def _split(quads):
    even, odd = tl.split(tl.reshape(quads.to(tl.float32), (quads.shape[0], 2, 2)))
    a, c = tl.split(even)
    b, d = tl.split(odd)
    return a, b, c, d


@triton.jit
def _reflect_columns(row, x, width, COUNT: tl.constexpr, FIRST: tl.constexpr, TAIL: tl.constexpr):
    """The COUNT columns from x - FIRST on, with the reflected ones in the place of columns -1 and `width`."""
    fixed = ()
    for i in tl.static_range(COUNT):
        v = row[i]
        if i == FIRST - 1:
            v = tl.where(x == 0, row[i + 2], v)
        if (i > FIRST) & ((i - FIRST) % 8 == TAIL):  # x is a multiple of 8, so width can only be here
            v = tl.where(x + (i - FIRST) == width, row[i - 2], v)
        fixed = fixed + (v,)
    return fixed


@triton.jit
def _reflect_row(y, height):
    y = tl.where(y < 0, -y, y)
    return tl.where(y >= height, 2 * height - 2 - y, y).to(tl.int64)


@triton.jit(do_not_specialize=["rows"])
def _fuse(
    image, out, weights, height, width, rows,
    slice_stride, source_stride, row_stride, column_stride, out_slice_stride, out_row_stride, out_column_stride,
    CHANNELS: tl.constexpr, LANES: tl.constexpr, TAIL: tl.constexpr,
):  # fmt: skip
    """A strip of rows of one slice; TAIL is ``width % 8``."""
    blocks = tl.cdiv(width, 8 * LANES)
    strips = tl.cdiv(height, rows)
    program = tl.program_id(0)
    x = 8 * (program % blocks * LANES + tl.arange(0, LANES))
    start = program // blocks % strips * rows
    n = (program // (blocks * strips)).to(tl.int64)
    first = image + n * slice_stride
    second = first + source_stride
    out += n * out_slice_stride

    zero = tl.zeros_like(x).to(tl.float32)
    blank = (zero, zero, zero, zero, zero, zero, zero, zero)
    above, here = blank, blank  # output rows y - 1 and y, so far
    for y in range(start - 1, tl.minimum(start + rows, height) + 1):
        middle = _reflect_row(y, height)  # the hidden rows beside the image are rows of the image
        top, bottom = _reflect_row(middle - 1, height), _reflect_row(middle + 1, height)
        sources = (
            _load(first + top * row_stride, column_stride, x, width, TAIL),
            _load(first + middle * row_stride, column_stride, x, width, TAIL),
            _load(first + bottom * row_stride, column_stride, x, width, TAIL),
            _load(second + top * row_stride, column_stride, x, width, TAIL),
            _load(second + middle * row_stride, column_stride, x, width, TAIL),
            _load(second + bottom * row_stride, column_stride, x, width, TAIL),
        )
        below = blank
        for c in tl.static_range(CHANNELS):
            hidden = ()
            for k in tl.static_range(10):  # column x - 1 + k
                s = zero + weights[18 * CHANNELS + c]
                for t in tl.static_range(18):
                    s += sources[t // 3][k + t % 3] * weights[18 * c + t]
                hidden = hidden + (tl.maximum(s, 0.0, propagate_nan=tl.PropagateNan.ALL),)
            hidden = _reflect_columns(hidden, x, width, 10, 1, TAIL)
            below = _add(below, hidden, weights, 19 * CHANNELS + 9 * c)
            here = _add(here, hidden, weights, 19 * CHANNELS + 9 * c + 3)
            above = _add(above, hidden, weights, 19 * CHANNELS + 9 * c + 6)
        if y > start:
            row = out + tl.cast(y - 1, tl.int64) * out_row_stride
            _store(row, out_column_stride, x, width, above, weights[28 * CHANNELS], 0)
            _store(row, out_column_stride, x, width, above, weights[28 * CHANNELS], 4)
        above, here = here, below


@triton.jit
def _add(totals, hidden, weights, FIRST: tl.constexpr):
    """Eight output pixels of a row with what three weights of a hidden row give to them."""
    sums = ()
    for k in tl.static_range(8):
        s = totals[k]
        for t in tl.static_range(3):
            s += hidden[k + t] * weights[FIRST + t]
        sums = sums + (s,)
    return sums


@triton.jit
def _store(row, stride, x, width, totals, bias, FIRST: tl.constexpr):
    """Four columns of an output row, from x + FIRST on."""
    even, odd = tl.join(totals[FIRST], totals[FIRST + 2]), tl.join(totals[FIRST + 1], totals[FIRST + 3])
    total = tl.reshape(tl.join(even, odd), (x.shape[0], 4)) + bias
    fused = 1 - 2 / (tl.exp(2 * total) + 1)  # tanh
    quad = FIRST + tl.arange(0, 4)[None, :]
    target = (row + x.to(tl.int64) * stride)[:, None] + quad * stride
    tl.store(target, fused.to(row.dtype.element_ty), x[:, None] + quad < width)


class GpuStudent:
    """A `FusionStudent` of any hidden width as one launch.

    Args:
        state: its state dictionary.

    Raises:
        InputError: the state is no student's.
    """

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        weights = read_weights(state)
        self._channels = len(weights.hidden_bias)
        self._weights = tuple(float(w) for part in weights for w in part.flat)

    def __call__(self, image: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Fuses slices.

        Args:
            image: ``(N, 2, H, W)`` with H, W >= 3 on the GPU, of any strides, in float32, float16 or bfloat16.
            out: ``(N, 1, H, W)`` to write into, of any strides; made in the type of `image` if missing.

        Returns:
            `out`, in (-1, 1).
        """
        count, sources, height, width = image.shape
        shape = (count, 1, height, width)
        out = image.new_empty(shape) if out is None else out
        if sources != 2 or min(height, width) < 3 or out.shape != shape:
            raise InputError(
                f"image {tuple(image.shape)} and output {tuple(out.shape)}: "
                "want (N, 2, H, W) and (N, 1, H, W), H and W >= 3"
            )
        columns = count * triton.cdiv(width, _COLUMNS)
        rows = _rows(height, columns, image.device)
        programs = columns * triton.cdiv(height, rows)
        _fuse[(programs,)](
            image, out, self._weights, height, width, rows,
            *image.stride(), out.stride(0), out.stride(2), out.stride(3),
            CHANNELS=self._channels, LANES=_LANES, TAIL=width % 8, num_warps=1,
        )  # fmt: skip
        return out


def _rows(height: int, columns: int, device: torch.device) -> int:
    """Rows a strip, so that all strips run at once where that leaves them long enough."""
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    strips = max(1, processors * _WARPS // columns)
    return min(max(triton.cdiv(height, strips), _MIN_ROWS), _MAX_ROWS)
