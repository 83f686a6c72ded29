"""Trains `model.pt` again with other seeds, and shows how far the results are one seed's luck.

    python benchmarks/seeds.py --output training/default

trains the ``default`` preset (three minutes a seed) for each seed into ``OUTPUT/seed_N`` unless it is there, evaluates
the students beside the shipped one on the test pairs (protocol product) and, lesions alone, on the MNI152 head of
`benchmarks/conspicuity.py`, and writes `benchmarks/results/seeds.json`: every mean of every student,
and the least and most over the seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bundles" / "mmdrfuse" / "scripts"))

from full_schedule import train

from benchmarks.conspicuity import MNI_PROTOCOL, SEED, mni_slices
from benchmarks.selection import open_weights
from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.evaluation.workflow import evaluate
from monai_fusion.metrics import aggregate, measure_conspicuity

ROOT = Path(__file__).resolve().parents[1]
PRESET = ["train_student", "student_default"]
DATASETS = ("mri_pet", "mri_spect")
SHOWN = ("SD", "SCD", "VIF", "Qabf", "SSIM", "CC")
LESIONS = ("kept_mri", "lost_mri", "kept_functional", "lost_functional", "saturated")


def student(folder: Path, seed: int, pictures: Path) -> Path:
    """The weights of a seed, trained if they are not there."""
    weights = folder / "model.pt"
    if not weights.exists():
        train(PRESET, dataset_dir=str(pictures), seed=seed, output_dir=str(folder))
    return weights


def preset_calibration() -> str:
    """The output's calibration that the preset trains for."""
    text = (ROOT / "bundles" / "mmdrfuse" / "configs" / f"{PRESET[-1]}.json").read_text(encoding="utf-8")
    calibration: str = json.loads(text)["calibration"]
    return calibration


def on_test_pairs(dataset: Path, weights: Sequence[Path]) -> list[dict[str, float]]:
    """The means of the shipped student and of the others on a data set."""
    calibration = preset_calibration()
    done = evaluate(dataset, None, ["model", *weights], protocol="product", calibration=calibration, rivals=False)
    return [{name: row[name]["mean"] for name in SHOWN + LESIONS} for row in done.summary.values()]


def on_the_mni_head(weights: Sequence[Path]) -> list[dict[str, float]]:
    """What the same students keep and lose of lesions there."""
    calibration = preset_calibration()
    methods = open_weights(["model", *(f"{path}={calibration}" for path in weights)])
    pairs = mni_slices()
    rows = [
        aggregate(
            [measure_conspicuity(method.fuse, *pair, (SEED, i), None, MNI_PROTOCOL) for i, pair in enumerate(pairs)]
        )
        for method in methods
    ]
    return [{name: row[name] for name in LESIONS} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=ROOT.parent / "shared/data/ivif_train/llvip_256")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, required=True, help="of the training runs")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "seeds.json")
    args = parser.parse_args()

    weights = {f"seed {seed}": student(args.output / f"seed_{seed}", seed, args.pictures) for seed in args.seeds}
    result: dict[str, Any] = {"protocol": "product", "machine": describe_machine(), "datasets": {}}
    for name in (*DATASETS, "mni152"):
        known = name in DATASETS
        found = on_test_pairs(args.data / name, [*weights.values()]) if known else on_the_mni_head([*weights.values()])
        means = dict(zip(["shipped", *weights], found))
        for kind, choose in (("least", min), ("most", max)):
            means[kind] = {column: choose(means[row][column] for row in weights) for column in found[0]}
        result["datasets"][name] = means
        print(f"| {name} | {' | '.join(found[0])} |\n|---|{'---:|' * len(found[0])}")
        for row, values in means.items():
            print(f"| {row} | {' | '.join(f'{value:.4g}' for value in values.values())} |", flush=True)
    with write_beside(args.results) as path:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
