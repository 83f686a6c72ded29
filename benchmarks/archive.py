"""Times how many instances a second go out of and into an archive: Orthanc, over the loopback of a network of its own.

    python benchmarks/archive.py

writes `benchmarks/results/archive.json`. One series of 200 MR slices of 256x256 (128 KiB each). Queries before and
after, and writing the files, are in the times; DCMTK's storescu stands beside. Needs root for the network namespace,
and Debian's orthanc, orthanc-dicomweb and dcmtk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "tests" / "archive"))

from orthanc import Orthanc, own_network

from monai_fusion.archive.pull import pull
from monai_fusion.archive.send import send
from monai_fusion.archive.settings import read_settings
from monai_fusion.data.synthetic_dicom import write_synthetic_series
from monai_fusion.evaluation.machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
SLICES, REPEATS = 200, 3


def main() -> None:
    load = round(os.getloadavg()[0], 1)  # of whatever else the machine does
    with tempfile.TemporaryDirectory() as text, own_network():
        folder = Path(text)
        results = folder / "results"
        volume = np.random.default_rng(0).integers(0, 4096, (256, 256, SLICES)).astype(np.float64)
        write_synthetic_series(results / "dicom", volume, np.eye(4), "MR", "benchmark")
        (results / "report.json").write_text("{}")
        study = str(pydicom.dcmread(next((results / "dicom").iterdir())).StudyInstanceUID)
        archive = Orthanc(folder / "orthanc", 8042, 4242)
        archive.start()
        try:
            rates = measure(archive, results, {"StudyInstanceUID": study})
        finally:
            archive.kill()
    report = {"machine": describe_machine(), "load_before": load, "slices": SLICES, "instances_per_second": rates}
    output = ROOT / "benchmarks" / "results" / "archive.json"
    output.write_text(json.dumps(report, indent=2) + "\n")
    for name, rate in rates.items():
        print(f"{name:28} {rate:7.1f} instances a second")


def measure(archive: Orthanc, results: Path, keys: dict[str, str]) -> dict[str, float]:
    """The median of `REPEATS` runs each, the archive emptied before a send."""
    web = read_settings(archive.web)
    get = read_settings(archive.dimse, calling_aet="FUSION")
    move = read_settings(archive.dimse, calling_aet="FUSION", retrieve="move", listen="127.0.0.1:11113")
    storescu = ["storescu", "-aet", "FUSION", "-aec", "ARCHIVE", "+sd", "127.0.0.1", str(archive.dicom)]
    ways: dict[str, Callable[[], object]] = {
        "storescu": lambda: subprocess.run([*storescu, str(results / "dicom")], check=True),
        "send, C-STORE": lambda: send(get, results),
        "send, STOW-RS": lambda: send(web, results),
        "pull, WADO-RS": lambda: _pull(web, keys),
        "pull, C-GET": lambda: _pull(get, keys),
        "pull, C-MOVE": lambda: _pull(move, keys),
    }
    rates = {}
    for name, run in ways.items():
        times = []
        for _ in range(REPEATS):
            if not name.startswith("pull"):
                archive.empty()
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        rates[name] = round(SLICES / sorted(times)[REPEATS // 2], 1)
    return rates


def _pull(settings: object, keys: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as text:
        assert pull(settings, keys, Path(text) / "study").instances == SLICES  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
