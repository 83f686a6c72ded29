"""Trains one student for each row of the paper's Tables 1 and 2, evaluates them, and writes the table.

    python bundles/mmdrfuse/scripts/ablations.py --teacher training/paper/teacher/model.pt \
        --patches training/paper/patches_16000.npy --vgg VGG --dataset ../shared/data/test/msrs20 \
        --output training/ablations

A student that is there already is not trained again. ``--overlay`` puts another configuration over that of the paper
(``--overlay student_reduced``), ``--set`` changes single ids. The paper does not say what its student of 1021 KB is
made of: it is not in the table. "no teacher" is not in the paper's: nor does its last layer start from the teacher's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from full_schedule import setting, train

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.workflow import evaluate

#: The paper's rows and the overlays that make them.
ROWS = {
    "no intensity": "ablations/no_intensity",
    "no gradient": "ablations/no_gradient",
    "no perception": "ablations/no_perception",
    "no refresh": "ablations/no_refresh",
    "no distillation": "ablations/no_distillation",
    "no teacher": "ablations/no_teacher",
    "no digestible distillation": "ablations/no_digestible_distillation",
    "large, 0.66 KB": "ablations/large",
    "small, 0.22 KB": "ablations/small",
    "full, 0.44 KB": None,
}
METRICS = ("SD", "VIF", "Qabf", "SSIM")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--patches", nargs="+", required=True, help="see dataset_dir in train_student.json")
    parser.add_argument("--vgg", required=True)
    parser.add_argument("--dataset", required=True, help="pairs to evaluate on, one subfolder a source")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--overlay", action="append", default=[])
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="ID=VALUE")
    args = parser.parse_args()
    weights = {}
    for row in args.rows:
        folder = args.output / row.replace(",", "").replace(" ", "_")
        weights[row] = folder / "model.pt"
        if not weights[row].exists():
            names = ["train_student", *args.overlay, *([ROWS[row]] if ROWS[row] else [])]
            common = {
                "dataset_dir": args.patches if len(args.patches) > 1 else args.patches[0],
                "vgg_weights": args.vgg,
                "teacher_weights": args.teacher,
            }
            train(names, output_dir=str(folder), **common, **dict(args.set))

    lines = [f"| | {' | '.join(METRICS)} |", f"|---|{'---|' * len(METRICS)}"]
    for row, path in weights.items():
        evaluation = evaluate(
            args.dataset, None, [path], protocol="paper", calibration="none", lesions=False, rivals=False
        )
        values = next(iter(evaluation.summary.values()))
        lines.append(f"| {row} | {' | '.join(f'{_mean(values, name):.3g}' for name in METRICS)} |")
    with write_beside(args.output / "table.md") as path:
        path.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _mean(values: dict[str, dict[str, float]], name: str) -> float:
    # the published tables have the SSIM of range 2
    return values["SSIM_range2" if name == "SSIM" else name]["mean"]


if __name__ == "__main__":
    main()
