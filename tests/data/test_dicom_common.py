"""What every DICOM result takes over from its sources and says about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from conftest import AFFINE, head, save_dicom, save_nifti
from dicom_tools import every_object, study_of, validate
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from runs import read_series
from test_dicom_volume import nm_tomogram

import monai_fusion
from monai_fusion.data import dicom_source
from monai_fusion.data.dicom_color import color_objects
from monai_fusion.data.dicom_common import FusedStudy
from monai_fusion.data.dicom_grey import grey_series
from monai_fusion.data.dicom_source import SourceImage
from monai_fusion.data.dicom_writer import DicomWriter

SHAPE = (24, 28, 8)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    mri, pet = (np.round(volume) for volume in head(SHAPE))
    return save_dicom(tmp_path / "m", mri, AFFINE, "MR", "m"), save_dicom(tmp_path / "p", pet, AFFINE, "PT", "p")


def edit(folder: Path, change: Callable[[Dataset], object]) -> None:
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        change(dataset)
        dataset.save_as(file)


def first_slice(study: FusedStudy, folder: Path) -> Dataset:
    """The first slice of the grey series, written, found sound and read again."""
    DicomWriter().write(next(grey_series(study, torch.zeros(SHAPE))), folder / "slice.dcm")
    assert validate("dciodvfy", folder / "slice.dcm") == []
    return pydicom.dcmread(folder / "slice.dcm")


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 192", "Żółć^Ωmega^日本"),
        ("ISO_IR 100", "Müller^Jürgen"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (None, "Smith^John"),
    ],
)
def test_names_in_any_alphabet(charset: Any, name: str, pair: tuple[Path, Path], tmp_path: Path) -> None:
    def baptise(dataset: Dataset) -> None:
        if charset is not None:
            dataset.SpecificCharacterSet = charset
        dataset.PatientName = name

    edit(pair[0], baptise)
    instance = first_slice(study_of(*pair), tmp_path)
    assert instance.get("SpecificCharacterSet") == charset
    assert str(instance.PatientName) == name


def test_patient_and_study_modules(pair: tuple[Path, Path], tmp_path: Path) -> None:
    told = {
        "IssuerOfPatientID": "HOSPITAL",
        "PatientComments": "likes MRI",
        "PatientAge": "056Y",
        "StudyDescription": "Head",
        "ReferringPhysicianName": "Doctor^Who",
        "ClinicalTrialSponsorName": "Sponsor",
        "ClinicalTrialProtocolID": "1",
        "ClinicalTrialProtocolName": "Trial",
        "ClinicalTrialSiteID": "3",
        "ClinicalTrialSiteName": "Site",
        "ClinicalTrialSubjectID": "2",
        "TimezoneOffsetFromUTC": "+0200",
        "PositionReferenceIndicator": "NASION",
    }
    edit(pair[0], lambda dataset: dataset.update(told))
    instance = first_slice(study_of(*pair), tmp_path)
    assert {keyword: instance.get(keyword) for keyword in told} == told


def test_a_source_without_patient(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """The attributes are there and empty, as type 2 is."""
    missing = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID")
    missing += ("AccessionNumber", "ReferringPhysicianName", "BodyPartExamined", "PatientPosition")
    edit(pair[0], lambda dataset: [dataset.pop(keyword, None) for keyword in missing])
    instance = first_slice(study_of(*pair), tmp_path)
    for keyword in missing:
        assert not instance.get(keyword)
        assert keyword in instance or keyword == "BodyPartExamined"


def test_dates_in_the_zone_of_the_source(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """PS3.3 C.12.1.1.8: the offset holds for every date and time of the object."""
    edit(pair[0], lambda dataset: setattr(dataset, "TimezoneOffsetFromUTC", "-1130"))
    moment = datetime(2026, 3, 1, 10, 30, tzinfo=timezone.utc)
    instance = first_slice(replace(study_of(*pair), now=moment), tmp_path)
    local = moment - timedelta(hours=11, minutes=30)
    for what in ("Series", "Content", "InstanceCreation"):
        assert instance[f"{what}Date"].value == local.strftime("%Y%m%d")
        assert instance[f"{what}Time"].value[:6] == local.strftime("%H%M%S")


def test_says_what_it_is(pair: tuple[Path, Path], tmp_path: Path) -> None:
    model = {"name": "student", "version": "7", "sha256": "ab" * 32}
    instance = first_slice(study_of(*pair, model=model), tmp_path)
    assert "research use only" in instance.SeriesDescription
    assert instance.ImageComments == "For research use only. Not for diagnostic use."
    assert list(instance.SoftwareVersions) == [f"monai-fusion {monai_fusion.__version__}", "student 7"]
    purposes = [i.PurposeOfReferenceCodeSequence[0].CodeValue for i in instance.ContributingEquipmentSequence]
    assert purposes == ["109102", "109101", "109101"]  # processing, two scanners
    assert "ab" * 32 in instance.ContributingEquipmentSequence[0].ContributionDescription
    codes = [(item.CodeValue, item.CodingSchemeDesignator) for item in instance.DerivationCodeSequence]
    assert codes == [("113085", "DCM"), ("FUSION", "99MONAIFUSION")]
    assert instance.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99MONAIFUSION"
    assert instance.SeriesNumber > 1000


def test_references(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """On one grid a slice was made of one slice of each: by purpose, and by series."""
    instance = first_slice(study_of(*pair), tmp_path)
    place = instance.ImagePositionPatient
    mri, pet = (
        next(i for i in read_series(folder) if np.allclose(i.ImagePositionPatient, place, atol=1e-3)) for folder in pair
    )
    sources = {i.PurposeOfReferenceCodeSequence[0].CodeValue: i for i in instance.SourceImageSequence}
    assert {code: str(i.ReferencedSOPInstanceUID) for code, i in sources.items()} == {
        "128250": mri.SOPInstanceUID,
        "121322": pet.SOPInstanceUID,
    }
    series = {i.SeriesInstanceUID: i.ReferencedInstanceSequence for i in instance.ReferencedSeriesSequence}
    assert {uid: [str(i.ReferencedSOPInstanceUID) for i in items] for uid, items in series.items()} == {
        source.SeriesInstanceUID: [source.SOPInstanceUID] for source in (mri, pet)
    }


def test_each_file_is_read_once(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    read = dicom_source.read_dicom
    monkeypatch.setattr(dicom_source, "read_dicom", lambda f, **k: calls.append(f) or read(f, **k))
    dicom_source.read_source_images({"files": [str(file) for file in sorted(pair[0].iterdir())]})
    assert sorted(calls) == sorted(str(file) for file in pair[0].iterdir())


# --- Other sources than two classic series ------------------------------------------------------------------------


@pytest.fixture
def enhanced(pair: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Both series as multi-frame objects."""
    kinds = (highdicom.legacy.LegacyConvertedEnhancedMRImage, highdicom.legacy.LegacyConvertedEnhancedPETImage)
    folders = []
    for kind, folder in zip(kinds, pair):
        (tmp_path / kind.__name__).mkdir()
        kind(read_series(folder), generate_uid(), 9, generate_uid(), 1).save_as(tmp_path / kind.__name__ / "image.dcm")
        folders.append(tmp_path / kind.__name__)
    return folders[0], folders[1]


