"""Times the way from two DICOM series to the fused DICOM series, beside the same steps in MONAI's stock transforms.

    make bench-end-to-end

writes `benchmarks/results/end_to_end.json`. A 256x256x180 MRI and a 128x128x90 PET about one centre in one frame of
reference, so that nothing is registered. Each run is a process of its own, both programs by turns; the files are in
the page cache. Compared from the end of the imports to the last file: both read the two series, bring the PET onto the
MRI's grid, scale both, fuse every slice, write ``fused.nii.gz`` and a DICOM series in grey. `monai-fusion` does more,
which is counted against it: SUV, colour (NIfTI and DICOM), contact sheet, report, hashes and checks.

The rival is what a user of MONAI would write today: `LoadImaged` with `PydicomReader`, `ResampleToMatchd`,
`ScaleIntensityRangePercentilesd`, `SliceInferer` on the module, `SaveImage`, and pydicom to put the slices into copies
of the MRI's files.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SERIES = {"MR": ((256, 256, 180), 1.0), "PT": ((128, 128, 90), 2.0)}
RUNS = 3


def write_study(folder: Path) -> None:
    """Both series, of a textured head in noise."""
    from monai_fusion.data.synthetic_dicom import write_synthetic_series

    rng = np.random.default_rng(0)
    for modality, (shape, spacing) in SERIES.items():
        x, y, z = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
        inside = (x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2 < 1
        volume = inside * (600 + 300 * np.sin(9 * x) * np.cos(8 * y) + 100 * rng.random(shape, dtype=np.float32))
        affine = np.diag([spacing, spacing, spacing, 1.0])
        affine[:3, 3] = -spacing * (np.array(shape) - 1) / 2
        volume *= 1 if modality == "MR" else 20
        write_synthetic_series(folder / modality, volume, affine, modality, modality, frame_of_reference="head")


class Stages:
    """Seconds by stage, on the clock."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def run_monai_fusion(study: Path, output: Path, stages: Stages) -> Any:
    with stages.of("imports"):
        import monai.transforms.compose as compose

        from monai_fusion.inferers import FusionInferer
        from monai_fusion.workflow import fuse

    apply, infer = compose.apply_transform, FusionInferer.__call__

    def timed_apply(transform: Any, *args: Any, **kwargs: Any) -> Any:
        with stages.of(f"{type(transform).__name__} {' '.join(getattr(transform, 'keys', ()))}".strip()):
            return apply(transform, *args, **kwargs)

    def timed_infer(*args: Any, **kwargs: Any) -> Any:
        with stages.of("FusionInferer"):
            return infer(*args, **kwargs)

    compose.apply_transform, FusionInferer.__call__ = timed_apply, timed_infer  # type: ignore[method-assign]
    return lambda: fuse(study / "MR", study / "PT", output)


def run_stock(study: Path, output: Path, stages: Stages) -> Any:
    with stages.of("imports"):
        import pydicom
        import torch
        from monai.data import PydicomReader
        from monai.inferers import SliceInferer
        from monai.transforms import (
            ConcatItemsd,
            LoadImaged,
            ResampleToMatchd,
            SaveImage,
            ScaleIntensityRangePercentilesd,
        )
        from pydicom.uid import generate_uid

        from monai_fusion.networks import FusionStudent

    def run() -> None:
        with stages.of("build"):
            network = FusionStudent().eval()
            weights = ROOT / "bundles" / "mmdrfuse" / "models" / "model.pt"
            network.load_state_dict(torch.load(weights, weights_only=True))
        data: dict[str, Any] = {"mri": str(study / "MR"), "functional": str(study / "PT")}
        steps = [
            ("read mri", LoadImaged("mri", reader=PydicomReader(), ensure_channel_first=True)),
            ("read functional", LoadImaged("functional", reader=PydicomReader(), ensure_channel_first=True)),
            ("scale", ScaleIntensityRangePercentilesd("mri", 1, 99.5, 0, 1, clip=True)),
            ("scale", ScaleIntensityRangePercentilesd("functional", 0, 99.9, 0, 1, clip=True)),
            ("resample", ResampleToMatchd("functional", "mri", mode="bilinear", padding_mode="zeros")),
            ("concatenate", ConcatItemsd(["mri", "functional"], "image")),
        ]
        for name, step in steps:
            with stages.of(name):
                data = step(data)
        with stages.of("fuse"), torch.no_grad():
            inferer = SliceInferer(roi_size=data["image"].shape[1:3], sw_batch_size=8, spatial_dim=2)
            fused = inferer(data["image"][None], network)[0]
        with stages.of("write NIfTI"):
            SaveImage(output, output_postfix="fused", separate_folder=False, print_log=False)(fused)
        with stages.of("write DICOM"):
            files = [pydicom.dcmread(file) for file in sorted((study / "MR").glob("*.dcm"))]
            files.sort(key=lambda file: file.ImagePositionPatient[2])
            order = fused.affine[2, 2] < 0  # of the slices in the array
            values = (fused[0].clamp(0, 1) * 4095).round().numpy().astype(np.uint16)
            series = generate_uid()
            (output / "dicom").mkdir()
            for k, file in enumerate(files):
                pixels = values[:, :, len(files) - 1 - k if order else k]
                file.SeriesInstanceUID, file.SOPInstanceUID = series, generate_uid()
                file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
                file.ImageType = ["DERIVED", "SECONDARY"]
                file.PixelData = np.ascontiguousarray(pixels.T).tobytes()
                file.save_as(output / "dicom" / f"{k + 1:04d}.dcm")

    return run


PROGRAMS = {"monai_fusion": run_monai_fusion, "stock": run_stock}


def run_alone(program: str, study: Path, output: Path) -> None:
    """The part that runs in a process of its own: prints its stages."""
    output.mkdir()
    stages = Stages()
    run = PROGRAMS[program](study, output, stages)
    start = time.perf_counter(), time.process_time()
    run()
    found = {
        "seconds": time.perf_counter() - start[0],
        "processor_seconds": time.process_time() - start[1],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "stages": {name: round(seconds, 3) for name, seconds in stages.seconds.items() if seconds > 5e-3},
    }
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alone", nargs=3, metavar=("PROGRAM", "STUDY", "OUTPUT"), help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "end_to_end.json")
    arguments = parser.parse_args()
    if arguments.alone:
        program, study, output = arguments.alone
        run_alone(program, Path(study), Path(output))
        return

    import nibabel as nib

    from monai_fusion.atomic import write_beside
    from monai_fusion.evaluation.machine import describe_machine, describe_versions

    runs: dict[str, list[dict[str, Any]]] = {program: [] for program in PROGRAMS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder / "study")
        for i in range(RUNS + 1):
            for program, found in runs.items():
                command = [sys.executable, __file__, "--alone", program, folder / "study", folder / f"{program}{i}"]
                answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                if i:  # the first fills the caches
                    found.append(json.loads(answer.splitlines()[-1]))
        pictures = [
            nib.load(next((folder / f"{program}{RUNS}").glob("*fused.nii.gz"))).get_fdata() for program in PROGRAMS
        ]
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "median_seconds": {p: round(statistics.median(run["seconds"] for run in r), 2) for p, r in runs.items()},
        "runs": runs,
    }
    seconds = result["median_seconds"]
    result["times_faster_than_stock"] = round(seconds["stock"] / seconds["monai_fusion"], 2)
    if pictures[0].shape == pictures[1].shape:
        result["correlation_of_the_pictures"] = round(float(np.corrcoef(*[p.ravel()[::7] for p in pictures])[0, 1]), 4)
    with write_beside(arguments.output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
