"""Options of the command line, and names of files and folders."""

from __future__ import annotations

import argparse
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import AFFINE, head, save_dicom
from payloads import TEXTS, call, folder, pair  # noqa: F401 - fixtures
from runs import save_picture, smooth

from monai_fusion import cli
from monai_fusion.errors import InputError
from monai_fusion.workflow import bundle_root, fuse


def string_options(command: str) -> list[str]:
    """The options of a command that take a value, but for the doors: those that say that they run any program."""
    [commands] = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    actions = [a for a in commands.choices[command]._actions if a.option_strings and a.nargs != 0]
    doors = [a.option_strings[-1] for a in actions if "may run any program" in (a.help or "")]
    assert doors == {"evaluate": ["--bundle"]}.get(command, ["--bundle", "--set"])
    return [a.option_strings[-1] for a in actions if a.option_strings[-1] not in (*doors, "--output")]


@pytest.mark.parametrize("text", TEXTS)
def test_options_of_the_command_line(text: str, pair: tuple[Path, Path], folder: Path) -> None:
    data = folder / "data"
    for name, phase in (("MRI", 0.0), ("PET", 1.0)):
        (data / name).mkdir(parents=True)
        save_picture(data / name / "1.png", smooth(phase))
    (folder / "studies.csv").write_text(f"id,mri,functional\na,{pair[0]},{pair[1]}\n")
    inputs = {"fuse": pair, "cohort": (folder / "studies.csv", "--dry-run"), "evaluate": (data, "--no-rivals", "-q")}
    for command, given in inputs.items():
        for option in string_options(command):
            values = [text, text] if option in ("--mri-window", "--functional-window", "--sources") else [text]
            code = call(command, *given, "--output", folder / "out", option, *values)
            # a cohort's list is made without reading an image; archives are looked up when something is sent
            assert code in ((0, 2, 3) if command == "cohort" or option == "--archives" else (2, 3)), (command, option)


@pytest.mark.parametrize("text", TEXTS[:3])
def test_names_of_files_and_folders(text: str, folder: Path, pair: tuple[Path, Path]) -> None:
    """Relative, as they are typed, so that a name begins with its sign: all of it is fused as if it were called mri."""
    usual = fuse(*pair).fused
    shutil.copy(pair[0], f"{text}.nii")
    shutil.copy(pair[1], f"pet {text}.nii")
    assert call("fuse", f"{text}.nii", f"pet {text}.nii", "-q", "--color-map", "none", "-o", text) == 0
    assert json.loads((Path(text) / "report.json").read_text())["model"]["name"]
    assert np.array_equal(fuse(f"{text}.nii", f"pet {text}.nii").fused, usual)

    mri, pet = head((20, 24, 6))
    study = Path(f"{text} study") / text
    save_dicom(study / "mr", mri, AFFINE, "MR", "mri")
    save_dicom(study / "pt", pet, AFFINE, "PT", "pet")
    with zipfile.ZipFile(f"{text}.zip", "w") as archive:
        for file in study.rglob("*.dcm"):
            archive.write(file, f"{text}/{file.relative_to(study)}")
    first = fuse(study, study, color_map=None)
    assert np.array_equal(fuse(f"{text}.zip", f"{text}.zip", color_map=None).fused, first.fused)

    shutil.copy(bundle_root() / "models" / "model_paper.pt", f"{text}.pt")
    assert fuse(*pair, checkpoint=f"{text}.pt").report["model"]["sha256"]
    shutil.copy(pair[0], f"{text}.tfm")
    with pytest.raises(InputError, match="transform"):
        fuse(*pair, functional_transform=f"{text}.tfm")


@pytest.mark.parametrize("text", TEXTS[:2])
def test_names_in_an_evaluation(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The data set, its sources, its pictures and a method are called so; one picture has no partner."""
    for source, phase in ((f"{text} MRI", 0.0), (f"{text}", 1.0)):
        (Path(text) / source).mkdir(parents=True)
        save_picture(Path(text) / source / f"{text}.png", smooth(phase))
        save_picture(Path(text) / source / r"$\frac.png", smooth(phase + 0.5))  # no formula either
    save_picture(Path(text) / text / "=1+1.png", smooth())
    shutil.copy(bundle_root() / "models" / "model_paper.pt", f"{text}.pt")
    code = call(
        "evaluate", text, "-o", "out", "--sources", f"{text} MRI", text, "--method", f"{text}.pt", "--no-rivals"
    )
    assert code == 5
    assert "=1+1" in capsys.readouterr().err
    assert f"\n{text if text[0] not in '=+-@' else chr(39) + text}," in Path("out/pairs.csv").read_text()
