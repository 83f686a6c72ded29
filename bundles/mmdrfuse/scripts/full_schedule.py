"""Trains teacher and student by the paper's full schedule, and writes how long it took.

    python bundles/mmdrfuse/scripts/full_schedule.py --pictures ../shared/data/ivif_train \
        --vgg ../shared/weights/vgg16_imagenet_fp16.npz --output training/paper

16,000 patches of 128x128, 8 epochs of the teacher with batches of 36, 10 of the student with batches of 26. Needs
torch, MONAI, pytorch-ignite, NumPy and Pillow. On a GPU it takes minutes, on two CPU cores the better part of a day:
stopped at any time, the same command goes on from the last epoch. ``--set`` changes any id of the configurations, for
both, for example ``--set max_epochs=1 --set batch_size=4 --patches 64`` for a try.

Beside the weights and curves of both, `result.json` has the seconds an epoch, samples a second, and the device.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # run from a checkout that is not installed

from monai_fusion.data.patches import PatchPairs

BUNDLE = Path(__file__).resolve().parents[1]

#: Whichever of these are there are trained on.
SOURCES = ("llvip_full", "llvip_256")


def train(names: list[str], **overrides: Any) -> ConfigWorkflow:
    """Runs training configurations of the bundle, later ones laid over earlier ones.

    Args:
        names: files in the bundle's ``configs``, without suffix.
        overrides: ids and their values.
    """
    configs = BUNDLE / "configs"
    workflow = ConfigWorkflow(
        [str(configs / f"{name}.json") for name in names],
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        workflow_type="train",
        bundle_root=str(BUNDLE),
        **overrides,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow


def prepare(pictures: Path, count: int, file: Path) -> Path:
    """Random crops of all pairs there are, as the paper has them: fixed by their index."""
    if not file.exists():
        sources = [pictures / name for name in SOURCES if (pictures / name).is_dir()] or [pictures]
        PatchPairs.random_crops(sources, size=128, count=count, seed=0, progress=sys.stderr.isatty()).save(file)
    return file


def setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, required=True, help="infrared/visible pairs")
    parser.add_argument("--vgg", required=True, help="weights of the perceptual network")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--patches", type=int, default=16000)
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="ID=VALUE")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True

    patches = prepare(args.pictures, args.patches, args.output / f"patches_{args.patches}.npy")
    common = {"dataset_dir": str(patches), "vgg_weights": args.vgg, **dict(args.set)}
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "patches": args.patches,
    }
    for kind in ("teacher", "student"):
        folder = args.output / kind
        teacher = {"teacher_weights": str(args.output / "teacher" / "model.pt")} if kind == "student" else {}
        train([f"train_{kind}"], output_dir=str(folder), **teacher, **common)
        with (folder / "curves.csv").open() as file:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
        seconds = sum(row["seconds"] for row in rows)
        result[kind] = {"seconds": seconds, "samples_a_second": len(rows) * args.patches / seconds, "epochs": rows}
    result["seconds"] = result["teacher"]["seconds"] + result["student"]["seconds"]
    (args.output / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"{result['seconds']:.0f} s on {result['device']}; {args.output / 'result.json'}")


if __name__ == "__main__":
    main()
