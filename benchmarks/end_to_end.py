"""Times the way from two DICOM series to the fused DICOM series, beside the same steps in MONAI's stock transforms.

    make bench-end-to-end

writes `benchmarks/results/end_to_end.json`. A 256x256x180 MRI and a 128x128x90 PET about one centre in one frame of
reference, so that nothing is registered. Each run is a process of its own, the programs by turns; the files are in the
page cache. Compared from the end of the imports to the last file, and by the whole command. Two pairs:

- `monai_fusion_grey` and `stock_grey`: read the two series, bring the PET onto the MRI's grid, scale both, fuse every
  slice, write ``fused.nii.gz`` and a DICOM series in grey. `monai-fusion` (without colour and contact sheet, which its
  configuration can switch off) still checks and hashes all files, computes the SUV, refers to the sources, reports.
- `monai_fusion` and `stock`: with the colour images as NIfTI and DICOM, references to the sources in each slice, hashes
  of all files, a contact sheet and a report.

The rival is what a user of MONAI would write today: `LoadImaged` with `PydicomReader`, `ResampleToMatchd`,
`ScaleIntensityRangePercentilesd`, `SliceInferer` on the module, `SaveImage`, and pydicom to put the slices into copies
of the MRI's files; colour by matplotlib's colour map and NumPy, its NIfTI by nibabel, its DICOM by highdicom's
Secondary Capture, the contact sheet by matplotlib.

`peak_memory`: of a run on a 512x512x300 MRI, in multiples of the float32 output: over what the imports take, and over
what the process takes once it has fused a small study, when all libraries and the compiled kernel are loaded.
"""

from __future__ import annotations

import argparse
import json
import os
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
LARGE = {"MR": ((512, 512, 300), 0.5), "PT": ((128, 128, 75), 2.0)}
SMALL = {"MR": ((192, 192, 128), 1.0), "PT": ((64, 64, 32), 4.0)}  # large enough for the kernel
RUNS = 3


def write_study(folder: Path, series: dict[str, tuple[tuple[int, int, int], float]]) -> None:
    """Both series, of a textured head in noise."""
    from monai_fusion.data.synthetic_dicom import write_synthetic_series

    rng = np.random.default_rng(0)
    for modality, (shape, spacing) in series.items():
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


def run_monai_fusion(study: Path, output: Path, stages: Stages, **overrides: Any) -> Any:
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
    return lambda: fuse(study / "MR", study / "PT", output, **overrides)


#: What leaves out the contact sheet.
NO_SHEET = "postprocessing#transforms#5#_disabled_"


def run_monai_fusion_grey(study: Path, output: Path, stages: Stages) -> Any:
    return run_monai_fusion(study, output, stages, color_map=None, **{NO_SHEET: True})


def run_stock_grey(study: Path, output: Path, stages: Stages, everything: bool = False) -> Any:
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
            if fused.affine[2, 2] < 0:
                files.reverse()  # the order of the slices in the array
            values = (fused[0].clamp(0, 1) * 4095).round().numpy().astype(np.uint16)
            series = generate_uid()
            if everything:
                refer(files, study / "PT")
            (output / "dicom").mkdir()
            for k, file in enumerate(files):
                file.SeriesInstanceUID, file.SOPInstanceUID = series, generate_uid()
                file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
                file.ImageType = ["DERIVED", "SECONDARY"]
                file.PixelData = np.ascontiguousarray(values[:, :, k].T).tobytes()
                file.save_as(output / "dicom" / f"{k + 1:04d}.dcm")

        if everything:
            write_the_rest(study, output, stages, data["image"], fused)

    return run


def run_stock(study: Path, output: Path, stages: Stages) -> Any:
    with stages.of("imports"):
        import highdicom  # noqa: F401
        import matplotlib.pyplot  # noqa: F401
    return run_stock_grey(study, output, stages, everything=True)


