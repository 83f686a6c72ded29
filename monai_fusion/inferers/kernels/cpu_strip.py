"""A strip of rows of the student, compiled by Numba for the CPU it runs on.

Three rows of each source and three hidden rows of each channel, all with their reflected edge pixels, lie in ring
buffers of a few hundred kilobytes at most, which stay in the core's cache, so the image is read once and written once.

The convolutions are vectors written out: LLVM's own would load each of the three neighbours from memory, where two of
them lie across two lines of the cache and take twice the time; here whole lines are loaded and the neighbours shifted
out of them, which is 1.4 times faster. NaN stays NaN: the compiler may reassociate, but not reason that there is none.
Numba keeps the result on the disk, and looks at this file alone to see whether it is still right.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import float32, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["fuse_strip"]

_FASTMATH = {"contract", "reassoc", "nsz", "arcp"}
_LANES = 16  # float32 of a vector, and of a line of the cache; a smaller vector unit takes two steps for it

#: Division as NumPy does it: Python's, which asks whether the divisor is zero, keeps a loop from becoming vector code.
_compiled = njit(fastmath=_FASTMATH, error_model="numpy")


def _convolution(hides):
    """Makes the function ``(rows, weights, bias, target)``: a tuple of rows, each with its edge pixels as `_row` gives
    them, three weights for each, and where pixel 0 of the result goes.

    Args:
        hides: the result is ``relu(bias + convolution)``; else it is added to what the target holds.
    """

    @intrinsic
    def convolve(typing, rows, weights, bias, target):
        def generate(context, builder, signature, arguments):
            rows, weights, bias, target = arguments
            vector, index = ir.VectorType(ir.FloatType(), _LANES), ir.IntType(64)
            anything, zero = ir.Constant(vector, ir.Undefined), ir.Constant(vector, [0.0] * _LANES)

            def pick(a, b, lanes):
                return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), _LANES), list(lanes)))

            def fill(number):
                return pick(builder.insert_element(anything, number, ir.IntType(32)(0)), anything, [0] * _LANES)

            def array(kind, value):
                return context.make_array(kind)(context, builder, value)

            def vector_at(data, x, offset):
                place = builder.gep(data, [builder.add(x, index(offset))])
                return builder.bitcast(place, vector.as_pointer())

            kinds = signature.args
            data = [array(kinds[0].dtype, builder.extract_value(rows, i)).data for i in range(kinds[0].count)]
            numbers = array(kinds[1], weights).data
            taps = [fill(builder.load(builder.gep(numbers, [index(i)]))) for i in range(3 * len(data))]
            target = array(kinds[3], target)
            width = cgutils.unpack_tuple(builder, target.shape)[0]
            bias = fill(bias)
            with cgutils.for_range_slice(builder, index(0), width, index(_LANES), index) as (x, _):
                here = vector_at(target.data, x, 0)
                total = bias if hides else builder.load(here, align=4 * _LANES)
                for i, row in enumerate(data):
                    left, middle, right = (
                        builder.load(vector_at(row, x, 1 + side * _LANES), align=4 * _LANES) for side in (-1, 0, 1)
                    )
                    neighbours = (
                        pick(left, middle, range(_LANES - 1, 2 * _LANES - 1)),
                        middle,
                        pick(middle, right, range(1, _LANES + 1)),
                    )
                    for k, pixels in enumerate(neighbours):
                        product = builder.fmul(pixels, taps[3 * i + k], flags=tuple(_FASTMATH))
                        total = builder.fadd(product, total, flags=tuple(_FASTMATH))
                if hides:
                    total = builder.select(builder.fcmp_ordered("<", total, zero), zero, total)
                builder.store(total, here, align=4 * _LANES)
            return context.get_dummy_value()

        return types.void(rows, weights, bias, target), generate

    return convolve


_convolve_and_hide = _convolution(hides=True)
_convolve_and_add = _convolution(hides=False)


@_compiled
def _tanh(x):
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
def _load(image, y, scale, offset, clip, row):
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
def _rows(count, width):
    """Rows in which pixel 0, which is at 16, begins a line of the cache, with room for whole vectors at both ends."""
    stride = (width + _LANES - 1) // _LANES * _LANES + 2 * _LANES
    buffer = np.zeros(count * stride + _LANES, np.float32)
    first = (64 - buffer.ctypes.data % 64) // 4
    return buffer[first : first + count * stride].reshape(count, stride)


@_compiled
def _row(rows, i, width):
    """Row `i` with its edge pixels."""
    return rows[i][_LANES - 1 : width + _LANES + 1]


@_compiled
def _hide(a0, a1, a2, b0, b1, b2, w, bias, row):
    """One row of one hidden channel from three rows of each source; all rows with their edge pixels."""
    width = row.size - 2
    _convolve_and_hide((a0, a1, a2, b0, b1, b2), w, bias, row[1 : width + 1])
    row[0] = row[2]
    row[width + 1] = row[width - 1]


@njit(fastmath=_FASTMATH, error_model="numpy", nogil=True, cache=True)
def fuse_strip(a, b, out, start, stop, windows, clip, w_hidden, b_hidden, w_output, b_output):
    """Rows `start` to `stop` of one slice."""
    height, width = a.shape
    channels = w_hidden.shape[0]
    first, second, hidden = _rows(3, width), _rows(3, width), _rows(3 * channels, width)
    total = _rows(1, width)[0][_LANES : width + _LANES]
    top = max(start - 1, 0)
    for y in range(top - 2, stop + 1):  # hidden row y, which completes output row y - 1
        i, j, k = (y + 3) % 3, (y + 4) % 3, (y + 5) % 3  # source rows y - 1, y, y + 1
        if y < height:
            _load(a, y + 1, windows[0, 0], windows[0, 1], clip, _row(first, k, width))
            _load(b, y + 1, windows[1, 0], windows[1, 1], clip, _row(second, k, width))
        if top <= y < height:
            for c in range(channels):
                _hide(
                    _row(first, i, width), _row(first, j, width), _row(first, k, width),
                    _row(second, i, width), _row(second, j, width), _row(second, k, width),
                    w_hidden[c], b_hidden[c], _row(hidden, j * channels + c, width),
                )  # fmt: skip
        if y > start:
            below = j if y < height else k  # the row below the last is the one above it, and so at the top
            above = k if y > 1 else below
            total[:] = b_output
            for c in range(channels):
                rows = (
                    _row(hidden, above * channels + c, width),
                    _row(hidden, i * channels + c, width),
                    _row(hidden, below * channels + c, width),
                )
                _convolve_and_add(rows, w_output[c], float32(0), total)
            _store(total, out[y - 1])


@_compiled
def _store(total, row):
    for x in range(row.size):
        row[x] = _tanh(total[x])
