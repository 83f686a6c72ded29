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

BACKENDS = ("auto", "module", "numba", "triton")

#: Pixels from which the CPU's kernel wins although Numba must be loaded first: ``worth_loading`` in
#: `benchmarks/results/student.json`, rounded (`make bench-student`).
_WORTH_LOADING = 4_000_000

Fuse = Callable[..., torch.Tensor]


def choose_backend(backend: str, network: Callable[..., Any], image: torch.Tensor) -> tuple[Fuse, str]:
    """What to call in place of `network` on slices ``(N, 2, H, W)`` of `image`, and its name.

    Args:
        backend: one of `BACKENDS`. ``"auto"`` takes a kernel for a student: on the CPU in float32, if the image is
            large enough, where Numba is installed; on the GPU in float32, float16 or bfloat16, where Triton can
            compile. The same input always gets the same.
        network: the network.
        image: the whole input, for its device, type and size.

    Raises:
        InputError: a kernel was asked for and cannot run this.
    """
    if backend == "module":
        return network, "module"
    name = backend if backend != "auto" else "triton" if image.device.type == "cuda" else "numba"
    device, dtypes, open_kernel, missing = _KERNELS[name]
    fits = type(network) is FusionStudent and image.device.type == device and image.dtype in dtypes
    if backend != "auto":
        if not fits:
            types = ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
            where = "GPU" if device == "cuda" else "CPU"
            raise InputError(f"backend {name}: runs a FusionStudent on the {where} in {types}; choose auto or module")
        if importlib.util.find_spec(name) is None:
            raise InputError(f"backend {name}: not installed; {missing}")
        return open_kernel(network), name
    if not fits or (device == "cpu" and image.numel() // 2 < _WORTH_LOADING):
        return network, "module"
    if importlib.util.find_spec(name) is None:
        warnings.warn(f"slow: there is no {name} for the compiled kernel; {missing}", stacklevel=2)
        return network, "module"
    try:
        return open_kernel(network), name
    except Exception as error:  # a compiler fails in many ways: no C compiler, an old GPU, a folder it cannot write
        warnings.warn(f"slow: {name} cannot compile the kernel here ({error})", stacklevel=2)
        return network, "module"


def _open_cpu(student: FusionStudent) -> Fuse:
    from monai_fusion.inferers.kernels.cpu import CpuStudent

    kernel = CpuStudent(student.state_dict())

    def fuse(slices: torch.Tensor) -> torch.Tensor:
        first, second = slices.unbind(dim=1)
        return torch.from_numpy(kernel(first.numpy(), second.numpy()))[:, None]

    return fuse


def _open_gpu(student: FusionStudent) -> Fuse:
    from monai_fusion.inferers.kernels.gpu import GpuStudent

    kernel = GpuStudent(student.state_dict())
    kernel(torch.zeros(1, 2, 3, 3, device="cuda"))  # what cannot be compiled fails here
    return kernel


#: Where each kernel runs, on what, how to open it, and what to do where its compiler is missing.
_KERNELS: dict[str, tuple[str, tuple[torch.dtype, ...], Callable[[Any], Fuse], str]] = {
    "numba": ("cpu", (torch.float32,), _open_cpu, "pip install 'monai-fusion[fast]'"),
    "triton": (
        "cuda", (torch.float32, torch.float16, torch.bfloat16), _open_gpu, "it comes with PyTorch's builds for GPUs",
    ),
}  # fmt: skip
