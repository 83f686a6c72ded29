"""Times the student as PyTorch runs it, on the CPU and on the GPU if there is one, and checks that they agree.

    python benchmarks/student.py --output benchmarks/results/student_eager.json

Writes nanoseconds a pixel, {device: {shape: ns}}, the largest difference between the devices, and what it ran on. Needs
torch alone, so that it runs where MONAI is not installed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.networks import FusionStudent

SHAPES = {"256x256": (1, 2, 256, 256), "1280x1024": (1, 2, 1024, 1280), "180x256x256": (180, 2, 256, 256)}
REPEATS = 7


def seconds(student: FusionStudent, image: torch.Tensor) -> float:
    """The median of several runs, after one to warm up."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        student(image)
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[REPEATS // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    student = FusionStudent().eval()
    images = {name: torch.rand(shape) for name, shape in SHAPES.items()}
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    nanoseconds = {
        device: {
            name: round(seconds(student.to(device), image.to(device)) / (image.numel() / 2) * 1e9, 3)
            for name, image in images.items()
        }
        for device in devices
    }
    small = images["256x256"]
    reference = student.double().cpu()(small.double())
    student.float()
    difference = {d: float((student.to(d)(small.to(d)).cpu() - reference).abs().max()) for d in devices}
    result = {
        "nanoseconds_a_pixel": nanoseconds,
        "largest_difference_to_float64": difference,
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "torch": torch.__version__,
            "date": time.strftime("%Y-%m-%d"),
        },
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    beside = args.output.with_suffix(".partial")
    beside.write_text(json.dumps(result, indent=2) + "\n")
    beside.replace(args.output)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
