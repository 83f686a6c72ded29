"""De-identified results: nothing of the patient in any byte, one new identity in all objects."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_tools import every_object, validate, write_moved_pair
from pydicom.dataset import Dataset
from runs import Run, read_series, run

import monai_fusion
from monai_fusion.data.deidentify import deidentify_report
from monai_fusion.errors import InputError

#: What is planted in both sources, besides the UIDs that they have.
PLANTED = {
    "PatientName": "Krankenhaus^Zacharias",
    "PatientID": "ID-4711-SECRET",
    "OtherPatientIDs": "OTHER-4712",
    "IssuerOfPatientID": "ISSUER-4713",
    "PatientBirthDate": "19511213",
    "PatientAddress": "Sackgasse 7",
    "PatientComments": "gardener",
    "PatientAge": "074Y",
    "AccessionNumber": "ACC4714",
    "StudyID": "STUDY4715",
    "StudyDate": "20251224",
    "StudyTime": "175301.987654",
    "SeriesDate": "20251225",
    "AcquisitionDate": "20251226",
    "ContentDate": "20251227",
    "StudyDescription": "Head of Zacharias",
    "SeriesDescription": "t1 Zacharias",
    "ReferringPhysicianName": "Arzt^Anna",
    "OperatorsName": "Betreiber^Bert",
    "InstitutionName": "Klinik am See",
    "StationName": "MRC4716",
    "DeviceSerialNumber": "SN4717",
    "ProtocolName": "Protocol4718",
    "ImageComments": "Comment4719",
    "PositionReferenceIndicator": "REF4720",
    "Manufacturer": "MAKER4721",
    "AdditionalPatientHistory": "History4722",
    "TimezoneOffsetFromUTC": "+0545",
}
PRIVATE = "PRIVATE4723"
KEPT = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


def plant(dataset: Dataset) -> None:
    dataset.update(PLANTED)
    dataset.private_block(0x0029, "PLANTED 1.0", create=True).add_new(0x10, "LO", PRIVATE)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("clean")
    pair = write_moved_pair(folder)
    for file in (*pair.mri.iterdir(), *pair.pet.iterdir()):
        dataset = pydicom.dcmread(file)
        plant(dataset)
        dataset.save_as(file)
    options = ("--functional-transform", str(pair.transform), "--presentation-state", "--deidentify")
    return run(pair.mri, pair.pet, folder / "out", *options)


def secrets(done: Run) -> list[str]:
    """Everything that must not be found: what was planted, and all UIDs and hashes of the sources."""
    found = [*PLANTED.values(), *PLANTED["PatientName"].split("^"), PRIVATE]
    for folder in (done.mri, done.functional):
        for instance in read_series(folder):
            found += [str(instance[keyword].value) for keyword in KEPT]
    return found


def test_no_byte_tells_who_it_was(clean: Run) -> None:
    files = [path for path in clean.out.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".dcm", ".gz", ".png", ".json"}
    contents = {path.name: path.read_bytes() for path in files}
    contents.update({path.name: gzip.decompress(path.read_bytes()) for path in files if path.suffix == ".gz"})
    contents["printed"] = clean.printed.encode()
    for secret in secrets(clean):
        for name, content in contents.items():
            assert secret.lower().encode() not in content.lower(), (secret, name)


def test_report_tells_nothing_that_leads_back(clean: Run) -> None:
    """The hashes of the files are what the pseudonyms follow from."""
    for role in ("mri", "functional"):
        assert set(clean.report[role]) <= {"kind", "modality", "units", "shape", "spacing_mm", "file_count", "suv"}
    assert clean.report["deidentified"]["methods"] == ["113100", "113105", "113107"]


def test_report_keeps_no_uid_and_no_patient_of_any_step() -> None:
    uid = "1.3.12.2.1107.5.2.43.67060.2022040715053454597060816"
    source: dict[str, Any] = {
        "kind": "dicom",
        "sha256": "00",
        "series_uid": uid,
        "files": ["a", "b"],
        "suv": {"type": "BW", "inputs": {"weight": 70}},
        "anything_new": uid,
    }
    report = {"mri": source, "functional": source, "warnings": [f"series {uid} is odd"], "steps": {"a": [uid, 2.5]}}
    clean = deidentify_report(report)
    assert clean["mri"] == {"kind": "dicom", "files": ["a", "b"], "suv": {"type": "BW"}}
    assert clean["warnings"] == ["series removed is odd"]
    assert clean["steps"] == {"a": ["removed", 2.5]}


def test_one_new_identity_in_all_objects(clean: Run) -> None:
    objects = [pydicom.dcmread(path) for path in every_object(clean.out)]
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        [value] = {str(instance[keyword].value) for instance in objects}
        assert value not in ("", PLANTED.get(keyword))
    for instance in objects:
        assert instance.PatientIdentityRemoved == "YES"
        assert instance.LongitudinalTemporalInformationModified == "MODIFIED"
        assert "DICOGNITO" in instance.DeidentificationMethod
        codes = {item.CodeValue for item in instance.DeidentificationMethodCodeSequence}
        assert codes == {"113100", "113105", "113107"}  # basic profile, clean descriptors, modified dates
        for keyword in ("PatientBirthDate", "PatientSex"):
            assert not instance[keyword].value
        assert not [element for element in instance.iterall() if element.tag.is_private]


def test_the_day_of_the_run_does_not_tell_the_shift_of_the_dates(clean: Run) -> None:
    """Every date is that of the study: one of today, shifted by as much as the study, would give it away."""
    for path in every_object(clean.out):
        instance = pydicom.dcmread(path)
        dates = {e.value[:8] for e in instance.iterall() if e.VR in ("DA", "DT") and e.value}
        assert dates == {instance.StudyDate}


def test_references_hold_among_the_results(clean: Run) -> None:
    objects = {
        path.relative_to(clean.out / "dicom").as_posix(): pydicom.dcmread(path) for path in every_object(clean.out)
    }
    registration, state = objects["registration.dcm"], objects["blending.dcm"]
    grey = objects["fused/0001.dcm"]
    assert (
        grey.FrameOfReferenceUID
        == registration.FrameOfReferenceUID
        == objects["fused_color/0001.dcm"].FrameOfReferenceUID
    )
    [study] = state.ReferencedSpatialRegistrationSequence
    assert (
        study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        == registration.SOPInstanceUID
    )
    sources = {
        i.ReferencedSOPInstanceUID for item in registration.RegistrationSequence for i in item.ReferencedImageSequence
    }
    for name, instance in objects.items():
        if name.startswith("fused"):
            assert {i.ReferencedSOPInstanceUID for i in instance.SourceImageSequence} <= sources
    assert len(sources) == 24


def test_validators(clean: Run) -> None:
    for path in every_object(clean.out):
        assert validate("dciodvfy", path) == []
    assert validate("dcentvfy", *every_object(clean.out)) == []


def test_a_repeated_run_is_the_same_to_the_byte(clean: Run, tmp_path: Path) -> None:
    transform = clean.mri.parent / "mri_to_pet.tfm"
    again = monai_fusion.fuse(
        clean.mri,
        clean.functional,
        tmp_path / "out",
        functional_transform=transform,
        presentation_state=True,
        deidentify=True,
    )
    assert again.output_dir is not None
    for first, second in zip(every_object(clean.out), every_object(again.output_dir)):
        assert first.read_bytes() == second.read_bytes()
    report = json.loads((clean.out / "report.json").read_text())
    assert {k: v for k, v in again.report.items() if k != "seconds"} == {
        k: v for k, v in report.items() if k != "seconds"
    }


def test_another_patient_gets_another_identity(clean: Run, tmp_path: Path) -> None:
    pair = write_moved_pair(tmp_path)
    monai_fusion.fuse(pair.mri, pair.pet, tmp_path / "out", functional_transform=pair.transform, deidentify=True)
    first, second = (pydicom.dcmread(out / "dicom" / "registration.dcm") for out in (clean.out, tmp_path / "out"))
    for keyword in ("PatientID", "StudyInstanceUID", "StudyDate"):
        assert first[keyword].value != second[keyword].value


def test_without_the_library_nothing_is_begun(clean: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_fusion.data.deidentify.optional_import", lambda *args, **kwargs: (None, False))
    with pytest.raises(InputError, match=r"monai-fusion\[deidentify\]"):
        monai_fusion.fuse(clean.mri, clean.functional, tmp_path / "out", deidentify=True)
    assert not (tmp_path / "out").exists()
