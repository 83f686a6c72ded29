"""The Triton kernel: its numbers by Triton's interpreter on the CPU, its translation for GPUs by Triton's compiler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.networks import FusionStudent

pytest.importorskip("triton", reason="Triton has wheels for Linux on x86-64")

#: Widths about a lane's eight pixels and a program's 256, several strips of rows, every storage type.
CASES = {
    "smallest": (6, (1, 3, 3), "float32"),
    "several strips": (2, (1, 9, 9), "float32"),
    "two programs a row": (4, (1, 3, 263), "float32"),
    "half": (2, (1, 3, 5), "float16"),
    "batch of bfloat16": (2, (2, 3, 8), "bfloat16"),
    "permuted volume": (2, (2, 3, 7), "float32"),
}
LIMITS = {"float32": 1e-6, "float16": 3e-4, "bfloat16": 2**-8}  # the interpreter cuts bits off, a GPU rounds

INTERPRETED = """if True:
    import json, sys, torch
    from monai_fusion.inferers.kernels.gpu import GpuStudent
    from monai_fusion.networks import FusionStudent

    torch.set_grad_enabled(False)
    found = {}
    for name, (hidden, (n, h, w), dtype) in json.loads(sys.argv[1]).items():
        torch.manual_seed(0)
        student, image = FusionStudent(hidden), torch.rand(n, 2, h, w) * 8 - 4
        image, out = image.to(getattr(torch, dtype)), None
        if name == "permuted volume":
            image = image.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
            out = torch.empty(h, w, n).permute(2, 0, 1)[:, None]
        fused = GpuStudent(student.state_dict())(image, out)
        exact = student.double()(image.double())
        assert fused.dtype == image.dtype and (out is None or fused is out)
        found[name] = (fused.double() - exact).abs().max().item()
    image = torch.rand(1, 2, 3, 6)
    image[0, 1, 0, 1] = torch.nan
    student = student.float()
    fused = GpuStudent(student.state_dict())(image)
    assert torch.equal(fused.isnan(), student(image).isnan())
    print(json.dumps(found))
"""

COMPILED = """if True:
    import json
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from monai_fusion.inferers.kernels.gpu import _fuse

    constants = {"CHANNELS": 2, "LANES": 32, "TAIL": 0, "column_stride": 1, "out_column_stride": 1}
    kinds = {"image": "*fp32", "out": "*fp32", "weights": ("fp32",) * 57, **dict.fromkeys(constants, "constexpr")}
    odd = {"weights", "rows", *constants}
    source = ASTSource(
        _fuse,
        signature={name: kinds.get(name, "i32") for name in _fuse.arg_names},
        constexprs={(_fuse.arg_names.index(name),): value for name, value in constants.items()},
        attrs={(i,): [["tt.divisibility", 16]] for i, name in enumerate(_fuse.arg_names) if name not in odd},
    )
    target = GPUTarget("cuda", 90, 32)
    compiled = triton.compile(source, target=target, options={"num_warps": 1})
    ptx = compiled.asm["ptx"]
    print(json.dumps([len(compiled.asm["cubin"]), compiled.metadata.shared, ptx.count("fma.rn.f32"), "local" in ptx]))
"""


def run(program: str, *arguments: str, **environment: str) -> Any:
    """What a program prints: Triton reads its environment when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_equals_the_module() -> None:
    """Of random weights and values far outside [0, 1], to the precision of what is stored; NaN stays NaN."""
    found = run(INTERPRETED, json.dumps(CASES), TRITON_INTERPRET="1")
    assert {name: error for name, error in found.items() if not error < LIMITS[CASES[name][-1]]} == {}


def test_compiles_for_a_gpu() -> None:
    """What the interpreter takes the compiler may refuse. Nothing but the sources and the output is in memory."""
    size, shared, multiply_adds, local = run(COMPILED)
    assert size > 0
    assert (shared, local) == (0, False)
    assert multiply_adds >= 2 * (10 * 18 + 8 * 9)  # a lane and row: ten hidden pixels, eight of the output


def test_refuses_what_it_cannot_run() -> None:
    from monai_fusion.inferers.kernels.gpu import GpuStudent

    with pytest.raises(InputError, match="H and W >= 3"):
        GpuStudent(FusionStudent().state_dict())(torch.zeros(1, 2, 2, 8))
