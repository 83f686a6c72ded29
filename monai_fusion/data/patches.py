"""Training patches: cut once from pairs of pictures, held as bytes, fetched by the batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

import monai_fusion
from monai_fusion.atomic import write_beside
from monai_fusion.data.cutting import Vary, at_least_one, grid_patches, plan_grid, random_crop, read_and_cut
from monai_fusion.data.picture_pairs import CHANNELS, OnDamaged, PictureSource, gather_pairs
from monai_fusion.data.streamed_patches import StreamedPatches, is_store
from monai_fusion.errors import InputError

__all__ = ["PatchPairs", "npy_file", "open_patches", "pass_batch"]


class PatchPairs(Dataset[dict[str, torch.Tensor]]):
    """Pairs of patches of one scene.

    An item is ``{"image": (2, H, W) float32 in [0, 1], "index": () int64}``. A loader gets a whole batch at once
    (`__getitems__`), ``{"image": (B, 2, H, W), "index": (B,)}``, and must not collate it again: give it
    ``collate_fn=pass_batch``. It needs no worker processes.

    Args:
        patches: ``(N, 2, H, W)`` uint8; channel 0 is visible, channel 1 infrared (`CHANNELS`).
        facts: how they were made, kept beside the file by `save`; no paths.

    Raises:
        InputError: another shape or type.
    """

    def __init__(self, patches: torch.Tensor, facts: dict[str, Any] | None = None) -> None:
        if patches.dtype != torch.uint8 or patches.ndim != 4 or patches.shape[1] != len(CHANNELS) or not len(patches):
            what = f"{tuple(patches.shape)} of {patches.dtype}"
            raise InputError(f"patches are (N, {len(CHANNELS)}, H, W) uint8, N at least 1, not {what}")
        self.patches = patches
        self.facts = dict(facts or {})

    @classmethod
    def grid(
        cls,
        source: PictureSource,
        size: int = 128,
        stride: int | None = None,
        limit: int | None = None,
        on_damaged: OnDamaged = "raise",
        progress: bool = False,
    ) -> PatchPairs:
        """Cuts every pair on a grid, row by row; what is left over at the right and at the bottom falls away.

        200 LLVIP pairs of 1280x1024 give the paper's 16,000 patches.

        Args:
            source: a folder with pairs (see `find_pairs`), pairs, or several of either.
            size: side of a patch, in pixels.
            stride: from one patch to the next, in pixels; `size` by default.
            limit: take so many pairs, spread evenly over the names in their order; all by default.
            on_damaged: what to do about a pair that cannot be read or is smaller than a patch.
            progress: show a bar.

        Raises:
            InputError: no pair, or a damaged one.
        """
        pairs, step = plan_grid(source, size, stride, limit, on_damaged)

        def cut(number: int, picture: torch.Tensor) -> torch.Tensor:
            return grid_patches(picture, size, step)

        cuts: dict[int, torch.Tensor] = {}
        skipped = read_and_cut(pairs, size, cut, cuts.__setitem__, on_damaged, progress)
        facts = {"layout": "grid", "size": size, "stride": step, "pairs": len(cuts), "skipped": skipped}
        return cls(torch.cat(list(cuts.values())), facts)

    @classmethod
    def random_crops(
        cls,
        source: PictureSource,
        size: int,
        count: int,
        seed: int,
        vary: Vary | None = None,
        on_damaged: OnDamaged = "raise",
        progress: bool = False,
    ) -> PatchPairs:
        """Cuts crops at random places, from all pairs equally often.

        Crop i comes from the same pair and place, varied in the same way, however many there are. Those of a pair that
        is skipped are missing, so that the others stay as they are.

        Args:
            source: a folder with pairs (see `find_pairs`), pairs, or several of either.
            size: side of a crop, in pixels.
            count: number of crops.
            seed: of all draws, 0 or more.
            vary: changes each crop; called in several threads. The result is clipped to [0, 1] and rounded to 8 bit.
            on_damaged: what to do about a pair that cannot be read or is smaller than a crop.
            progress: show a bar.

        Raises:
            InputError: no pair, or a damaged one.
            ValueError: `vary` returns another shape, or values that are not finite.
        """
        at_least_one("size", size)
        at_least_one("count", count)
        pairs = gather_pairs(source, on_damaged)
        order = np.random.default_rng(seed).permutation(len(pairs)).tolist()[:count]

        def cut(number: int, picture: torch.Tensor) -> torch.Tensor:
            indices = range(number, count, len(pairs))
            return torch.stack([random_crop(picture, size, (seed, index), vary) for index in indices])

        cuts: dict[int, torch.Tensor] = {}
        skipped = read_and_cut([pairs[i] for i in order], size, cut, cuts.__setitem__, on_damaged, progress)
        facts = {"layout": "random crops", "size": size, "seed": seed, "pairs": len(cuts), "skipped": skipped}
        facts["vary"] = None if vary is None else getattr(vary, "__qualname__", type(vary).__qualname__)
        indices = torch.cat([torch.arange(number, count, len(pairs)) for number in cuts])
        return cls(torch.cat(list(cuts.values()))[indices.argsort()], facts)

    @classmethod
    def load(cls, file: str | Path) -> PatchPairs:
        """Opens what `save` wrote; the patches stay on the disk and are read as they are fetched.

        The facts beside the file may be missing.

        Raises:
            InputError: not such a file, cut short, or not the one that the facts beside it are about.
        """
        file = npy_file(file)
        beside = file.with_suffix(".json")
        try:
            patches = cls(torch.from_numpy(np.lib.format.open_memmap(file, mode="c")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{file}: not a file of patches, or cut short ({error}); prepare it again") from error
        if beside.exists():
            try:
                patches.facts = json.loads(beside.read_text(encoding="utf-8"))
                about = patches.facts["channels"], patches.facts["shape"]
                known = about == (list(CHANNELS), list(patches.patches.shape))
            except (OSError, ValueError, LookupError, TypeError):
                known = False
            if not known:
                raise InputError(f"{beside}: is not about the patches in {file.name}; remove it, or prepare them again")
        return patches

    def save(self, file: str | Path) -> None:
        """Writes the patches as ``.npy`` and, as ``.json`` beside it, how they were made; whole or not at all.

        Raises:
            OutputError: cannot be written.
        """
        file = npy_file(file)
        about = {"monai_fusion": monai_fusion.__version__, "channels": CHANNELS, "shape": list(self.patches.shape)}
        with write_beside(file.with_suffix(".json")) as facts, write_beside(file) as array:
            facts.write_text(json.dumps({**self.facts, **about}, indent=2) + "\n", encoding="utf-8")
            np.save(array, self.patches.numpy())

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        number = range(len(self))[index]
        return {"image": self.patches[number].float().div_(255), "index": torch.tensor(number)}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        index = torch.as_tensor(indices, dtype=torch.int64)
        return {"image": self.patches[index].float().div_(255), "index": index}


def pass_batch(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The ``collate_fn`` for `PatchPairs`, which hands out whole batches."""
    return batch


