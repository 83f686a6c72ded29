"""Training patches that are neither held in memory nor on one's own disk: a Zarr store, read by index."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

import monai_fusion
from monai_fusion.atomic import fill_beside
from monai_fusion.data.cutting import grid_patches, plan_grid, read_and_cut
from monai_fusion.data.picture_pairs import CHANNELS, OnDamaged, PictureSource
from monai_fusion.errors import InputError, OutputError

__all__ = ["StreamedPatches", "is_store"]

_SHARD = 256  # patches a file: 8 MiB of 128x128


def is_store(source: object) -> bool:
    """Whether a source of patches names a store: ends in ``.zarr``."""
    return isinstance(source, str | Path) and str(source).endswith(".zarr")


class StreamedPatches(Dataset[dict[str, torch.Tensor]]):
    """Pairs of patches in a Zarr store; the same items and batches as `monai_fusion.data.patches.PatchPairs`.

    A group with ``patches`` ``(N, 2, H, W)`` uint8, each patch a chunk and 256 a file (Zarr's sharding codec), and
    ``crc32`` ``(N,)``. By index, because the order of a run, its records and its resumption go by index. What a batch
    needs is read when it is asked for, of a file no more than its bytes. The checksums alone are held in memory, 4
    bytes a patch: Zarr answers a chunk that is missing with black.

    Where the store is far away, worker processes hide the latency (``--train#dataloader#num_workers=4``).

    Args:
        address: a folder, or what fsspec opens (``s3://…``, ``https://…``; its driver must be installed). Ends in
            ``.zarr``.

    Attributes:
        facts: how they were made; no paths.
        shape: ``(N, 2, H, W)``.

    Raises:
        InputError: no such store, or Zarr is missing; when read: a patch is missing or damaged.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        try:
            group = _zarr().open_group(self.address, mode="r", zarr_format=3)  # version 2 has codecs that unpickle
            self._patches, crc32 = group["patches"], group["crc32"]
            self.facts: dict[str, Any] = dict(group.attrs)
            self.shape = tuple(self._patches.shape)
            self._crc32 = np.asarray(crc32[:]) if crc32.dtype == np.uint32 else np.zeros(0, np.uint32)
        except InputError:
            raise
        except Exception as error:  # of the file system's driver, of many kinds
            raise InputError(f"{address}: not a store of patches ({error!r}); prepare it again") from error
        known = self._patches.dtype == np.uint8 and len(self.shape) == 4 and self.shape[1] == len(CHANNELS)
        if not known or self._crc32.shape != self.shape[:1] or self.facts.get("channels") != list(CHANNELS):
            what = f"{self.shape} of {self._patches.dtype}, {self._crc32.size} checksums"
            raise InputError(f"{address}: not a whole store of visible and infrared patches ({what}); prepare it again")

    @classmethod
    def write_grid(
        cls,
        folder: str | Path,
        source: PictureSource,
        size: int = 128,
        stride: int | None = None,
        limit: int | None = None,
        on_damaged: OnDamaged = "raise",
        progress: bool = False,
    ) -> StreamedPatches:
        """Cuts pairs as `PatchPairs.grid` does, and writes the patches as they come; few are in memory at a time.

        Args:
            folder: of the store, ends in ``.zarr``; whole or not at all.
            source: see `PatchPairs.grid`, as all that follow.
            size: see there.
            stride: see there.
            limit: see there.
            on_damaged: see there.
            progress: see there.

        Raises:
            InputError: no pair, or a damaged one; or Zarr is missing.
            OutputError: cannot be written, or something is there.
        """
        pairs, step = plan_grid(source, size, stride, limit, on_damaged)
        zarr = _zarr()

        def cut(number: int, picture: torch.Tensor) -> torch.Tensor:
            return grid_patches(picture, size, step)

        try:
            with fill_beside(folder) as unfinished:
                group = zarr.open_group(str(unfinished), mode="w")
                array = group.create_array(
                    "patches",
                    shape=(0, len(CHANNELS), size, size),
                    chunks=(1, len(CHANNELS), size, size),
                    shards=(_SHARD, len(CHANNELS), size, size),
                    dtype=np.uint8,
                )
                writer = _Writer(array)

                def take(number: int, patches: torch.Tensor) -> None:
                    writer.add(patches.numpy())

                skipped = read_and_cut(pairs, size, cut, take, on_damaged, progress)
                writer.close()
                group.create_array("crc32", data=np.array(writer.crc32, dtype=np.uint32))
                facts = {"layout": "grid", "size": size, "stride": step, "pairs": len(pairs) - len(skipped)}
                facts |= {"skipped": skipped, "channels": list(CHANNELS), "monai_fusion": monai_fusion.__version__}
                group.attrs.update(facts)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
        return cls(folder)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        batch = self.__getitems__([range(len(self))[index]])
        return {"image": batch["image"][0], "index": batch["index"][0]}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        index = torch.as_tensor(indices, dtype=torch.int64)
        wanted, places = np.unique(index.numpy(), return_inverse=True)
        try:
            patches = np.asarray(self._patches.oindex[wanted])
        except Exception as error:  # of the file system's driver and of the codecs, of many kinds
            raise InputError(f"{self.address}: cannot be read ({error!r}); check it, or prepare it again") from error
        for number, patch in zip(wanted, patches):
            if zlib.crc32(patch.tobytes()) != self._crc32[number]:
                raise InputError(f"{self.address}: patch {number} is missing or damaged; copy or prepare it again")
        return {"image": torch.from_numpy(patches[places]).float().div_(255), "index": index}


class _Writer:
    """Appends patches to an array, a whole shard at a time, for a shard is a file that is written at once."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.crc32: list[int] = []
        self._waiting: list[np.ndarray] = []

    def add(self, patches: np.ndarray) -> None:
        self._waiting.extend(patches)
        while len(self._waiting) >= _SHARD:
            self._write(self._waiting[:_SHARD])
            del self._waiting[:_SHARD]

    def close(self) -> None:
        if self._waiting:
            self._write(self._waiting)

    def _write(self, patches: list[np.ndarray]) -> None:
        self.array.append(np.stack(patches))
        self.crc32.extend(zlib.crc32(patch.tobytes()) for patch in patches)


def _zarr() -> Any:
    """
    Raises:
        InputError: it is not installed.
    """
    from monai.utils import optional_import  # here, for it takes long

    zarr, installed = optional_import("zarr", "3")
    if not installed:
        raise InputError("patches in a .zarr store: Zarr 3 is not installed; pip install 'monai-fusion[train]'")
    return zarr
