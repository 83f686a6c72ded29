"""The ablation table by one command, on a handful of small pictures."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from monai_fusion.evaluation.workflow import evaluate
from monai_fusion.networks import FusionTeacher


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for role in ("visible", "infrared"):
        (tmp_path / "pictures" / role).mkdir(parents=True)
        for i in range(2):
            smooth = gaussian_filter(rng.random((64, 64)), 2)
            grey = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
            Image.fromarray(grey).save(tmp_path / "pictures" / role / f"{i}.png")
    return tmp_path / "pictures"


def test_rows_and_seeds_in_one_table(bundle, shared, pictures, tmp_path):
    torch.manual_seed(1)
    torch.save(FusionTeacher().state_dict(), tmp_path / "teacher.pt")
    out = tmp_path / "out"
    program = [sys.executable, str(bundle / "scripts" / "ablations.py"), "--output", str(out)]
    program += ["--vgg", str(shared / "weights" / "vgg16_imagenet_fp16.npz"), "--teacher", str(tmp_path / "teacher.pt")]
    program += ["--patches", str(pictures), "--dataset", str(pictures), "--seeds", "0", "1"]
    program += ["--rows", "full, 0.44 KB", "small, 0.22 KB"]
    program += [part for name in ("patch_size=32", "batch_size=4", "max_epochs=1") for part in ("--set", name)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(program, check=True, env=environment, timeout=300, capture_output=True)

    rows = json.loads((out / "ablations.json").read_text())["rows"]
    assert {row: [student["seed"] for student in students] for row, students in rows.items()} == {
        "full, 0.44 KB": [0, 1],
        "small, 0.22 KB": [0, 1],
    }
    weights = {path.parent.name: path for path in (out / "small_0.22_KB").rglob("model.pt")}
    assert {sum(v.numel() for v in torch.load(path, weights_only=True).values()) for path in weights.values()} == {57}
    table = (out / "table.md").read_text()
    (small,) = (line for line in table.splitlines() if line.startswith("| small"))
    found = []
    for seed, student in zip((0, 1), rows["small, 0.22 KB"]):
        path = weights[f"seed_{seed}"]
        done = evaluate(pictures, None, [path], protocol="paper", calibration="none", rivals=False)
        found.append(done.summary["model"]["SD"]["mean"])
        assert student["datasets"]["pictures"]["SD"] == found[-1]
        assert student["training"]["epoch"] == 1
    assert found[0] != found[1]
    assert small.split("|")[2].strip() == f"{np.mean(found):.1f} ({min(found):.1f} to {max(found):.1f})"

    before = {path: path.stat().st_mtime_ns for path in out.rglob("model.pt")}
    subprocess.run(program, check=True, env=environment, timeout=300, capture_output=True)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("model.pt")} == before
    assert json.loads((out / "ablations.json").read_text())["rows"] == rows
