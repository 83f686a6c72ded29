"""Times the student on a GPU: PyTorch's modules in eager mode, torch.compile, and the Triton kernel, in one run.

    python benchmarks/student_gpu.py

writes `benchmarks/results/student_gpu.json`: ``{shape: {backend: nanoseconds a pixel}}`` in float32 and bfloat16, the
same as ratios to eager mode and to the time that the bytes alone need at the copy rate measured in the same run, the
largest difference to float64, and the latency of one 1280x1024 image as a CUDA graph. Needs torch, Triton and NumPy.
Without a GPU it rehearses itself on a few pixels, with ``TRITON_INTERPRET=1`` and no times worth keeping.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from student import BYTES_A_PIXEL, machine  # puts the package on the path

from monai_fusion.atomic import write_beside
from monai_fusion.inferers.kernels.gpu import GpuStudent
from monai_fusion.networks import FusionStudent

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
SHAPES = {"16x1280x1024": (16, 2, 1024, 1280), "180x256x256": (180, 2, 256, 256)} if GPU else {"1x3x5": (1, 2, 3, 5)}
ONE_IMAGE = (1, 2, 1024, 1280) if GPU else (1, 2, 3, 5)
RUNS = 50 if GPU else 1

PAPER_MS = 0.62  # one 1280x1024 image on an RTX 3090: the paper's Table 3

Program = Callable[[torch.Tensor], torch.Tensor]


def programs(student: FusionStudent, dtype: torch.dtype) -> dict[str, Program]:
    module = FusionStudent().eval()
    module.load_state_dict(student.state_dict())
    module = module.to(DEVICE, dtype)
    return {
        "eager": module,
        "torch.compile": torch.compile(module, dynamic=False),
        "triton": GpuStudent(student.state_dict()),
    }


def seconds(work: Callable[[], object]) -> float:
    """The median over `RUNS` after three to warm up, by the GPU's own clock."""
    for _ in range(3 if GPU else 1):
        work()
    times: list[float] = []
    for _ in range(RUNS):
        if GPU:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / 1e3)
        else:
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def copy_rate() -> float:
    """Bytes a second, read and written."""
    source = torch.rand(1 << 28 if GPU else 1 << 10, device=DEVICE)
    target = torch.empty_like(source)
    return source.numel() * 2 * 4 / seconds(lambda: target.copy_(source))


def latency(program: Program) -> dict[str, float]:
    """Of one image, launched as a CUDA graph: until the host knows that it is there, and on the GPU alone."""
    image = torch.rand(ONE_IMAGE, device=DEVICE)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            program(image)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        program(image)
    times = []
    for _ in range(10 * RUNS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    host = sorted(times)[len(times) // 2]
    return {"host_ms": round(host * 1e3, 4), "gpu_ms": round(seconds(graph.replay) * 1e3, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "student_gpu.json")
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    torch.backends.cudnn.allow_tf32 = False  # eager mode in float32, as the kernel
    student = FusionStudent().eval()
    exact = FusionStudent().eval()
    exact.load_state_dict(student.state_dict())
    exact = exact.double()
    rate = copy_rate()
    result: dict[str, object] = {}
    eager: dict[str, dict[str, float]] = {}
    of_the_bytes: dict[str, dict[str, float]] = {}
    differences: dict[str, float] = {}
    for name, shape in SHAPES.items():
        image = torch.rand(shape)
        pixels = image.numel() // 2
        expected = exact(image[:1].double())
        times: dict[str, float] = {}
        ratios: dict[str, float] = {}
        floors: dict[str, float] = {}
        for dtype in (torch.float32, torch.bfloat16):
            here = image.to(DEVICE, dtype)
            suffix = "" if dtype == torch.float32 else ", bfloat16"
            floor = pixels * BYTES_A_PIXEL / 4 * here.element_size() / rate
            found = {k + suffix: program for k, program in programs(student, dtype).items()}
            took = {k: seconds(lambda program=program, here=here: program(here)) for k, program in found.items()}
            times |= {k: round(t / pixels * 1e9, 5) for k, t in took.items()}
            ratios |= {k: round(took["eager" + suffix] / t, 2) for k, t in took.items()}
            floors |= {k: round(t / floor, 2) for k, t in took.items()}
            for k, program in found.items():
                error = (program(here)[:1].cpu().double() - expected).abs().max().item()
                differences[k] = max(differences.get(k, 0.0), error)
        result[name], eager[name], of_the_bytes[name] = times, ratios, floors
    result["times_faster_than_eager"] = eager
    result["times_of_the_bytes_alone"] = of_the_bytes
    result["difference_to_float64"] = differences
    result["copy_gigabytes_a_second"] = round(rate / 1e9, 1)
    if GPU:
        found = programs(student, torch.float32)
        result["one_1280x1024"] = {k: latency(found[k]) for k in ("eager", "triton")} | {"paper_ms": PAPER_MS}
    result["machine"] = {**machine(), "triton": importlib.metadata.version("triton")}

    if GPU:
        with write_beside(args.output) as path:
            path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
