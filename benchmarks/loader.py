"""Times the loader of training patches against one training step of the student at its cheapest.

    python benchmarks/loader.py --source ../shared/data/ivif_train/llvip_full

writes `benchmarks/results/loader.json`: milliseconds a batch of 26 patches of 128x128 from memory, from a prepared file
and from a Zarr store, milliseconds of a student step with the L1 loss alone (every other loss only makes the step
longer), the seconds it takes to prepare the patches, and the machine. Runs on a GPU where there is one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, DistributedSampler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.student import machine
from monai_fusion.atomic import write_beside
from monai_fusion.data.patches import PatchPairs, pass_batch
from monai_fusion.data.streamed_patches import StreamedPatches
from monai_fusion.networks import FusionStudent

BATCH, PATCHES, EPOCHS = 26, 2000, 3


def loading(patches: PatchPairs | StreamedPatches) -> float:
    """Milliseconds a batch, the median of some epochs after one to warm up."""
    sampler = DistributedSampler(patches, num_replicas=1, rank=0, drop_last=True)
    loader = DataLoader(patches, BATCH, sampler=sampler, drop_last=True, collate_fn=pass_batch)
    times = []
    for epoch in range(EPOCHS + 1):
        sampler.set_epoch(epoch)
        start = time.perf_counter()
        for _ in loader:
            pass
        times.append((time.perf_counter() - start) / len(loader) * 1e3)
    return sorted(times[1:])[EPOCHS // 2]


def stepping(image: torch.Tensor) -> float:
    """Milliseconds a step on a batch already at hand, the median of some after one to warm up."""
    student = FusionStudent().to(image.device)
    optimizer = torch.optim.Adam(student.parameters(), 1e-4)
    times = []
    for _ in range(11):
        start = time.perf_counter()
        optimizer.zero_grad()
        (student(image) - image.amax(1, keepdim=True)).abs().mean().backward()
        optimizer.step()
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times[1:])[5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder with infrared/visible pairs")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "loader.json")
    args = parser.parse_args()

    start = time.perf_counter()
    patches = PatchPairs.grid(args.source)
    seconds = time.perf_counter() - start
    prepared = {"patches": len(patches), "pairs": patches.facts["pairs"], "seconds": round(seconds, 3)}
    patches = PatchPairs(patches.patches[:PATCHES].clone(), patches.facts)
    with tempfile.TemporaryDirectory() as folder:
        patches.save(f"{folder}/patches.npy")
        loads = {"memory": loading(patches), "file": loading(PatchPairs.load(f"{folder}/patches.npy"))}
        loads["store"] = loading(StreamedPatches.write_grid(f"{folder}/patches.zarr", args.source))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    image = next(iter(DataLoader(patches, BATCH, collate_fn=pass_batch)))["image"].to(device)
    result = {
        "prepared": prepared,
        "milliseconds_a_batch": {name: round(ms, 3) for name, ms in loads.items()},
        "samples_a_second": {name: round(BATCH / ms * 1e3) for name, ms in loads.items()},
        "student_step_milliseconds": round(stepping(image), 3),
        "machine": machine(),
    }
    with write_beside(args.output) as path:
        path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
