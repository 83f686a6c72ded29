"""Trains `model.pt` again with other seeds, and shows how far the results are one seed's luck.

    python benchmarks/seeds.py --output ../train-out/default

trains the ``default`` preset (both stages, two cores: three minutes a seed) for each seed into ``OUTPUT/seed_N`` unless
it is there, evaluates the students beside the shipped one on the test pairs (protocol product), and writes
`benchmarks/results/seeds.json`: every mean of every student, and the least and most over the seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bundles" / "mmdrfuse" / "scripts"))

from full_schedule import train

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.evaluation.workflow import evaluate

ROOT = Path(__file__).resolve().parents[1]
STAGES = (["train_student", "student_default"], ["train_student", "student_default", "student_default_2"])
DATASETS = ("mri_pet", "mri_spect")
SHOWN = ("SD", "SCD", "VIF", "Qabf", "SSIM", "CC")
LESIONS = ("kept_mri", "lost_mri", "kept_functional", "lost_functional", "saturated")


def student(folder: Path, seed: int, pictures: Path) -> Path:
    """The weights of a seed, trained if they are not there."""
    start: dict[str, Any] = {}
    for stage, names in enumerate(STAGES, start=1):
        weights = folder / f"stage_{stage}" / "model.pt"
        if not weights.exists():
            train(names, dataset_dir=str(pictures), seed=seed, output_dir=str(weights.parent), **start)
        start = {"start_weights": str(weights)}
    return weights


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
    for name in DATASETS:
        done = evaluate(
            args.data / name, None, ["model", *weights.values()], protocol="product", calibration="none", rivals=False
        )
        rows = dict(zip(["shipped", *weights], done.summary.values()))
        means = {row: {column: values[column]["mean"] for column in SHOWN + LESIONS} for row, values in rows.items()}
        for kind, choose in (("least", min), ("most", max)):
            means[kind] = {column: choose(means[row][column] for row in weights) for column in SHOWN + LESIONS}
        result["datasets"][name] = means
        print(f"| {name} | {' | '.join(SHOWN + LESIONS)} |\n|---|{'---:|' * len(SHOWN + LESIONS)}")
        for row, values in means.items():
            print(f"| {row} | {' | '.join(f'{value:.4g}' for value in values.values())} |", flush=True)
    with write_beside(args.results) as path:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
