"""Times a training step as this project does it beside the straightforward way, in one run, and compares the losses.

    make bench-training

writes `benchmarks/results/training_step.json`. The straightforward way is the paper's text typed in: one VGG pass from
the input for each of the five taps and each image, nothing frozen (so the sources' features come with a graph and VGG's
weights with gradients), and the records of the refresh, with their scores, in NumPy float64 on the host. Both run the
same student (distilled from the same teacher) or teacher, on the same patches, with the same records, all of which are
better than the outputs: the refresh costs most then. Needs ../shared, or --patches and --vgg of one's own.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import convolve, correlate1d
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.data.patches import PatchPairs, open_patches
from monai_fusion.engines import DistillationObjective, RefreshMemory, TargetCache
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.losses import (
    ComprehensiveLoss,
    DistillationLoss,
    FusionPerceptualLoss,
    GradientLoss,
    IntensityLoss,
    RefreshLoss,
)
from monai_fusion.networks import ForwardStages, FusionStudent, FusionTeacher, VGGFeatures, open_vgg

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
REPEATS = 3
Step = Callable[[torch.Tensor, torch.Tensor], float]


class Straightforward:
    """The total loss, a step of it, and the records, as one would type them in."""

    def __init__(self, network: nn.Module, vgg: VGGFeatures, teacher: nn.Module | None) -> None:
        self.network, self.teacher = network, teacher
        self.vgg = copy.deepcopy(vgg).requires_grad_(True)
        self.weights = (0.5, 0.05) if teacher is not None else (2.0, 0.1)
        self.records: dict[int, tuple[np.ndarray, float, float]] = {}
        self.optimizer = torch.optim.Adam(network.parameters(), lr=0.0)

    def tap(self, image: torch.Tensor, block: int) -> torch.Tensor:
        return self.vgg(image, blocks=(block,))[0]

    def distance(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x - y).square().mean(dim=(1, 2, 3))

    def __call__(self, image: torch.Tensor, index: torch.Tensor) -> float:
        a, b = image[:, :1], image[:, 1:]
        self.optimizer.zero_grad()
        self.vgg.zero_grad()
        maps, fused = self.network.forward_features(image)
        kernel = torch.full((1, 1, 3, 3), 1 / 8, device=image.device)
        kernel[0, 0, 1, 1] = -1
        target = torch.maximum(a, b)
        loss = self.weights[0] * (fused - target).abs().mean()
        edges = F.conv2d(fused, kernel, padding=1) - F.conv2d(target, kernel, padding=1)
        loss = loss + self.weights[1] * edges.square().mean()
        for block in range(1, 6):
            strongest = torch.maximum(self.tap(a, block), self.tap(b, block))
            loss = loss + self.distance(self.tap(fused, block), strongest).mean() / 5
        if self.teacher is not None:
            expected = self.teacher.forward_features(image)
            for student, teacher in zip((maps, fused), expected):
                s, t = (F.normalize(x.sum(dim=1).flatten(1)) for x in (student, teacher))
                loss = loss + 5 / 2 * (t - s).norm(dim=1).mean()
        loss = loss + self.refresh(fused, a, b, index, kernel)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def refresh(
        self, fused: torch.Tensor, a: torch.Tensor, b: torch.Tensor, index: torch.Tensor, kernel: torch.Tensor
    ) -> torch.Tensor:
        f, s, t = (x.detach().cpu().numpy().astype(np.float64)[:, 0] for x in (fused, a, b))
        gaps = []
        for n, i in enumerate(index.tolist()):
            ssim = sum(host_ssim(f[n], x[n]) for x in (s, t))
            gmsd = sum(host_gmsd(f[n], x[n]) for x in (s, t))
            if i not in self.records:
                self.records[i] = (f[n], ssim, gmsd)
            gaps.append((max(0.0, self.records[i][1] - ssim), max(0.0, gmsd - self.records[i][2])))
        best = torch.tensor(np.stack([self.records[i][0] for i in index.tolist()])[:, None]).to(fused)
        gap = torch.tensor(gaps).to(fused)
        loss_s = sum(self.distance(self.tap(fused, i), self.tap(best, i)) / 2 for i in (4, 5))
        loss_s = loss_s + (fused - best).abs().mean(dim=(1, 2, 3))
        loss_g = sum(self.distance(self.tap(fused, i), self.tap(best, i)) / 3 for i in (1, 2, 3))
        edges = F.conv2d(fused, kernel, padding=1) - F.conv2d(best, kernel, padding=1)
        loss_g = loss_g + edges.square().mean(dim=(1, 2, 3))
        return (gap[:, 0] * loss_s + gap[:, 1] * loss_g).mean()


def host_ssim(x: np.ndarray, y: np.ndarray) -> float:
    window = np.exp(-(np.arange(-5, 6) ** 2) / 2 / 1.5**2)
    window /= window.sum()

    def mean(image: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(image, window, axis=0), window, axis=1)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return float(((2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean())


def host_gmsd(x: np.ndarray, y: np.ndarray) -> float:
    strengths = []
    for image in (x, y):
        halved = 255 * (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
        prewitt = np.repeat([[1, 0, -1]], 3, axis=0) / 3
        across, down = (convolve(halved, k, mode="constant") for k in (prewitt, prewitt.T))
        strengths.append(np.hypot(across, down))
    similarity = (2 * strengths[0] * strengths[1] + 170) / (strengths[0] ** 2 + strengths[1] ** 2 + 170)
    return float(similarity.std())


def ours(network: FusionStudent | FusionTeacher, vgg: VGGFeatures, teacher: nn.Module | None, cached: bool) -> Step:
    weights = (0.5, 0.05) if teacher is not None else (2.0, 0.1)
    parts = IntensityLoss(), GradientLoss(), FusionPerceptualLoss(vgg)
    objective = DistillationObjective(
        ComprehensiveLoss(*parts, *weights),
        distillation=DistillationLoss(),
        distillation_weight=5.0 if teacher is not None else 0.0,
        teacher=teacher,
        refresh=RefreshLoss(vgg),
        memory=RefreshMemory(1000),
        target_cache=TargetCache(1000) if cached else None,
    ).to(next(network.parameters()).device)
    stages, optimizer = ForwardStages(network), torch.optim.Adam(network.parameters(), lr=0.0)

    def step(image: torch.Tensor, index: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss = objective(stages, {"image": image, "index": index})["loss"]
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def measure(kind: str, image: torch.Tensor, index: torch.Tensor, vgg: VGGFeatures) -> dict[str, dict[str, float]]:
    """Seconds a step and its loss: {way: {seconds, loss}}."""
    torch.manual_seed(0)
    device = image.device
    network = (FusionStudent() if kind == "student" else FusionTeacher()).to(device)
    teacher = FusionTeacher().to(device) if kind == "student" else None
    ways: dict[str, Step] = {
        "straightforward": Straightforward(network, vgg, teacher),
        "monai_fusion": ours(network, vgg, teacher, cached=False),
        "monai_fusion, targets cached": ours(network, vgg, teacher, cached=True),
    }
    original = copy.deepcopy(network.state_dict())
    result = {}
    for name, step in ways.items():
        with torch.no_grad():
            network.output.weight.mul_(0.1)
        step(image, index)  # what is recorded
        network.load_state_dict(original)
        losses = [step(image, index)]
        times = []
        for _ in range(REPEATS):
            if image.is_cuda:
                torch.cuda.synchronize()
            start = time.perf_counter()
            losses.append(step(image, index))
            if image.is_cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        result[name] = {"seconds": sorted(times)[REPEATS // 2], "loss": losses[-1]}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patches", default=str(SHARED / "data" / "ivif_train" / "llvip_full"))
    parser.add_argument("--vgg", default=str(SHARED / "weights" / "vgg16_imagenet_fp16.npz"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "training_step.json")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    patches: PatchPairs = open_patches(args.patches, limit=None if args.patches.endswith(".npy") else 4)
    spread = torch.arange(0, len(patches), max(1, len(patches) // args.batch))[: args.batch]
    batch = patches.__getitems__(spread.tolist())
    image, index = batch["image"].to(device), torch.arange(args.batch, device=device)
    vgg = open_vgg(args.vgg).to(device)
    results = {kind: measure(kind, image, index, vgg) for kind in ("teacher", "student")}
    for kind, ways in results.items():
        first = ways["straightforward"]
        for name, way in ways.items():
            way["ratio"] = first["seconds"] / way["seconds"]
            print(f"{kind:8} {name:30} {way['seconds']:.3f} s a step  {way['ratio']:.2f}x  loss {way['loss']:.6f}")
            if abs(way["loss"] - first["loss"]) > 1e-4 * abs(first["loss"]):
                raise SystemExit(f"{kind}, {name}: another loss than {first['loss']}")
    report = {"machine": describe_machine(), "batch": args.batch, "patch": image.shape[-1], "steps": results}
    args.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
