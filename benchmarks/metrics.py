"""Times all metrics of one method on the 42 MRI-PET pairs, ours and plain SciPy side by side in one run.

    make bench-metrics

writes `benchmarks/results/metrics.json`: seconds of each metric for all pairs, the ratio, the largest relative
difference between the two, and the machine. The method is the screen formula by the paper's protocol; reading and
fusing are not timed. Needs the test pairs in `../shared`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from plain_metrics import PLAIN_METRICS

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine, describe_versions
from monai_fusion.evaluation.pairs import PairFolder
from monai_fusion.metrics import METRICS, RIVALS
from monai_fusion.metrics.protocol import stretch_to_8bit

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, default=ROOT.parent / "shared" / "data" / "test" / "mri_pet")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "metrics.json")
    args = parser.parse_args()

    folder = PairFolder(args.dataset)
    pairs = [folder.read(name) for name in folder.names]
    triples = [(stretch_to_8bit(RIVALS["screen"](a, b)), (a * 255).round(), (b * 255).round()) for a, b in pairs]
    arrays = [[image[0, 0].double().numpy() for image in triple] for triple in triples]

    seconds: dict[str, dict[str, float]] = {}
    differences: dict[str, float] = {}
    for name, measure in METRICS.items():
        measure(*triples[0])
        start = time.perf_counter()
        ours = [measure(*triple).item() for triple in triples]
        middle = time.perf_counter()
        plain = [PLAIN_METRICS[name](*images) for images in arrays]
        end = time.perf_counter()
        seconds[name] = {"ours": round(middle - start, 4), "plain": round(end - middle, 4)}
        differences[name] = float(np.max(np.abs(np.subtract(ours, plain)) / np.abs(plain)))
    total = {side: round(sum(times[side] for times in seconds.values()), 3) for side in ("ours", "plain")}
    result = {
        "pairs": len(pairs),
        "seconds": seconds,
        "total": total,
        "ratio": round(total["plain"] / total["ours"], 1),
        "largest_relative_difference": {name: float(f"{value:.1e}") for name, value in differences.items()},
        "machine": {**describe_machine(), "torch": torch.__version__},
        "versions": describe_versions(),
    }
    with write_beside(args.output) as path:
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