def refer(slices: list[Any], pet: Path) -> None:
    """Names in each slice the slices it was made of, before it gets a UID of its own."""
    import pydicom
    from pydicom.dataset import Dataset

    tags = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "ImagePositionPatient"]
    others = [pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags) for file in sorted(pet.glob("*.dcm"))]
    heights = np.array([float(other.ImagePositionPatient[2]) for other in others])

    def item(source: Any) -> Any:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
        return reference

    for one in slices:
        near = np.argsort(abs(heights - float(one.ImagePositionPatient[2])), kind="stable")[:2]
        sources = [one, *(others[i] for i in near)]
        one.SourceImageSequence = [item(source) for source in sources]
        series = []
        for uid in dict.fromkeys(source.SeriesInstanceUID for source in sources):
            entry = Dataset()
            entry.SeriesInstanceUID = uid
            entry.ReferencedInstanceSequence = [item(s) for s in sources if s.SeriesInstanceUID == uid]
            series.append(entry)
        one.ReferencedSeriesSequence = series
        one.DerivationDescription = "MRI fused with PET by a neural network. For research use only."


def write_the_rest(study: Path, output: Path, stages: Stages, image: Any, fused: Any) -> None:
    """Colour, contact sheet, hashes and report, as `stock` writes them."""
    import hashlib

    import matplotlib
    import nibabel as nib
    import pydicom
    from highdicom.sc import SCImage
    from matplotlib import pyplot
    from pydicom.uid import generate_uid

    mri, uptake, grey = image[0].numpy(), image[1].numpy(), fused[0].clamp(0, 1).numpy()
    with stages.of("colour"):
        red, green, blue = np.moveaxis(matplotlib.colormaps["jet"](uptake)[..., :3].astype(np.float32), -1, 0)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        rgb = np.stack([grey + red - luma, grey + green - luma, grey + blue - luma], axis=-1)
        color = np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    with stages.of("write NIfTI"):
        kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
        nib.save(nib.Nifti1Image(color.view(kind)[..., 0], fused.affine.numpy()), output / "colour.nii.gz")
    with stages.of("write DICOM"):
        files = sorted((output / "dicom").glob("*.dcm"))
        series = generate_uid()
        (output / "colour").mkdir()
        for k, file in enumerate(files):
            SCImage.from_ref_dataset(
                pydicom.dcmread(file, stop_before_pixels=True),
                pixel_array=np.ascontiguousarray(color[:, :, k].swapaxes(0, 1)),
                photometric_interpretation="RGB",
                bits_allocated=8,
                coordinate_system="PATIENT",
                series_instance_uid=series,
                series_number=9002,
                sop_instance_uid=generate_uid(),
                instance_number=k + 1,
                manufacturer="stock",
                patient_orientation=("L", "P"),
            ).save_as(output / "colour" / file.name)
    with stages.of("contact sheet"):
        rows = {"mri": mri, "functional": uptake, "fused": grey, "colour": color}
        figure, axes = pyplot.subplots(len(rows), 7, figsize=(15, 9), facecolor="black")
        for line, (name, volume) in zip(axes, rows.items()):
            line[0].set_ylabel(name)
            for axis, k in zip(line, np.linspace(0, len(files) - 1, 9).astype(int)[1:-1]):
                axis.imshow(volume[:, :, k].swapaxes(0, 1), cmap="gray", vmin=0, vmax=1)
                axis.set_axis_off()
        figure.savefig(output / "contact_sheet.png", dpi=100)
    with stages.of("hashes and report"):
        hashes = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for part in ("MR", "PT")
            for file in sorted((study / part).glob("*.dcm"))
        }
        (output / "report.json").write_text(json.dumps({"inputs": hashes, "shape": list(grey.shape)}))


#: The whole command of each, as a user types it; the rival's is the script itself.
COMMANDS = {
    "monai_fusion_grey": ["--color-map", "none", "--set", f"{NO_SHEET}=true"],
    "monai_fusion": [],
}

#: A program and its rival, by turns.
PROGRAMS = {
    "monai_fusion_grey": run_monai_fusion_grey,
    "stock_grey": run_stock_grey,
    "monai_fusion": run_monai_fusion,
    "stock": run_stock,
}


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
        "stages": {name: round(seconds, 3) for name, seconds in stages.seconds.items() if seconds > 5e-3},
    }
    print(json.dumps(found))


