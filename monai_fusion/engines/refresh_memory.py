"""The dynamic refresh's memory: for every training patch the best outputs so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ignite.distributed as idist
import torch
from monai.metrics.regression import compute_ssim_and_cs

from monai_fusion.errors import InputError
from monai_fusion.metrics.gmsd import compute_gmsd

__all__ = ["Records", "RefreshMemory", "ssim_score"]

_STORAGE = {"float16": torch.float16, "uint8": torch.uint8}


def ssim_score(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    """S of the paper: the SSIM to either source, summed; Gaussian window 11x11, sigma 1.5, no padding, range 1.

    Args:
        fused: ``(N, 1, H, W)``, H and W at least 11.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, -2 to 2, higher is better.
    """
    total = fused.new_zeros(len(fused))
    for source in (source_a, source_b):
        similarity, _ = compute_ssim_and_cs(
            fused, source, spatial_dims=2, data_range=1.0, kernel_size=(11, 11), kernel_sigma=(1.5, 1.5)
        )
        total = total + similarity.flatten(1).mean(dim=1)
    return total


@dataclass(frozen=True)
class Records:
    """What `RefreshLoss` takes: the records of a batch ``(N, 1, H, W)`` and by how much each is better ``(N,)``."""

    best_ssim: torch.Tensor
    best_gmsd: torch.Tensor
    ssim_gap: torch.Tensor
    gmsd_gap: torch.Tensor


class RefreshMemory:
    """Keeps, by patch index, the output with the best SSIM and that with the best GMSD, and their scores.

    Under `torch.distributed` every rank keeps all records: the outputs of a step are gathered, so a patch finds its
    record whichever rank it comes to, and decisions are those of one process with the whole batch.

    Args:
        patches: how many the training set has.
        decision: ``"patch"`` (the paper): each patch keeps or replaces its own record. ``"batch"`` (the published
            program): where the batch's mean score is better than its records' mean, all are replaced, else all are
            kept and the gap is that of the means.
        gap_factor: the gaps are multiplied by this (1 in the paper, 10 in the published program).
        storage: ``"float16"``, or ``"uint8"`` for values clipped to [0, 1]. 16,000 patches of 128x128 take 0.98 or
            0.49 GiB. They lie on the device of the outputs where half of its free memory is enough, else in (pinned)
            host memory.
    """

    def __init__(
        self, patches: int, decision: str = "patch", gap_factor: float = 1.0, storage: str = "float16"
    ) -> None:
        if decision not in ("patch", "batch") or storage not in _STORAGE:
            raise InputError(
                f"refresh memory: decision={decision!r} (patch, batch), storage={storage!r}"
                f" ({', '.join(_STORAGE)}): choose one of those in brackets"
            )
        self.decision, self.gap_factor, self.storage = decision, gap_factor, storage
        self.scores = {"ssim": torch.full((patches,), torch.nan), "gmsd": torch.full((patches,), torch.nan)}
        self.images: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def refresh(
        self, index: torch.Tensor, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor
    ) -> Records:
        """Scores a batch of outputs against its records, and replaces those it beats.

        Args:
            index: of the patches, ``(N,)`` integers.
            fused: their outputs ``(N, 1, H, W)``.
            source_a: the same shape.
            source_b: the same shape.

        Returns:
            The records as they are afterwards. A patch met for the first time has its own output and no gap.
        """
        fused = fused.detach().float()
        current = {
            "ssim": ssim_score(fused, source_a, source_b),
            "gmsd": compute_gmsd(fused * 255, source_a * 255, source_b * 255),
        }
        first, count = idist.get_rank() * len(index), len(index)
        if idist.get_world_size() > 1:
            index, fused = _gather(index), _gather(fused)
            current = {name: _gather(score) for name, score in current.items()}
        if not self.images:
            self._allocate(fused)
        own = slice(first, first + count)
        found = {}
        for name, better in (("ssim", 1), ("gmsd", -1)):
            gap = self._replace(name, index, fused, current[name], better)
            found[name] = self._read(name, index[own], fused), gap[own]
        return Records(found["ssim"][0], found["gmsd"][0], found["ssim"][1], found["gmsd"][1])

    def _replace(
        self, name: str, index: torch.Tensor, fused: torch.Tensor, score: torch.Tensor, better: int
    ) -> torch.Tensor:
        """Updates one kind of record and returns the gaps that remain."""
        home = self.images[name].device
        where = index.to(home)
        record = self.scores[name][where].to(score.device)
        gap = (record - score) * better  # NaN: never met
        if self.decision == "batch":
            gap = gap.nanmean().expand_as(gap).where(~gap.isnan(), gap)
        replaced = ~(gap > 0)
        chosen = replaced.to(home)
        self.scores[name][where[chosen]] = score[replaced].to(home)
        self.images[name][where[chosen]] = self._encode(fused[replaced]).to(home)
        return torch.where(replaced, 0, gap * self.gap_factor)

    def _encode(self, image: torch.Tensor) -> torch.Tensor:
        if self.storage == "uint8":
            return (image.clamp(0, 1) * 255).round().to(torch.uint8)
        return image.to(torch.float16)

    def _read(self, name: str, index: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        stored = self.images[name][index.to(self.images[name].device)].to(like.device, torch.float32)
        return stored / 255 if self.storage == "uint8" else stored

    def _allocate(self, fused: torch.Tensor) -> None:
        shape = (len(self.scores["ssim"]), *fused.shape[1:])
        dtype = _STORAGE[self.storage]
        pinned, home = False, fused.device
        if fused.is_cuda:
            needed = 2 * torch.Size(shape).numel() * dtype.itemsize
            if needed > torch.cuda.mem_get_info(fused.device)[0] / 2:
                pinned, home = True, torch.device("cpu")
        for name in self.scores:
            self.images[name] = torch.zeros(shape, dtype=dtype, device=home, pin_memory=pinned)
            self.scores[name] = self.scores[name].to(home)

    def state_dict(self) -> dict[str, Any]:
        """Scores and images, for a checkpoint."""
        return {"scores": dict(self.scores), "images": dict(self.images), "storage": self.storage}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Raises:
            InputError: of another training set, or stored in another precision.
        """
        patches = len(self.scores["ssim"])
        if len(state["scores"]["ssim"]) != patches or state["storage"] != self.storage:
            raise InputError(
                f"the checkpoint's refresh memory has {len(state['scores']['ssim'])} patches as {state['storage']}, "
                f"this run {patches} as {self.storage}; resume with the settings it was begun with"
            )
        self.scores, self.images = dict(state["scores"]), dict(state["images"])


def _gather(tensor: torch.Tensor) -> torch.Tensor:
    """The tensors of all ranks, one behind the other."""
    gathered = idist.all_gather(tensor.contiguous())
    assert isinstance(gathered, torch.Tensor)
    return gathered