def open_patches(
    source: PictureSource,
    size: int = 128,
    stride: int | None = None,
    limit: int | None = None,
    on_damaged: OnDamaged = "raise",
) -> PatchPairs | StreamedPatches:
    """Patches as a configuration names them: a prepared ``.npy`` or ``.zarr`` as it is, anything else cut by
    `PatchPairs.grid`.

    Raises:
        InputError: as `PatchPairs.load`, `StreamedPatches` and `PatchPairs.grid`, or the prepared patches are of
            another size.
    """
    patches: PatchPairs | StreamedPatches
    if is_store(source):
        patches = StreamedPatches(str(source))
        height, width = patches.shape[2:]
    elif isinstance(source, str | Path) and Path(source).suffix == ".npy":
        patches = PatchPairs.load(source)
        height, width = patches.patches.shape[2:]
    else:
        return PatchPairs.grid(source, size, stride, limit, on_damaged)
    if (height, width) != (size, size):
        raise InputError(f"{source}: its patches are {width}x{height}, not {size}x{size}; set size, or prepare anew")
    return patches


def npy_file(file: str | Path) -> Path:
    """A path that ends in ``.npy``, so that the facts have a name beside it.

    Raises:
        InputError: it ends otherwise.
    """
    if Path(file).suffix != ".npy":
        raise InputError(f"{file}: patches are kept in a file that ends in .npy, or a store in .zarr; name it so")
    return Path(file)
