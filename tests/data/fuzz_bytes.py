"""Damage of any bytes, whatever the format, and what all damage is made of.

A mutation takes the files of a series (or the one file) and a random generator, and gives the files back. Beside it
stands what the reader may make of it: ``"any"`` (refused, or something that can be a picture), ``"same"`` (nothing
that matters was touched), ``"refused"``, ``"same or refused"``, and ``"same place"`` (the voxels may be others, the
geometry may not; or refused).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Files = dict[str, bytes]
Mutation = Callable[[Files, np.random.Generator], Files]
ANY, SAME, REFUSED, SAME_OR_REFUSED, SAME_PLACE = "any", "same", "refused", "same or refused", "same place"


def one(change: Callable[[bytes, np.random.Generator], bytes]) -> Mutation:
    """A change of one of the files."""

    def mutate(files: Files, rng: np.random.Generator) -> Files:
        name = sorted(files)[rng.integers(len(files))]
        return {**files, name: change(files[name], rng)}

    return mutate


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 9)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    at, size = rng.integers(len(data)), rng.integers(1, 17)
    changed[at : at + size] = rng.bytes(size)[: len(data) - at]
    return bytes(changed)


def extreme(data: bytes, rng: np.random.Generator) -> bytes:
    """A number at the edge of its type."""
    values = (
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\0\0\0\x80",
        b"\0\0\x80\x7f",
        b"\xff\xff",
        b"\0\0",
    )
    value = values[rng.integers(len(values))]
    at = int(rng.integers(len(data)))
    return (data[:at] + value + data[at + len(value) :])[: len(data)]


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(len(data))]


def _delete(data: bytes, rng: np.random.Generator) -> bytes:
    at = rng.integers(len(data))
    return data[:at] + data[at + rng.integers(1, 100) :]


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    at = rng.integers(len(data))
    return data[:at] + rng.bytes(rng.integers(1, 100)) + data[at:]


def _splice(data: bytes, rng: np.random.Generator) -> bytes:
    source, at, size = rng.integers(len(data)), rng.integers(len(data)), rng.integers(1, 200)
    return data[:at] + data[source : source + size] + data[at:]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    at, size = rng.integers(len(data)), rng.integers(1, 40)
    return data[:at] + data[at : at + size] * int(rng.integers(2, 200)) + data[at + size :]


BYTES: dict[str, tuple[str, Mutation]] = {
    name: (ANY, one(change))
    for name, change in {
        "bits flipped": flip,
        "bytes overwritten": _overwrite,
        "extreme number": extreme,
        "cut short": _truncate,
        "piece taken out": _delete,
        "piece put in": _insert,
        "piece copied": _splice,
        "piece repeated": _repeat,
    }.items()
}
