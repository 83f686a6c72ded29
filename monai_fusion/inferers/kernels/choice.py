"""Which program computes the network: the module itself, or a kernel that gives the same numbers faster."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import torch

from monai_fusion.errors import InputError
from monai_fusion.networks import FusionStudent

__all__ = ["BACKENDS", "choose_backend"]

BACKENDS = ("auto", "module", "numba")

#: Pixels from which the kernel wins although Numba must be loaded first: about a second, against some 70 ns a pixel
#: that it saves (`make bench-student`, two cores of an AMD EPYC, 2026-11-23).
_WORTH_LOADING = 15_000_000


def choose_backend(
    backend: str, network: Callable[..., Any], image: torch.Tensor
) -> tuple[Callable[..., torch.Tensor], str]:
    """What to call in place of `network` on slices ``(N, 2, H, W)`` of `image`, and its name.

    Args:
        backend: one of `BACKENDS`. ``"auto"`` takes the kernel for a student, on the CPU, in float32, where Numba is
            installed and the image is large enough; the same input always gets the same.
        network: the network.
        image: the whole input, for its device, type and size.

    Raises:
        InputError: ``"numba"`` was asked for and cannot run this.
    """
    if backend == "module":
        return network, "module"
    fits = type(network) is FusionStudent and image.device.type == "cpu" and image.dtype == torch.float32
    installed = importlib.util.find_spec("numba") is not None
    if backend == "auto":
        if not fits or image.numel() // 2 < _WORTH_LOADING:
            return network, "module"
        if not installed:
            warnings.warn("slow: pip install 'monai-fusion[fast]' for the compiled kernel", stacklevel=2)
            return network, "module"
    elif not fits:
        raise InputError("backend numba: runs a FusionStudent on the CPU in float32 only; choose auto or module")
    elif not installed:
        raise InputError("backend numba: Numba is not installed; pip install 'monai-fusion[fast]'")

    from monai_fusion.inferers.kernels.cpu import CpuStudent

    kernel = CpuStudent(network.state_dict())  # type: ignore[attr-defined]

    def fuse(slices: torch.Tensor) -> torch.Tensor:
        first, second = slices.unbind(dim=1)
        return torch.from_numpy(kernel(first.numpy(), second.numpy()))[:, None]

    return fuse, "numba"
