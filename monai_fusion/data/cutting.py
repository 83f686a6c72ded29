"""Cutting patches from pairs of pictures, which are read in several threads; what is damaged never becomes a patch."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import ImageFile

from monai_fusion.data.picture_pairs import OnDamaged, PicturePair, PictureSource, gather_pairs, read_pair
from monai_fusion.errors import InputError

__all__ = ["Vary", "at_least_one", "grid_patches", "plan_grid", "random_crop", "read_and_cut"]

#: Changes a crop ``(2, size, size)``, float32 in [0, 1], to another of the same shape, drawing from the generator.
Vary = Callable[[torch.Tensor, torch.Generator], torch.Tensor]

_THREADS = 8
_AHEAD = 4 * _THREADS  # pairs that may wait to be taken, so that many pictures need no more memory than a few


def plan_grid(
    source: PictureSource, size: int, stride: int | None, limit: int | None, on_damaged: OnDamaged
) -> tuple[list[PicturePair], int]:
    """The pairs to be cut on a grid, and the distance from one patch to the next.

    Args:
        source: see `gather_pairs`.
        size: side of a patch, in pixels.
        stride: in pixels; `size` by default.
        limit: take so many pairs, spread evenly over the names in their order; all by default.
        on_damaged: what to do about a picture without its partner.

    Raises:
        InputError: a number below 1, no pair, or a damaged one.
    """
    stride = size if stride is None else stride
    for name, number in (("size", size), ("stride", stride), ("limit", limit)):
        at_least_one(name, number)
    pairs = gather_pairs(source, on_damaged)
    if limit is not None and limit < len(pairs):
        pairs = [pairs[i * len(pairs) // limit] for i in range(limit)]
    return pairs, stride


def at_least_one(name: str, number: int | None) -> None:
    """
    Raises:
        InputError: the number is given and below 1.
    """
    if number is not None and number < 1:
        raise InputError(f"{name} is {number}; choose 1 or more")


def grid_patches(picture: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """All patches of ``(C, H, W)`` on a grid, row by row: ``(rows * columns, C, size, size)``."""
    windows = picture.unfold(1, size, stride).unfold(2, size, stride)  # (C, rows, columns, size, size)
    return windows.permute(1, 2, 0, 3, 4).reshape(-1, len(picture), size, size)


def random_crop(picture: torch.Tensor, size: int, seed: tuple[int, int], vary: Vary | None) -> torch.Tensor:
    """A crop ``(2, size, size)`` of ``(2, H, W)`` uint8, placed and varied by the seed alone.

    Raises:
        ValueError: `vary` returns another shape, or values that are not finite.
    """
    rng = np.random.default_rng(seed)
    top, left = (int(rng.integers(extent - size + 1)) for extent in picture.shape[1:])
    crop = picture[:, top : top + size, left : left + size]
    if vary is None:
        return crop
    varied = vary(crop.float() / 255, torch.Generator().manual_seed(int(rng.integers(2**63))))
    if varied.shape != crop.shape or not varied.isfinite().all():
        raise ValueError(f"{vary!r} made {tuple(varied.shape)} of {tuple(crop.shape)}, or values that are not finite")
    return (varied.clamp(0, 1) * 255).round().to(torch.uint8)


def read_and_cut(
    pairs: Sequence[PicturePair],
    size: int,
    cut: Callable[[int, torch.Tensor], torch.Tensor],
    take: Callable[[int, torch.Tensor], None],
    on_damaged: OnDamaged,
    progress: bool,
) -> list[str]:
    """Reads pairs in several threads (Pillow and torch let go of the interpreter), cuts each, and hands the cuts on.

    Args:
        pairs: what to read.
        size: what a picture must measure at least.
        cut: makes ``(n, 2, size, size)`` of the number of a pair and its picture ``(2, H, W)`` uint8.
        take: gets the number and the cuts of every sound pair, in order, in the thread that called.
        on_damaged: what to do about a pair that cannot be read or is too small.
        progress: show a bar.

    Returns:
        The names of the pairs that were left out.

    Raises:
        InputError: a damaged pair, or none that is sound.
    """

    def work(number: int) -> torch.Tensor | InputError:
        try:
            picture = read_pair(pairs[number])
            if min(picture.shape[1:]) < size:
                height, width = picture.shape[1:]
                raise InputError(f"{pairs[number].visible}: {width}x{height} is smaller than a patch of {size}x{size}")
        except InputError as error:
            return error
        return cut(number, picture)

    skipped = []
    with _whole_pictures_only(), _cancelling_pool() as pool:
        for number, result in enumerate(_bar(_map_ahead(pool, work, len(pairs)), len(pairs), progress)):
            if not isinstance(result, InputError):
                take(number, result)
            elif on_damaged != "skip":
                raise InputError(f"{result}; mend or remove it, or skip damaged pairs") from result
            else:
                skipped.append(pairs[number].name)
                warnings.warn(f"{result}; left out", stacklevel=3)
    if len(skipped) == len(pairs):
        raise InputError(f"none of {len(pairs)} pairs can be used; name a folder with sound ones")
    return skipped


def _map_ahead(pool: ThreadPoolExecutor, work: Callable[[int], Any], count: int) -> Iterator[Any]:
    """As the pool's map, with few results waiting."""
    waiting = deque(pool.submit(work, number) for number in range(min(_AHEAD, count)))
    for number in range(count):
        yield waiting.popleft().result()
        if number + _AHEAD < count:
            waiting.append(pool.submit(work, number + _AHEAD))


@contextmanager
def _whole_pictures_only() -> Iterator[None]:
    """Whatever another library told Pillow: half a picture is refused, not filled up with black or grey."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def _cancelling_pool() -> Iterator[ThreadPoolExecutor]:
    """A pool that does not go on with what waits when the block ends by an error."""
    pool = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _bar(items: Iterator[Any], total: int, shown: bool) -> Iterator[Any]:
    if not shown:
        return items
    from tqdm import tqdm  # only here: training needs no bar

    return iter(tqdm(items, total=total, desc="reading", unit="pair", leave=False))
