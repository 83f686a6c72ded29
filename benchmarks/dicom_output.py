"""What validators say to every DICOM object of six runs, how long writing takes, and two de-identifiers compared.

    python benchmarks/dicom_output.py

writes `benchmarks/results/dicom_output.json`. Needs dicom3tools (Debian) and the series in `../shared`;
dicom-anonymizer, which the package does not use, is compared where it is installed.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import highdicom
import pydicom
import torch
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(2, str(Path(__file__).resolve().parents[1] / "tests" / "data"))

from conftest import save_dicom
from dicom_tools import every_object, study_of, write_moved_pair
from runs import read_series
from test_deidentify import PLANTED, plant

import monai_fusion
from monai_fusion.atomic import write_beside
from monai_fusion.data.dicom_color import color_objects
from monai_fusion.data.dicom_common import FusedStudy
from monai_fusion.data.dicom_grey import grey_series
from monai_fusion.data.dicom_writer import DicomWriter
from monai_fusion.data.phantom import write_demo_pair
from monai_fusion.evaluation.machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
_CLASSES = (highdicom.legacy.LegacyConvertedEnhancedMRImage, highdicom.legacy.LegacyConvertedEnhancedPETImage)
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


def said(program: str, *files: Path) -> set[str]:
    """The errors and warnings of a validator."""
    done = subprocess.run([program, *map(str, files)], capture_output=True, text=True, check=False)
    return {line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning"))}


def validation(folder: Path) -> dict[str, Any]:
    """Six runs: what dciodvfy says to each kind of object, and dcentvfy to all together with their sources."""
    data = ROOT.parent / "shared" / "data"
    pair, demo = write_moved_pair(folder), write_demo_pair(folder / "demo")
    enhanced = []
    for make, source in zip(_CLASSES, (pair.mri, pair.pet)):
        enhanced.append(folder / make.__name__)
        enhanced[-1].mkdir()
        make(read_series(source), generate_uid(), 9, generate_uid(), 1).save_as(enhanced[-1] / "image.dcm")
    moved = {"functional_transform": pair.transform, "presentation_state": True}
    runs: dict[str, tuple[Path, Path, dict[str, Any]]] = {
        "demo": (demo.mri, demo.functional, {**moved, "functional_transform": demo.transform}),
        "siemens": (data / "dicom" / "siemens_prisma_t1_sag", data / "volumes" / "PET.nii.gz", {}),
        "oblique": (pair.mri, pair.pet, moved),
        "multiframe": (enhanced[0], enhanced[1], moved),
        "deidentified": (pair.mri, pair.pet, {**moved, "deidentify": True}),
        "nifti": (data / "volumes" / "T1.nii.gz", data / "volumes" / "PET.nii.gz", {}),
    }
    found: dict[str, Any] = {}
    for name, (mri, functional, options) in runs.items():
        out = folder / "out" / name
        monai_fusion.fuse(mri, functional, out, **options)
        by_kind = defaultdict(set)
        for path in every_object(out):
            by_kind[path.relative_to(out / "dicom").parts[0]] |= said("dciodvfy", path)
        sources = [] if name == "deidentified" else [mri, functional]
        files = [file for source in sources if source.is_dir() for file in source.iterdir()]
        found[name] = {
            "objects": len(every_object(out)),
            "dciodvfy": {kind: sorted(lines) for kind, lines in by_kind.items()},
            "dcentvfy": sorted(said("dcentvfy", *every_object(out), *files)),
        }
    return found


def times(folder: Path) -> dict[str, float]:
    """CPU seconds for 180 slices of 256x256 and a PET of 70: the headers of both, grey, colour; the best of three."""
    torch.manual_seed(0)
    fused, color = torch.rand(256, 256, 180), torch.randint(0, 256, (3, 256, 256, 180), dtype=torch.uint8)
    affine = torch.eye(4).double().numpy()
    mri = save_dicom(folder / "m", (fused * 900).round().numpy(), affine, "MR", "m")
    pet = save_dicom(folder / "p", (fused[:128, :128, :70] * 9000).round().numpy(), affine, "PT", "p")
    best = {"headers": float("inf"), "grey": float("inf"), "color": float("inf")}
    report = study_of(mri, pet).report
    for repeat in range(3):
        start = time.process_time()
        study = FusedStudy.of(report, "identity", affine, (256, 256, 180), 2)
        read = time.process_time()
        writer = DicomWriter()
        for k, instance in enumerate(grey_series(study, fused)):
            writer.write(instance, folder / str(repeat) / f"{k}.dcm")
        grey = time.process_time()
        for instance in color_objects(study, color):
            writer.write(instance, folder / str(repeat) / "color.dcm")
        for name, seconds in (("headers", read - start), ("grey", grey - read), ("color", time.process_time() - grey)):
            best[name] = min(best[name], seconds)
    return {name: round(seconds, 2) for name, seconds in best.items()}


def deidentifiers(folder: Path) -> dict[str, Any]:
    """Two libraries on the objects of a run that was not de-identified, with identifiers planted in its sources."""
    pair = write_moved_pair(folder)
    uids = set()
    for file in (*pair.mri.iterdir(), *pair.pet.iterdir()):
        dataset = pydicom.dcmread(file)
        plant(dataset)
        dataset.save_as(file)
        uids |= {str(dataset[keyword].value) for keyword in _UIDS}
    moved = {"functional_transform": pair.transform, "presentation_state": True}
    monai_fusion.fuse(pair.mri, pair.pet, folder / "out", **moved)

    from dicognito.anonymizer import Anonymizer

    methods: dict[str, Callable[[Dataset], None]] = {"dicognito": Anonymizer(seed="seed").anonymize}
    if find_spec("dicomanonymizer"):
        from dicomanonymizer import simpledicomanonymizer as other

        for table in ("2023", "2026c"):
            rules = {"base_rules_gen": lambda table=table: other.initialize_actions(f"dicomfields_{table}")}
            methods[f"dicom-anonymizer {table}"] = lambda dataset, rules=rules: other.anonymize_dataset(
                dataset, **rules
            )
    found = {}
    for name, anonymize in methods.items():
        left, errors, old_uids = set(), set(), 0
        for path in every_object(folder / "out"):
            dataset = pydicom.dcmread(path)
            anonymize(dataset)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.save_as(folder / "clean.dcm")
            content = (folder / "clean.dcm").read_bytes()
            left |= {keyword for keyword, value in PLANTED.items() if value.encode() in content}
            old_uids += sum(uid.encode() in content for uid in uids)
            errors |= {line for line in said("dciodvfy", folder / "clean.dcm") if line.startswith("Error")}
        found[name] = {"left": sorted(left), "original_uids": old_uids, "dciodvfy_errors": sorted(errors)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "dicom_output.json")
    output: Path = parser.parse_args().output
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    result: dict[str, Any] = {"machine": describe_machine()}
    for measure in (times, validation, deidentifiers):
        with tempfile.TemporaryDirectory() as folder:
            result[measure.__name__] = measure(Path(folder))
    with write_beside(output) as path:
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
