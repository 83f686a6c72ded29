"""The index of a study, and the choice among its series."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_objects import DYNAMIC, VOLUME, classic, new, nm, report, save, secondary_capture, several, zipped
from pydicom.uid import MediaStorageDirectoryStorage

from monai_fusion.data import dicom_index
from monai_fusion.data.dicom_index import find_series
from monai_fusion.data.dicom_series import DicomSeries, choose_series
from monai_fusion.errors import InputError

LOCALIZER = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
CORRECTED, UNCORRECTED = ["DECY", "ATTN", "SCAT"], ["DECY", "SCAT"]


def add(study: Path, name: str, modality: str = "MR", **tags: object) -> Path:
    """A series of its own, called `name`."""
    uid = f"1.2.826.0.1.1{len(list(study.glob('*')))}{sum(name.encode())}"
    return classic(study / name, modality=modality, SeriesInstanceUID=uid, SeriesDescription=name, **tags)


def by_name(series: list[DicomSeries]) -> dict[str, DicomSeries]:
    return {each.description: each for each in series}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A T1, its localiser, a screenshot and a report; a PET with and one without attenuation correction."""
    study = tmp_path / "study"
    add(study, "T1 MPRAGE", SeriesNumber=2, SeriesDate="20260102")
    add(study, "scout", SeriesNumber=1, ImageType=LOCALIZER)
    add(study, "T1 MPR", SeriesNumber=12, ImageType=["DERIVED", "SECONDARY", "MPR"])
    add(study, "AC", "PT", SeriesNumber=5, CorrectedImage=CORRECTED, Units="BQML")
    add(study, "NAC", "PT", SeriesNumber=6, CorrectedImage=UNCORRECTED, Units="BQML")
    secondary_capture(study / "other" / "sc.dcm")
    report(study / "other" / "report.dcm")
    return study


def test_what_the_headers_say(study: Path) -> None:
    found = by_name(find_series(study))
    t1 = found["T1 MPRAGE"]
    assert (t1.modality, t1.number, t1.date, len(t1.files)) == ("MR", 2, "20260102", 6)
    assert t1.matrix == VOLUME.shape[:2]
    assert t1.spacing == (2.5, 3.0, 4.0)
    assert t1.slices == 6
    assert t1.orientation == "oblique axial"
    assert t1.volumes == [("", 6)]
    assert t1.notes == []
    assert found["scout"].notes == ["localiser"]
    assert found["T1 MPR"].notes == ["derived"]
    assert found["AC"].attenuation_corrected is True
    assert found["NAC"].notes == ["not attenuation corrected"]
    assert [s.notes for s in find_series(study / "other" / "report.dcm")] == [["no images"]]
    assert [s.notes for s in find_series(study / "other" / "sc.dcm")] == [["no position in the patient"]]


def test_sorted_by_number(study: Path) -> None:
    assert [s.number for s in find_series(study)][:3] == [1, 2, 4]


def test_volumes_are_counted(tmp_path: Path) -> None:
    [dynamic] = find_series(several(tmp_path / "d", DYNAMIC, "PT"))
    assert dynamic.notes == ["3 volumes, the first: frame reference time 30000 ms"]
    assert dynamic.slices == 6


def test_defects_are_told(tmp_path: Path) -> None:
    [series] = find_series(classic(tmp_path / "s", places=[0, 1, 2, 3, 5, 6]))
    assert series.not_a_volume is None
    assert "8.000 mm between" in str(series.defect)
    [series] = find_series(nm(tmp_path / "n.dcm", kind="WHOLE BODY"))
    assert series.notes == ["NM WHOLE BODY"]


def test_what_is_no_dicom_is_passed_over(study: Path) -> None:
    expected = [s.uid for s in find_series(study)]
    (study / "notes.txt").write_text("a note")
    (study / "empty").write_bytes(b"")
    (study / "._0001.dcm").write_bytes(b"what macOS leaves")
    (study / "__MACOSX").mkdir()
    (study / "__MACOSX" / "0001.dcm").write_bytes(b"what macOS packs")
    save(new(MediaStorageDirectoryStorage, ""), study / "DICOMDIR")
    assert [s.uid for s in find_series(study)] == expected


