"""Trains a student for each row of the paper's Tables 1 and 2 and each seed, evaluates them, and writes the tables.

    python bundles/mmdrfuse/scripts/ablations.py --teacher training/paper/teacher/model.pt \
        --patches training/paper/patches_16000.npy --vgg VGG --dataset ../shared/data/test/msrs20 \
        --output training/ablations

A student that is there already is neither trained nor evaluated again, so that a stopped run goes on where it was.
``--overlay`` puts another configuration over that of the paper (``--overlay student_reduced``), ``--set`` changes
single ids, several ``--seeds`` give the spread, several ``--dataset`` a table each. The paper does not say what its
student of 1021 KB is made of: it is not in the table. "no teacher" is not in the paper's: nor does its last layer start
from the teacher's.

Writes ``table.md`` and ``ablations.json`` (what was set, the machine, every number of every student).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from full_schedule import setting, train

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine, describe_versions
from monai_fusion.evaluation.workflow import evaluate

#: The paper's rows and the overlays that make them.
ROWS = {
    "full, 0.44 KB": None,
    "no refresh": "ablations/no_refresh",
    "no teacher": "ablations/no_teacher",
    "no distillation": "ablations/no_distillation",
    "no digestible distillation": "ablations/no_digestible_distillation",
    "no intensity": "ablations/no_intensity",
    "no gradient": "ablations/no_gradient",
    "no perception": "ablations/no_perception",
    "large, 0.66 KB": "ablations/large",
    "small, 0.22 KB": "ablations/small",
}
#: The published tables have the SSIM of range 2.
METRICS = {"SD": "SD", "SCD": "SCD", "VIF": "VIF", "Qabf": "Q^AB/F", "SSIM_range2": "SSIM, range 2", "CC": "CC"}
#: Of data sets that show a head.
LESIONS = {
    "kept_mri": "MRI kept",
    "lost_mri": "MRI lost",
    "kept_functional": "functional kept",
    "lost_functional": "functional lost",
}

Values = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--patches", nargs="+", required=True, help="see dataset_dir in train_student.json")
    parser.add_argument("--vgg", required=True)
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="pairs, one subfolder a source")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--overlay", action="append", default=[])
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0], metavar="SEED")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="ID=VALUE")
    args = parser.parse_args()
    common = {
        "dataset_dir": args.patches if len(args.patches) > 1 else args.patches[0],
        "vgg_weights": args.vgg,
        "teacher_weights": args.teacher,
        **dict(args.set),
    }
    students: dict[str, list[dict[str, Any]]] = {row: [] for row in args.rows}
    for seed in args.seeds:
        for row in args.rows:
            folder = args.output / row.replace(",", "").replace(" ", "_") / f"seed_{seed}"
            if not (folder / "model.pt").exists():
                names = ["train_student", *args.overlay, *([ROWS[row]] if ROWS[row] else [])]
                train(names, output_dir=str(folder), seed=seed, **common)
            measured = {dataset.resolve().name: measure(folder, dataset) for dataset in args.dataset}
            students[row].append({"seed": seed, "training": read_curves(folder), "datasets": measured})

    result = {
        "overlays": args.overlay,
        "set": dict(args.set),
        "protocol": "paper",
        "machine": describe_machine(),
        "versions": describe_versions(),
        "rows": students,
    }
    with write_beside(args.output / "ablations.json") as path:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    tables = "\n".join(write_table(name, students) for name in students[args.rows[0]][0]["datasets"])
    with write_beside(args.output / "table.md") as path:
        path.write_text(tables, encoding="utf-8")
    print(tables)


def measure(folder: Path, dataset: Path) -> Values:
    """Every number of a student on a data set, kept beside its weights."""
    file = folder / f"{dataset.resolve().name}.json"
    if not file.exists():
        done = evaluate(dataset, None, [folder / "model.pt"], protocol="paper", calibration="none", rivals=False)
        (values,) = done.summary.values()
        with write_beside(file) as path:
            path.write_text(json.dumps({name: cell["mean"] for name, cell in values.items()}), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def read_curves(folder: Path) -> Values:
    """The last epoch's terms, and the seconds of all epochs."""
    with (folder / "curves.csv").open(encoding="utf-8") as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    return {**rows[-1], "seconds": sum(row["seconds"] for row in rows)}


def write_table(dataset: str, students: dict[str, list[dict[str, Any]]]) -> str:
    """A row a kind of student: the mean over the seeds, and least and most where there are several."""
    first = next(iter(students.values()))[0]["datasets"][dataset]
    columns = {name: title for name, title in (METRICS | LESIONS).items() if name in first}
    lines = [f"| {dataset} | {' | '.join(columns.values())} |", f"|---|{'---:|' * len(columns)}"]
    for row, found in students.items():
        cells = [_cell([student["datasets"][dataset][name] for student in found], name) for name in columns]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values: list[float], name: str) -> str:
    digits, factor, unit = (1, 1, "") if name == "SD" else (0, 100, " %") if name.startswith("lost") else (3, 1, "")
    mean, least, most = (f"{factor * value:.{digits}f}" for value in (np.mean(values), min(values), max(values)))
    return f"{mean}{unit}" if len(values) == 1 else f"{mean}{unit} ({least} to {most})"


if __name__ == "__main__":
    main()
