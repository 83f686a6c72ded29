"""Times the index of a study of 20,000 DICOM files, as a folder and as a zip, and its memory.

    make bench-index

writes `benchmarks/results/dicom_index.json`. The files are small but have real headers: MR with the header of the
Siemens series in ../shared (private elements and all, 126 KB), PET with that of the package's synthetic series, 64x64
pixels each, 100 files a series; and 500 files that are no DICOM. Each run is a process of its own. "Cold" is after the
page cache was dropped (which takes root), "warm" right after it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.atomic import write_beside
from monai_fusion.data.synthetic_dicom import write_synthetic_series
from monai_fusion.evaluation.machine import describe_machine, describe_versions

ROOT = Path(__file__).resolve().parents[1]
SIEMENS = ROOT.parent / "shared" / "data" / "dicom" / "siemens_prisma_t1_sag"
A_SERIES = 100
CACHES = Path("/proc/sys/vm/drop_caches")

PROGRAM = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from monai_fusion.data.dicom_index import find_series
imported = time.perf_counter()
series = find_series(Path(sys.argv[1]))
found = time.perf_counter()
summaries = [(s.spacing, s.notes, s.orientation) for s in series]
print(json.dumps({
    "seconds": round(found - imported, 2),
    "seconds_of_the_summaries": round(time.perf_counter() - found, 2),
    "seconds_of_the_imports": round(imported - start, 2),
    "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 2),
    "series": len(series),
    "files": sum(len(s.files) for s in series),
    "slices": sorted({s.slices for s in series}),
    "peak_memory_mb": int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024,
}))
"""


def write_study(folder: Path, count: int) -> None:
    """Series by turns of a real MR header and a synthetic PET one."""
    write_synthetic_series(folder / "template", np.ones((64, 64, 1)), np.eye(4), "PT", "pet")
    templates = [
        pydicom.dcmread(sorted(SIEMENS.iterdir())[0]),
        pydicom.dcmread(folder / "template" / "0001.dcm"),
    ]
    (folder / "template" / "0001.dcm").unlink()
    (folder / "template").rmdir()
    pixels = np.zeros((64, 64), np.uint16).tobytes()
    for number in range(count):
        which, k = divmod(number, A_SERIES)
        dataset = templates[which % 2]
        if k == 0:
            dataset.SeriesInstanceUID, dataset.SeriesNumber = generate_uid(), which
            dataset.Rows = dataset.Columns = 64
            dataset.PixelData = pixels
            (folder / f"series{which:03d}").mkdir(parents=True)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        normal = np.cross(*np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float))
        dataset.ImagePositionPatient = [f"{v:.6f}" for v in 2.5 * k * normal]
        dataset.InstanceNumber = k + 1
        dataset.save_as(folder / f"series{which:03d}" / f"{k:05d}.dcm")
    for number in range(count // 40):
        (folder / f"notes{number}.txt").write_text("no image\n" * 100)


def drop_caches() -> bool:
    try:
        os.sync()
        CACHES.write_text("1")
    except OSError:
        return False
    return True


def measure(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", PROGRAM, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "dicom_index.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        study, archive = Path(temporary) / "study", Path(temporary) / "study.zip"
        write_study(study, args.files)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for path in sorted(study.rglob("*.dcm")):
                file.write(path, path.relative_to(study))
        size = sum(path.stat().st_size for path in study.rglob("*") if path.is_file())
        runs = {}
        for name, path in (("folder", study), ("zip", archive)):
            load = os.getloadavg()[0]
            cold = drop_caches()
            first = {**measure(path), "cold": cold, "load_before": round(load, 1)}
            runs[name] = {"first": first, "warm": measure(path)}
            print(name, json.dumps(runs[name]))
    result = {
        "files": args.files,
        "megabytes": round(size / 1e6),
        "runs": runs,
        "machine": describe_machine(),
        "versions": describe_versions(),
    }
    with write_beside(args.output) as path:
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
