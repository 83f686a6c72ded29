"""A patient's study with identifiers that must not show up anywhere, and the command line watched for them."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pydicom
from conftest import AFFINE, head, save_dicom
from pydicom.dataset import Dataset

from monai_fusion import cli

NAME, PATIENT_ID, ACCESSION, BIRTH_DATE = "Planted^Secret", "PLANTED-77", "ACC-4711", "19411224"


@dataclass(frozen=True)
class Study:
    """An MRI and a PET of 8 slices each, in a folder."""

    folder: Path

    @cached_property
    def instances(self) -> dict[str, Dataset]:
        read = [pydicom.dcmread(file) for file in sorted(self.folder.rglob("*.dcm"))]
        return {str(one.SOPInstanceUID): one for one in read}

    @property
    def uid(self) -> str:
        return str(next(iter(self.instances.values())).StudyInstanceUID)

    def series(self, modality: str) -> str:
        return next(str(one.SeriesInstanceUID) for one in self.instances.values() if one.Modality == modality)

    @property
    def secrets(self) -> list[str]:
        """What no line may show."""
        uids = [self.uid, self.series("MR"), self.series("PT"), *self.instances]
        return ["Planted", "Secret", PATIENT_ID, ACCESSION, BIRTH_DATE, *uids]


def write_study(folder: Path) -> Study:
    for modality, volume in zip(("MR", "PT"), head((64, 64, 8))):
        save_dicom(folder / modality, volume, AFFINE, modality, f"archive {modality}")
    for file in folder.rglob("*.dcm"):
        instance = pydicom.dcmread(file)
        instance.PatientName, instance.PatientID, instance.AccessionNumber = NAME, PATIENT_ID, ACCESSION
        instance.PatientBirthDate = BIRTH_DATE
        instance.save_as(file, enforce_file_format=True)
    return Study(folder)


@dataclass(frozen=True)
class Said:
    """What a command ended with and said: printed, or logged at the default level."""

    code: int
    text: str

    @property
    def line(self) -> str:
        """The one line of an error."""
        [line] = self.text.splitlines()
        return line


def command(study: Study, *arguments: object) -> Said:
    """Runs the command line; fails where it shows an identifier."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            code = cli.main([str(argument) for argument in arguments])
    finally:
        logging.getLogger().removeHandler(handler)
    return _watched(study, Said(code, said.getvalue()))


def process(study: Study, *arguments: object) -> Said:
    """As `command`, with logging and warnings as Python sets them up where no test runs."""
    program = "import sys; from monai_fusion.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return _watched(study, Said(done.returncode, done.stdout + done.stderr))


def _watched(study: Study, said: Said) -> Said:
    assert [secret for secret in study.secrets if secret in said.text] == []
    return said


def write_results(folder: Path, study: Study) -> Path:
    """What `send` takes for a finished run: the study's MRI in the place of the fusion."""
    (folder / "dicom" / "fused").mkdir(parents=True)
    (folder / "report.json").write_text("{}")
    for uid, instance in study.instances.items():
        if instance.Modality == "MR":
            instance.save_as(folder / "dicom" / "fused" / f"{uid[-6:]}.dcm", enforce_file_format=True)
    return folder
