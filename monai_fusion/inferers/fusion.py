"""Fusing a volume slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import SliceInferer
from tqdm import tqdm

from monai_fusion.errors import InputError
from monai_fusion.inferers.kernels.choice import BACKENDS, choose_backend
from monai_fusion.slices import SlicePlan

__all__ = ["FusionInferer"]


class FusionInferer(SliceInferer):
    """Applies a 2-D fusion network to a picture, or to every slice of a volume.

    As `SliceInferer` with whole slices, with three differences: each slice reaches the network in the radiologist's
    display orientation (see `SlicePlan`), so that the result does not depend on how the volume was stored; only
    `sw_batch_size` slices are turned and computed at a time, and beside the input and the output no volume is
    allocated; and the slices are those of the acquisition unless told otherwise.

    Args:
        axis: ``"acquisition"`` (the input's metadata ``slice_axis``, else the axis of the coarsest spacing, else
            axial), ``"axial"``, ``"coronal"``, ``"sagittal"``, or an array axis 0, 1, 2.
        sw_batch_size: slices a call of the network. The result does not depend on it.
        progress: show a progress bar.
        backend: ``"module"`` calls the network as it is; ``"numba"`` runs a `FusionStudent` on the CPU in one compiled
            pass (float32, to 1e-5), ``"triton"`` on the GPU in one launch; ``"auto"`` takes what fits and is worth its
            loading (`choose_backend`). What was taken stands in `used_backend` afterwards.

    Raises:
        InputError: no such axis or backend, or no slices a call.

    Shape:
        Input ``(N, 2, H, W)`` or ``(N, 2, I, J, K)``, output ``(N, 1, ...)`` on the same grid and device. A
        `MetaTensor` gives a `MetaTensor` with its metadata; a plain tensor is taken as stored in RAS, equally spaced.
    """

    def __init__(
        self, axis: str | int = "acquisition", sw_batch_size: int = 8, progress: bool = False, backend: str = "auto"
    ) -> None:
        super().__init__(roi_size=(-1, -1), sw_batch_size=sw_batch_size, progress=progress)
        SlicePlan.for_volume(np.eye(4), axis)  # a wrong axis is refused before anything is read
        if not isinstance(sw_batch_size, int) or sw_batch_size < 1:
            raise InputError(f"sw_batch_size {sw_batch_size!r}: give a whole number of slices, 1 or more")
        if backend not in BACKENDS:
            raise InputError(f"backend {backend!r}: choose one of {', '.join(BACKENDS)}")
        self.axis = axis
        self.backend = backend
        self.used_backend: str | None = None

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """
        Raises:
            InputError: slices of fewer than 3x3 pixels along this axis.
        """
        plain = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        compute, self.used_backend = choose_backend(self.backend, network, plain)
        with torch.no_grad():
            if plain.ndim == 4:
                fused = compute(plain, *args, **kwargs)
            else:
                fused = torch.empty_like(plain[:, :1])
                for i, volume in enumerate(plain):
                    self._fuse_volume(volume, fused[i], self._plan(inputs, i), lambda x: compute(x, *args, **kwargs))
        if isinstance(inputs, MetaTensor):
            return MetaTensor(fused, meta=inputs.meta, applied_operations=inputs.applied_operations)
        return fused

    def _plan(self, inputs: torch.Tensor, i: int) -> SlicePlan:
        """How to cut the volume that is item `i` of the batch."""
        if not isinstance(inputs, MetaTensor):
            return SlicePlan.for_volume(np.eye(4), self.axis)
        affine = torch.as_tensor(inputs.affine).reshape(-1, 4, 4)
        acquired = torch.as_tensor(inputs.meta.get("slice_axis", -1)).reshape(-1)
        known = int(acquired[min(i, len(acquired) - 1)])
        matrix = affine[min(i, len(affine) - 1)].cpu().numpy()
        return SlicePlan.for_volume(matrix, self.axis, known if known >= 0 else None)

    def _fuse_volume(
        self,
        volume: torch.Tensor,
        fused: torch.Tensor,
        plan: SlicePlan,
        network: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        rows, columns, count = (volume.shape[a + 1] for a in (plan.rows, plan.columns, plan.axis))
        if min(rows, columns) < 3:
            raise InputError(
                f"slices along array axis {plan.axis} have {columns}x{rows} pixels, "
                "and fusion needs 3x3; choose another axis"
            )
        starts = range(0, count, self.sw_batch_size)
        for start in tqdm(starts, desc="fusing", unit="chunk") if self.progress else starts:
            slices = plan.take(volume, start, min(start + self.sw_batch_size, count))
            if slices.stride(-1) != 1:  # the pixels of a row lie apart
                slices = slices.contiguous()
            plan.put(network(slices), fused, start)
