"""`monai-fusion inspect`: the table, the choice, and no word about the patient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from dicom_objects import ECHOES, classic, edit, report, several, zipped

from monai_fusion import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dicom.md"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    study = tmp_path / "study"
    tags: dict[str, dict[str, Any]] = {
        "T1": {"SeriesNumber": 2},
        "localiser": {"SeriesNumber": 1, "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    }
    for number, (name, given) in enumerate(tags.items()):
        classic(study / name, SeriesInstanceUID=f"1.2.3.{number}", SeriesDescription=name, **given)
    for number, (name, terms) in enumerate({"AC": ["DECY", "ATTN"], "NAC": ["DECY"]}.items()):
        uids = {"SeriesInstanceUID": f"1.2.4.{number}", "FrameOfReferenceUID": "1.2.5"}
        classic(
            study / name,
            modality="PT",
            SeriesDescription=name,
            SeriesNumber=5 + number,
            CorrectedImage=terms,
            **uids,
        )
    report(study / "report.dcm")
    return study


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert cli.main(["inspect", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Doe" not in out
    assert "4711" not in out
    return out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(inspect(capsys, *arguments, "--json"))
    return facts


def test_the_table(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = inspect(capsys, study).splitlines()
    rows = {line.split()[2]: line.split() for line in lines[1:6] if len(line.split()) > 2}
    assert rows["T1"] == ["2", "MR", "T1", "37x34", "2.5x3x4", "6", "A", "20260101"]
    assert rows["localiser"][-1] == "localiser"
    assert rows["AC"] == ["5", "PT", "AC", "37x34", "2.5x3x4", "6", "B", "20260101"]
    assert rows["NAC"][-3:] == ["not", "attenuation", "corrected"]
    text = "\n".join(lines)
    assert "mri:         series 2 'T1' (the only MR volume)" in text
    assert "not series 1 'localiser' (localiser)" in text
    assert "functional:  series 5 'AC'" in text
    assert "not series 6 'NAC' (not attenuation corrected)" in text
    assert "different frames of reference: they must be registered" in text


def test_what_inspect_says_is_what_fuse_does(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(study / "AC", FrameOfReferenceUID="1.2.6")
    edit(study / "NAC", FrameOfReferenceUID="1.2.6")
    for path in (study, zipped(study)):
        facts = as_json(capsys, path)
        assert facts["ready"] is True
        out = tmp_path / f"out of {path.name}"
        assert cli.main(["fuse", str(path), str(path), "-o", str(out), "-q"]) == 0
        assert "number 6 is a PET without attenuation correction" in capsys.readouterr().err
        fused = json.loads((out / "report.json").read_text())
        for role, choice in facts["choice"].items():
            assert fused[role]["series_uid"] == choice["series_uid"]


def test_the_option_that_is_missing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classic(study / "T2", SeriesInstanceUID="1.2.3.9", SeriesDescription="T2", SeriesNumber=3)
    facts = as_json(capsys, study)
    assert facts["ready"] is False
    assert facts["choice"]["mri"]["series_uid"] is None
    assert facts["choice"]["mri"]["fitting"] == ["1.2.3.0", "1.2.3.9"]
    assert facts["same_frame_of_reference"] is None
    assert "--mri-series 1.2.3.9 for series 3 'T2'" in inspect(capsys, study)


def test_the_frame_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several(tmp_path / "s", ECHOES)
    facts = as_json(capsys, tmp_path)
    assert facts["choice"]["mri"]["option"] == "--mri-frame"
    assert [v["what"] for v in facts["series"][0]["volumes"]] == [
        "echo time 2.3 ms",
        "echo time 4.6 ms",
        "echo time 6.9 ms",
    ]
    assert "--mri-frame 1 for echo time 4.6 ms (6 slices)" in inspect(capsys, tmp_path)


def test_a_description_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classic(tmp_path / "s", SeriesDescription="T1\x1b[2J\x07‮evil", SpecificCharacterSet="ISO_IR 192")
    for text, shown in (
        (inspect(capsys, tmp_path), r"T1\x1b[2J\x07\u202eevil"),
        (inspect(capsys, tmp_path, "--json"), r"T1\u001b[2J\u0007\u202eevil"),
    ):
        assert shown in text
        assert text.isascii()


def test_the_json_is_as_the_page_says(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(PAGE.read_text().partition("```json schema\n")[2].partition("```")[0])
    jsonschema.Draft202012Validator.check_schema(schema)
    several(study / "echoes", ECHOES)
    jsonschema.validate(as_json(capsys, study), schema)


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(tmp_path / "none")]) == 3
    assert "there is no such file or folder" in capsys.readouterr().err
