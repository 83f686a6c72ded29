"""Pairs found in folders: what is paired, and what is left over and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from conftest import AFFINE, save_dicom
from small_cohort import MRI, PET

from monai_fusion.cohort.pairing import PairingRules, StudyPairing, find_studies, format_pairing
from monai_fusion.errors import InputError


def left(pairing: StudyPairing) -> dict[str, str]:
    return {each.what: each.why for each in pairing.left_over}


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_bids(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/pet/sub-01_pet.nii.gz",
        "sub-01/anat/sub-01_FLAIR.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
        "sub-02/ses-b/pet/sub-02_ses-b_pet.nii",
        "sub-03/ses-a/anat/sub-03_ses-a_T1w.nii.gz",
        "sub-03/ses-a/pet/sub-03_ses-a_trc-FDG_pet.nii.gz",
        "sub-03/ses-a/pet/sub-03_ses-a_trc-PIB_pet.nii.gz",
        "sub-04/anat/notes.txt",
        "participants.tsv",
    )
    pairing = find_studies(root)
    assert [(s.id, s.mri[0].name, s.functional[0].name) for s in pairing.studies] == [
        ("sub-01", "sub-01_T1w.nii.gz", "sub-01_pet.nii.gz")
    ]
    assert left(pairing) == {
        "sub-02_ses-a": "no PET beside",
        "sub-02_ses-b": "no T1w beside",
        "sub-03_ses-a": "several PET images fit; state which by --functional-series '*PATTERN*'",
        "sub-04": "no image that fits",
    }
    assert [s.id for s in find_studies(root, PairingRules(functional="*trc-FDG*")).studies] == ["sub-03_ses-a"]
    across = find_studies(root, PairingRules(across_sessions=True))
    assert [s.id for s in across.studies] == ["sub-01", "sub-02"]
    listed = "\n".join(format_pairing(pairing))
    assert listed.startswith("1 pairs, 4 left over")
    assert "pair       sub-01\n" in listed
    assert str(tmp_path) not in listed
    assert str(tmp_path) in "\n".join(format_pairing(pairing, paths=True))
    with pytest.raises(InputError, match="no two images could be paired"):
        find_studies(root, PairingRules(mri="*T2w*"))


class Archive:
    """Series of small volumes, one folder each."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, name: str, modality: str, patient: str, study: str, day: str, **tags: object) -> Path:
        array = np.round(MRI if modality == "MR" else PET)[..., :3]
        folder = save_dicom(self.root / name, array, AFFINE, modality, name)
        for file in folder.iterdir():
            dataset = pydicom.dcmread(file)
            dataset.PatientID, dataset.StudyDate, dataset.SeriesDate = patient, day, day
            dataset.StudyInstanceUID = f"1.2.3.{study}"
            for keyword, value in tags.items():
                setattr(dataset, keyword, value)
            dataset.save_as(file)
        return folder

    def pair(self, **rules: object) -> tuple[dict[str, str], dict[str, str]]:
        """The MRI's folder by the PET's, and the reason by the folder of what is left."""
        pairing = find_studies(self.root, PairingRules(**rules))  # type: ignore[arg-type]
        pairs = {s.functional[0].parent.name: s.mri[0].parent.name for s in pairing.studies}
        return pairs, {each.path.name: each.why for each in pairing.left_over}


def test_dicom_by_patient_and_day(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add("pet1", "PT", "A", "1", "20250110")
    archive.add("mri1", "MR", "A", "2", "20250109")
    archive.add("mri2", "MR", "A", "3", "20250101")
    archive.add("pet2", "PT", "B", "4", "20250110")
    archive.add("mri3", "MR", "B", "4", "20250110")
    archive.add("pet3", "PT", "C", "5", "20250110")
    archive.add("mri4", "MR", "D", "6", "20250110")
    pairs, rest = archive.pair()
    assert pairs == {"pet2": "mri3"}
    assert rest["pet1"] == "the patient has no single fitting MRI within 0 days (--days)"
    assert rest["pet3"] == rest["pet1"]
    pairs, rest = archive.pair(days=30)
    assert pairs == {"pet1": "mri1", "pet2": "mri3"}
    assert rest == {
        "mri2": "no PET or SPECT took it within 30 days",
        "mri4": "no PET or SPECT took it within 30 days",
        "pet3": "the patient has no single fitting MRI within 30 days (--days)",
    }
    ids = [study.id for study in find_studies(tmp_path, PairingRules(days=30)).studies]
    assert ids == [study.id for study in find_studies(tmp_path, PairingRules(days=30)).studies]
    assert all(name.startswith("pair-") for name in ids)


def test_dicom_that_is_not_clear_is_left_over(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add("sound_pet", "PT", "0", "0", "20250110")
    archive.add("sound_mri", "MR", "0", "0", "20250110")
    archive.add("pet1", "PT", "A", "1", "20250110")
    archive.add("mri1", "MR", "A", "2", "20250109")
    archive.add("mri2", "MR", "A", "3", "20250111")
    archive.add("pet2", "PT", "B", "4", "20250110")
    archive.add("mprage", "MR", "B", "4", "20250110", SeriesDescription="MPRAGE")
    archive.add("flair", "MR", "B", "4", "20250110", SeriesDescription="FLAIR")
    archive.add("pet3", "PT", "C", "5", "20250110", PatientBirthDate="19500101")
    archive.add("mri3", "MR", "C", "5", "20250110", PatientBirthDate="19600101")
    archive.add("pet4", "PT", "", "6", "20250110")
    archive.add("mri4", "MR", "", "7", "20250110")
    archive.add("ct", "PT", "0", "0", "20250110", Modality="CT")
    pairs, rest = archive.pair(days=30)
    assert pairs == {"sound_pet": "sound_mri"}
    assert rest["pet1"] == "two MRI studies are equally near in time"
    assert rest["pet2"] == "several MR series of its study fit; state which by --mri-series"
    assert rest["flair"] == "several or none of its study fit; state which by --mri-series"
    assert rest["pet3"] == rest["mri3"] == "its PatientID has several dates of birth"
    assert "no single fitting MRI" in rest["pet4"]  # two patients without an ID are not one
    assert rest["ct"] == "neither MRI nor PET or SPECT ('CT')"
    assert archive.pair(days=30, mri="*mprage*")[0] == {"pet2": "mprage"}


def test_a_damaged_file_spoils_its_folder_alone(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for patient in "AB":
        archive.add(f"pet{patient}", "PT", patient, (patient == "A" and "1") or "2", "20250110")
        archive.add(f"mri{patient}", "MR", patient, (patient == "A" and "1") or "2", "20250110")
    damaged = tmp_path / "mriA" / "0003.dcm"
    damaged.write_bytes(damaged.read_bytes()[:300])
    pairs, rest = archive.pair()
    assert pairs == {"petB": "mriB"}
    assert rest["0003.dcm"] == "cannot be read"
    assert rest["mriA"] == "a file beside it cannot be read"
    assert "no single fitting MRI" in rest["petA"]