def test_multiframe_sources(enhanced: tuple[Path, Path], pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Patient, study, acquisition and grid come from the one object, references name its frames."""
    result = monai_fusion.fuse(*enhanced, tmp_path / "out", presentation_state=True)
    for path in every_object(tmp_path / "out"):
        assert validate("dciodvfy", path) == []
    sources = [read_series(folder)[0] for folder in enhanced]
    classic = read_series(pair[0])[0]
    places = [g.PlanePositionSequence[0].ImagePositionPatient for g in sources[0].PerFrameFunctionalGroupsSequence]
    for instance in read_series(tmp_path / "out" / "dicom" / "fused"):
        for keyword in ("PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert instance[keyword].value == sources[0][keyword].value
        for keyword in ("ScanningSequence", "RepetitionTime", "EchoTime", "SliceThickness", "PixelSpacing"):
            assert instance[keyword].value == classic[keyword].value, keyword
        for source, item in zip(sources, instance.SourceImageSequence):
            assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
            np.testing.assert_allclose(places[item.ReferencedFrameNumber - 1], instance.ImagePositionPatient, atol=1e-3)
    assert result.report["warnings"] == []


def test_acquisition_of_an_enhanced_object() -> None:
    """Where the Enhanced MR IOD keeps what the classic one has at the root."""
    timing, echo, header, shared = Dataset(), Dataset(), Dataset(), Dataset()
    timing.RepetitionTime, timing.EchoTrainLength = 2000.0, 5
    echo.EffectiveEchoTime = 3.5
    shared.MRTimingAndRelatedParametersSequence, shared.MREchoSequence = [timing], [echo]
    header.SharedFunctionalGroupsSequence = [shared]
    image = SourceImage(header, frame=1)
    assert image.attribute("RepetitionTime", "MRTimingAndRelatedParametersSequence") == 2000
    assert image.attribute("EffectiveEchoTime", "MREchoSequence") == 3.5
    assert image.attribute("FlipAngle", "MRTimingAndRelatedParametersSequence") is None


def test_spect(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """An NM object does not say where each frame lies: it is named as a whole."""
    uptake = np.random.default_rng(0).integers(0, 999, (20, 30, 34))
    (tmp_path / "nm").mkdir()
    nm = nm_tomogram(tmp_path / "nm" / "nm.dcm", uptake, -5.0)
    frame_of_reference = read_series(pair[0])[0].FrameOfReferenceUID
    edit(nm.parent, lambda dataset: setattr(dataset, "FrameOfReferenceUID", frame_of_reference))
    monai_fusion.fuse(pair[0], nm, tmp_path / "out", registration="none")
    objects = every_object(tmp_path / "out")
    for path in objects:
        assert validate("dciodvfy", path) == []
    for path in objects:
        named = pydicom.dcmread(path).SourceImageSequence
        [item] = [i for i in named if i.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"]
        assert item.ReferencedSOPInstanceUID == pydicom.dcmread(nm).SOPInstanceUID
        assert "ReferencedFrameNumber" not in item


def test_nifti_sources_have_no_patient(tmp_path: Path) -> None:
    mri, pet = head(SHAPE)
    monai_fusion.fuse(save_nifti(tmp_path / "m.nii", mri), save_nifti(tmp_path / "p.nii", pet), tmp_path / "out")
    objects = every_object(tmp_path / "out")
    assert validate("dcentvfy", *objects) == []
    for path in objects:
        instance = pydicom.dcmread(path)
        assert validate("dciodvfy", path) == []
        for keyword in ("PatientName", "PatientID", "StudyDate"):
            assert keyword in instance
            assert not instance[keyword].value
        assert "SourceImageSequence" not in instance


# --- Colour -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 3, 8, 100])
def test_big_colour_studies_are_split(frames: int, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Into objects of one series that together hold every frame in order; odd sizes are padded to even length."""
    color = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8))
    study = study_of(*pair)
    objects = list(color_objects(study, color, max_bytes=frames * 3 * 24 * 28))
    assert len(objects) == -(-8 // min(frames, 8))
    pixels, places, uids = [], [], set()
    for k, instance in enumerate(objects):
        DicomWriter().write(instance, tmp_path / f"{k}.dcm")
        assert validate("dciodvfy", tmp_path / f"{k}.dcm") == []
        pixels.append(np.reshape(pydicom.dcmread(tmp_path / f"{k}.dcm").pixel_array, (-1, 28, 24, 3)))
        places += [g.PlanePositionSequence[0].ImagePositionPatient for g in instance.PerFrameFunctionalGroupsSequence]
        uids.add(instance.SOPInstanceUID)
    assert len(uids) == len(objects)
    assert len({instance.SeriesInstanceUID for instance in objects}) == 1
    np.testing.assert_array_equal(np.concatenate(pixels).transpose(3, 2, 1, 0), color)
    expected = [instance.ImagePositionPatient for instance in grey_series(study, torch.zeros(SHAPE))]
    np.testing.assert_array_equal(np.array(places, float), np.array(expected, float))


def test_highdicom_places_the_colour_volume(pair: tuple[Path, Path], tmp_path: Path) -> None:
    color = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8))
    study = study_of(*pair)
    [instance] = color_objects(study, color)
    DicomWriter().write(instance, tmp_path / "color.dcm")
    volume = highdicom.imread(tmp_path / "color.dcm").get_volume()
    if volume.affine[2, 0] * study.affine[2, 2] < 0:  # highdicom counts slices against their normal
        volume = volume.flip_spatial(0)
    np.testing.assert_allclose(volume.affine[:, [2, 1, 0, 3]], study.affine, atol=1e-6)
    np.testing.assert_array_equal(volume.array.transpose(3, 2, 1, 0), color)
