"""What commands print: no name or header steers the terminal."""

from __future__ import annotations

import ast
import io
import zipfile
from pathlib import Path

import pydicom
import pytest
from conftest import AFFINE, head, save_dicom, save_nifti

from monai_fusion import cli
from monai_fusion.cli.terminal import tell

CLEAR = "\x1b[2J"


def test_what_the_terminal_cannot_show() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    tell("Müller", f"{CLEAR}山\n\udcff", stream=stream)
    assert stream.buffer.getvalue() == rb"M\xfcller" + b"\n" + rb"\x1b[2J\u5c71\n\udcff" + b"\n"  # type: ignore[attr-defined]


def test_commands_print_in_one_place() -> None:
    folder = Path(cli.__file__).parent
    printing = {
        path.name
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write", "sys.stderr.write")
    }
    assert printing == {"terminal.py"}


def test_names_of_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mri, pet = head((20, 24, 6))
    bad = tmp_path / f"bad{CLEAR}.nii"
    bad.write_bytes(b"no image")
    good = save_nifti(tmp_path / f"pet{CLEAR}.nii", pet)
    assert cli.main(["fuse", str(bad), str(good), "-o", str(tmp_path / "out")]) == 3
    save_nifti(bad, mri)
    out = tmp_path / f"out{CLEAR}"
    assert cli.main(["fuse", str(bad), str(good), "-o", str(out), "--functional-window", "0", "1"]) == 0
    told = "".join(capfd.readouterr())
    assert "\x1b" not in told
    assert told.count(r"\x1b[2J") >= 2
    assert (out / "report.json").is_file()


@pytest.mark.parametrize("arguments", [("fuse", f"--evil{CLEAR}\nforged"), ("inspect", "a", f"--evil{CLEAR}\nforged")])
def test_names_that_are_taken_for_options(arguments: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(list(arguments))
    told = capfd.readouterr().err
    assert "\x1b" not in told
    assert "\nforged" not in told


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_header_begins_no_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning that quotes one is a line, whatever the header holds."""
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    study = tmp_path / "study"
    for role, name, volume in zip(("mri", "pet"), ("MR", "PT"), head((20, 24, 6))):
        for file in save_dicom(study / role, volume, AFFINE, name, role).iterdir():
            dataset = pydicom.dcmread(file)
            dataset.Units = f"E{CLEAR}\nforged"
            dataset.save_as(file)
    assert cli.main(["fuse", str(study / "mri"), str(study / "pet"), "-q", "-o", str(tmp_path / "out")]) == 0
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert r"\x1b[2J\nFORGED" in told


def test_the_name_of_a_subject_begins_no_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for what, name in (("anat", "T1w"), ("pet", "pet")):
        file = tmp_path / "bids" / "sub-x\npair       sub-forged" / what / f"a_{name}.nii"
        file.parent.mkdir(parents=True)
        file.touch()
    assert cli.main(["cohort", str(tmp_path / "bids"), "-o", str(tmp_path / "out"), "--dry-run", "--paths"]) == 0
    assert sum(line.startswith("pair ") for line in capfd.readouterr().out.splitlines()) == 1


def test_names_in_a_zip(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in (f"../{CLEAR}", f"a/{CLEAR}.dcm"):
        with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
            archive.writestr(name, bytes(128) + b"DICM" + CLEAR.encode() * 20)
        assert cli.main(["inspect", "-q", str(tmp_path / "study.zip")]) == 3
        told = "".join(capfd.readouterr())
        assert "\x1b" not in told
        assert "x1b[2J" in told


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "Modality", "SeriesDescription", "SeriesDate"])
def test_headers(
    keyword: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two series that fit, so that each is named in what is said."""
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    for i in range(2):
        for file in save_dicom(tmp_path / "study" / str(i), head((20, 24, 6))[0], AFFINE, "MR", f"mri {i}").iterdir():
            dataset = pydicom.dcmread(file)
            setattr(dataset, keyword, f"{CLEAR}\n{i}")
            dataset.save_as(file)
    study = str(tmp_path / "study")
    assert cli.main(["inspect", "-q", study]) == 0
    assert cli.main(["inspect", "-q", "--json", study]) == 0
    assert cli.main(["fuse", study, study, "-o", str(tmp_path / "out")]) == 3
    assert cli.main(["cohort", study, "-o", str(tmp_path / "cohort"), "--dry-run", "--paths"]) == 3
    told = "".join(capfd.readouterr())
    assert "\x1b" not in told
    assert "x1b[2J" in told
