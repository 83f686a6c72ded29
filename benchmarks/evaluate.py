"""Evaluates the bundle's models and all rivals on the test sets, and stores what came out.

    make evaluate

writes `benchmarks/results/evaluation/DATASET_PROTOCOL.json`: ``{"run": ..., "summary": ..., "tests": [...]}``, as
`monai-fusion evaluate` writes them. `make results` makes docs/results.md of these. Needs the test sets in `../shared`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.workflow import evaluate
from monai_fusion.workflow import bundle_root

ROOT = Path(__file__).resolve().parents[1]

#: Medical pairs by both protocols; visible and infrared ones as they are published.
RUNS = [
    ("mri_pet", "product"),
    ("mri_pet", "paper"),
    ("mri_spect", "product"),
    ("mri_spect", "paper"),
    ("roadscene", "paper"),
    ("msrs20", "paper"),
    ("llvip12", "paper"),
]


def shipped_models() -> list[str]:
    """Those in the bundle, `model` first."""
    return sorted(
        (path.stem for path in (bundle_root() / "models").glob("*.pt")), key=lambda name: (name != "model", name)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "test")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "evaluation")
    parser.add_argument("--method", action="append", help="as for monai-fusion evaluate (default: every shipped model)")
    parser.add_argument("--only", action="append", metavar="DATASET_PROTOCOL", help="one of the runs; may be repeated")
    args = parser.parse_args()

    for dataset, protocol in RUNS:
        name = f"{dataset}_{protocol}"
        if args.only and name not in args.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            done = evaluate(args.data / dataset, folder, args.method or shipped_models(), protocol=protocol)
            stored = {part: json.loads((Path(folder) / f"{part}.json").read_text()) for part in ("run", "summary")}
            with (Path(folder) / "tests.csv").open(encoding="utf-8") as file:
                stored["tests"] = list(csv.DictReader(file))
        with write_beside(args.output / f"{name}.json") as path:
            path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {stored['run']['seconds']} s, {len(done.skipped)} pairs skipped", flush=True)


if __name__ == "__main__":
    main()