def test_a_zip_and_a_list_hold_the_same(study: Path) -> None:
    expected = [(s.uid, len(s.files), s.notes) for s in find_series(study)]
    assert [(s.uid, len(s.files), s.notes) for s in find_series(zipped(study))] == expected
    files = [path for path in study.rglob("*.dcm")]
    assert [(s.uid, len(s.files), s.notes) for s in find_series(files)] == expected
    [inner] = find_series(study.parent / "study.zip" / "study" / "T1 MPRAGE")
    assert inner.description == "T1 MPRAGE"


def test_the_same_files_are_indexed_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_series(study)
    read = dicom_index.read_dicom
    monkeypatch.setattr(dicom_index, "read_dicom", None)
    assert find_series(study) == first
    monkeypatch.setattr(dicom_index, "read_dicom", read)
    file = next((study / "AC").iterdir())
    dataset = pydicom.dcmread(file)
    dataset.SeriesDescription = "changed"
    dataset.save_as(file)
    assert find_series(study) != first


def test_progress_is_shown_when_asked_for(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    find_series(study)
    assert capsys.readouterr().err == ""
    find_series(study / "AC", progress=True)
    assert "indexing:   0%|          | 0/6" in capsys.readouterr().err


# --- Choosing ----------------------------------------------------------------------------------------------------


def test_the_one_that_is_meant(study: Path) -> None:
    found = find_series(study)
    series, warnings = choose_series(found, None, "mri", "study")
    assert (series.description, warnings) == ("T1 MPRAGE", [])
    series, [warning] = choose_series(found, None, "functional", "study")
    assert series.description == "AC"
    assert "number 6 is a PET without attenuation correction" in warning
    assert "number 5" in warning
    assert choose_series(found, "PT", "functional", "study")[0].description == "AC"


@pytest.mark.parametrize(
    ("wanted", "description"),
    [("*mprage*", "T1 MPRAGE"), ("nac", "NAC"), ("SC?UT", "scout"), ("MR", "T1 MPRAGE"), ("t1 mpr", "T1 MPR")],
)
def test_a_choice_by_pattern_or_modality(wanted: str, description: str, study: Path) -> None:
    assert choose_series(find_series(study), wanted, "mri", "study")[0].description == description


def test_a_choice_by_uid(study: Path) -> None:
    for each in find_series(study):
        assert choose_series(find_series(study), each.uid, "mri", "study")[0] is each


def test_a_pattern_that_fits_several_is_refused(study: Path) -> None:
    with pytest.raises(InputError, match=r"2 series fit \*T1\*.*--mri-series.*'T1 MPRAGE'.*'AC'") as error:
        choose_series(find_series(study), "*T1*", "mri", "study")
    assert "not attenuation corrected" in str(error.value)


def test_two_volumes_are_refused(study: Path) -> None:
    add(study, "T2")
    with pytest.raises(InputError, match="2 series fit MR; choose one with --mri-series"):
        choose_series(find_series(study), None, "mri", "study")


@pytest.mark.parametrize("other", [{"StudyInstanceUID": "1.2.3"}, {"FrameOfReferenceUID": "1.2.3"}])
def test_an_uncorrected_pet_of_another_scan_is_no_double(other: dict[str, str], study: Path) -> None:
    shutil.rmtree(study / "NAC")
    add(study, "NAC", "PT", CorrectedImage=UNCORRECTED, **other)
    with pytest.raises(InputError, match="2 series fit PT or NM"):
        choose_series(find_series(study), None, "functional", "study")


def test_a_damaged_volume_still_counts(study: Path) -> None:
    """Or the other one would be fused in its place without a word."""
    add(study, "T2", places=[0, 1, 2, 3, 5, 6])
    with pytest.raises(InputError, match="2 series fit MR"):
        choose_series(find_series(study), None, "mri", "study")


def test_derived_ones_are_taken_where_there_is_nothing_else(study: Path) -> None:
    shutil.rmtree(study / "T1 MPRAGE")
    assert choose_series(find_series(study), None, "mri", "study")[0].description == "T1 MPR"


def test_a_localiser_of_three_orientations(tmp_path: Path) -> None:
    """Without the word in its ImageType."""
    for number, orientation in enumerate(([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])):
        add(tmp_path, f"{number}", ImageOrientationPatient=orientation)
        for file in (tmp_path / f"{number}").iterdir():
            dataset = pydicom.dcmread(file)
            dataset.SeriesInstanceUID = "1.2.3"
            dataset.save_as(file)
    [series] = find_series(tmp_path)
    assert series.notes == ["several orientations"]
    assert np.isclose(series.slices, 18)
