"""Scores students on pairs that no setting has been tested on: what settings are chosen by.

    python benchmarks/selection.py model training/a/model.pt training/b/model.pt=inverse_tanh

The pairs are crops of RoadScene, which no student is trained on, varied by `VaryPairs`: as many of each of its looks,
which stand for MRI-PET, MRI-SPECT and the MNI152 head. They are measured as the test pairs are (protocol product,
lesions). Prints a table, the formulas behind the weights; a metric or share is followed by ``-`` where it is not as
good as that of tanh(a + b). Nothing is written.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.data.patches import PatchPairs
from monai_fusion.data.variation import VaryPairs
from monai_fusion.evaluation.measure import Measured, less_is_better, measure_pair, summarize
from monai_fusion.evaluation.methods import Method, open_methods
from monai_fusion.evaluation.statistics import draw_pairs
from monai_fusion.inferers import FusionInferer
from monai_fusion.workflow import bundle_root

ROOT = Path(__file__).resolve().parents[1]
SIZE, SEED = 176, 7  # the least height of a RoadScene picture is 179
LOOKS = {"pet": {"bright": 1.0}, "spect": {}, "mni": {"both_bright": 1.0}}
FORMULAS = ("maximum", "mean", "screen", "tanh_sum")
COLUMNS = ("SD", "SCD", "VIF", "Qabf", "SSIM", "CC")
LESIONS = ("kept_mri", "kept_functional", "lost_mri", "lost_functional", "saturated")


def open_weights(texts: list[str]) -> list[Method]:
    """Each text a method, or ``FILE=CALIBRATION``; the formulas behind them."""
    metadata = json.loads((bundle_root() / "configs" / "metadata.json").read_text(encoding="utf-8"))
    methods = []
    for text in texts:
        name, _, calibration = text.partition("=")
        (method,) = open_methods(
            [name], bundle_root(), metadata, FusionInferer(backend="module"), torch.device("cpu"),
            calibration=calibration or None, rivals=False,
        )  # fmt: skip
        methods.append(Method(text, method.fuse, method.facts))
    return methods


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", help="a model of the bundle, a file, or FILE=CALIBRATION")
    parser.add_argument("--pictures", type=Path, default=ROOT.parent / "shared/data/ivif_train/roadscene")
    parser.add_argument("--pairs", type=int, default=64, help="of each look")
    args = parser.parse_args()
    torch.set_num_threads(1)
    methods = open_weights([*args.weights, *FORMULAS])
    print(f"| | {' | '.join(COLUMNS + LESIONS)} |\n|---|{'---:|' * len(COLUMNS + LESIONS)}")
    for look, shares in LOOKS.items():
        crops = PatchPairs.random_crops(args.pictures, SIZE, args.pairs, SEED, vary=VaryPairs(**shares))
        images = [crops[i]["image"][:, None, None].unbind() for i in range(len(crops))]
        measured: dict[str, list[Measured]] = {
            method.name: [measure_pair(method, *pair, "product", (2, i)) for i, pair in enumerate(images)]
            for method in methods
        }
        summary = summarize(measured, draw_pairs(len(crops), 1))
        for name, row in summary.items():
            cells = []
            for column in COLUMNS + LESIONS:
                value, least = row[column]["mean"], summary["tanh_sum"][column]["mean"]
                assert value is not None
                assert least is not None
                worse = value > least if less_is_better(column) else value < least
                cells.append(f"{value:.{1 if column == 'SD' else 3}f}{'-' if worse else ''}")
            print(f"| {name}, {look} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
