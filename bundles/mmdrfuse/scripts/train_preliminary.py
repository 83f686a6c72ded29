"""Trains the preliminary student that `models/model.pt` holds until the distillation workflow replaces it.

Infrared/visible pairs only, no teacher, no refresh: the intensity and gradient terms of the paper's comprehensive loss
(target: the per-pixel maximum of the sources), Adam, on random crops. Each crop is given a random gain and offset,
a random order of the two sources and, half of the time, a black surround, because medical pictures lie on black.
Black in both sources is asked to stay black by a term of its own. Ten minutes on two CPU cores:

    python bundles/mmdrfuse/scripts/train_preliminary.py --pairs ../shared/data/ivif_train/llvip_256 \
        --output bundles/mmdrfuse/models/model.pt

The pairs are pictures that hold the visible image in their left half and the infrared image in their right half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from monai_fusion.networks import FusionStudent

CROP = 128


def load_pairs(folder: Path) -> torch.Tensor:
    """All pairs of a folder as one ``(N, 2, H, W)`` uint8 tensor: visible, infrared."""
    pairs = []
    for path in sorted(folder.glob("*.jpg")):
        grey = np.asarray(Image.open(path).convert("L"))
        half = grey.shape[1] // 2
        pairs.append(np.stack([grey[:, :half], grey[:, half:]]))
    if not pairs:
        raise SystemExit(f"{folder}: no .jpg pairs in this folder")
    return torch.from_numpy(np.stack(pairs))


def random_crops(pairs: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """``(count, 2, CROP, CROP)`` float crops in [0, 1], augmented as the module's docstring says."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, 2, 1, 1, generator=generator)

    def integer(high: int) -> int:
        return int(torch.randint(high, (1,), generator=generator))

    batch = torch.empty(count, 2, CROP, CROP)
    grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, CROP)] * 2, indexing="ij"))
    for crop in batch:
        pair = pairs[integer(len(pairs))]
        top, left = (integer(size - CROP + 1) for size in pair.shape[-2:])
        crop.copy_(pair[:, top : top + CROP, left : left + CROP].float() / 255)
        if integer(2):
            crop.copy_(crop.flip(0))
    batch = (batch * uniform(0.5, 1.5) + uniform(-0.3, 0.1)).clamp(0, 1)
    radius = 0.5 + 0.7 * torch.rand(count, 1, 1, generator=generator)
    inside = (grid.square().sum(0) < radius.square()) | (torch.rand(count, 1, 1, generator=generator) < 0.5)
    return batch * inside[:, None]


def gradient(image: torch.Tensor) -> torch.Tensor:
    """The published program's gradient: mean of the eight neighbours minus the pixel, zero padding."""
    kernel = torch.full((1, 1, 3, 3), 1 / 8)
    kernel[..., 1, 1] = -1
    return F.conv2d(image, kernel, padding=1)


def train(pairs: torch.Tensor, steps: int, batch: int, seed: int) -> FusionStudent:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    student = FusionStudent()
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=steps)
    black = torch.zeros(1, 2, 3, 3)
    for step in range(steps):
        sources = random_crops(pairs, batch, generator)
        target = sources.amax(dim=1, keepdim=True)
        fused = student(sources)
        intensity = F.l1_loss(fused, target)
        detail = F.mse_loss(gradient(fused), gradient(target))
        loss = intensity + 10 * detail + student(black).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: intensity {intensity.item():.4f}, gradient {detail.item():.5f}", flush=True)
    return student.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    student = train(load_pairs(args.pairs), args.steps, args.batch, args.seed)
    beside = args.output.with_suffix(".partial")
    torch.save(student.state_dict(), beside)
    beside.replace(args.output)


if __name__ == "__main__":
    main()
