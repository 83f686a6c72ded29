"""Reads IBSI's twelve PET series and says which SUV comes out.

    python benchmarks/suv.py --source ../shared/data/dicom/ibsi_suv_dro.tar.xz

writes `benchmarks/results/suv.json` and prints it as the table of docs/suv.md: minimum, median and maximum of SUVbw
within each object, which must be 0.20, 1.00 and 4.00, the factor, and what was warned of.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Compose, LoadImaged

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.atomic import write_beside
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.source import facts_of
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.transforms.suv import ConvertToSUVd


def measure(folder: Path) -> dict[str, Any]:
    """SUVbw within the object of one series: all that is not 0."""
    steps = [
        LoadImaged("pet", reader=SourceReader("functional"), ensure_channel_first=True),
        ConvertToSUVd("pet", unit="SUVbw"),
    ]
    image = Compose(steps)({"pet": folder})["pet"]
    facts = facts_of(image.meta)
    inside = image.numpy()[image.numpy() > 0]
    suv = [float(value) for value in (inside.min(), np.median(inside), inside.max())]
    return {"suv": suv, "factor": facts["suv"]["factor"]["max"], "warnings": facts["warnings"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("../shared/data/dicom/ibsi_suv_dro.tar.xz"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/suv.json"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(args.source) as archive:
        archive.extractall(folder)
        root = Path(folder) / "ibsi_suv_dro"
        with (root / "DRO_list.csv").open(encoding="utf-8") as listing:
            series = {row["ID"]: row["Description"] for row in csv.DictReader(listing)}
        rows = {name: {"description": said, **measure(root / name / "PT")} for name, said in series.items()}
    result = {"machine": describe_machine(), "series": rows}
    with write_beside(args.output) as path:
        path.write_text(json.dumps(result, indent=2) + "\n")
    print("| series | what it is | minimum | median | maximum | factor |\n|---|---|---|---|---|---|")
    for name, row in rows.items():
        numbers = " | ".join(f"{value:.4f}" for value in row["suv"])
        print(f"| {name} | {row['description']} | {numbers} | {row['factor']:.6g} |")


if __name__ == "__main__":
    main()