def measure_memory(studies: Path, results: Path) -> None:
    """Also in a process of its own: fuses a small study, then a large one."""
    from monai_fusion.workflow import fuse

    memory = {"imports_mb": memory_mb("VmRSS")}
    fuse(studies / "small" / "MR", studies / "small" / "PT", results / "small")
    memory["after_a_small_study_mb"] = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    fuse(studies / "large" / "MR", studies / "large" / "PT", results / "large")
    print(json.dumps({**memory, "peak_mb": memory_mb("VmHWM")}))


def memory_mb(what: str) -> float:
    """Of this program alone, now or at its peak: getrusage's figure begins with that of the program that started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) * 1024 / 1e6


COMMAND = "import sys; from monai_fusion.cli import main; sys.exit(main())"


def timed(*arguments: Any) -> tuple[str, float]:
    """What Python prints for these arguments, and how long it takes from start to end."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return found.stdout, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alone", nargs=3, metavar=("PROGRAM", "STUDY", "OUTPUT"), help=argparse.SUPPRESS)
    parser.add_argument("--memory", nargs=2, type=Path, metavar=("STUDIES", "RESULTS"), help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "end_to_end.json")
    arguments = parser.parse_args()
    if arguments.alone:
        program, study, output = arguments.alone
        run_alone(program, Path(study), Path(output))
        return
    if arguments.memory:
        measure_memory(*arguments.memory)
        return

    import nibabel as nib

    from monai_fusion.atomic import write_beside
    from monai_fusion.evaluation.machine import describe_machine, describe_versions

    def alone(program: str, study: Path, output: Path) -> tuple[dict[str, Any], float]:
        found, whole = timed(__file__, "--alone", program, study, output)
        return json.loads(found.splitlines()[-1]), whole

    runs: dict[str, list[dict[str, Any]]] = {program: [] for program in PROGRAMS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder / "study", SERIES)
        for i in range(RUNS):
            for program, found in runs.items():
                output = folder / f"{program}{i}"
                one, whole = alone(program, folder / "study", output)
                if program in COMMANDS:
                    paths = [folder / "study" / "MR", folder / "study" / "PT", "-o", folder / "by_command"]
                    _, whole = timed("-c", COMMAND, "fuse", *paths, *COMMANDS[program])
                found.append({"command_seconds": whole, **one})
        pictures = [
            nib.load(next((folder / f"{program}{RUNS - 1}").glob("*fused.nii.gz"))).get_fdata()
            for program in ("monai_fusion", "stock")
        ]
        write_study(folder / "small", SMALL)
        write_study(folder / "large", LARGE)
        memory = json.loads(timed(__file__, "--memory", folder, folder / "results")[0].splitlines()[-1])
    median = {
        program: {
            what: round(statistics.median(run[what] for run in found), 2)
            for what in ("seconds", "processor_seconds", "command_seconds")
        }
        for program, found in runs.items()
    }
    help_seconds = min(timed("-c", COMMAND, "--help")[1] for _ in range(RUNS))
    output_mb = 4 * float(np.prod(LARGE["MR"][0])) / 1e6
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "median": median,
        "times_faster_than_stock": {
            name: {
                what: round(median["stock" + kind][what] / median["monai_fusion" + kind][what], 2)
                for what in ("seconds", "processor_seconds", "command_seconds")
            }
            for name, kind in (("grey", "_grey"), ("everything", ""))
        },
        "correlation_of_the_pictures": round(float(np.corrcoef(*[p.ravel()[::7] for p in pictures])[0, 1]), 4),
        "help_seconds": round(help_seconds, 3),
        "peak_memory": {
            "shape": LARGE["MR"][0],
            "output_mb": output_mb,
            **memory,
            "outputs_over_imports": round((memory["peak_mb"] - memory["imports_mb"]) / output_mb, 2),
            "outputs": round((memory["peak_mb"] - memory["after_a_small_study_mb"]) / output_mb, 2),
        },
        "runs": runs,
    }
    with write_beside(arguments.output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "runs"}, indent=1))


if __name__ == "__main__":
    main()
