"""The package as a user gets it: cheap to import, with its commands, and whole in the wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import head, save_nifti

import monai_fusion

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ["SimpleITK", "highdicom", "itk", "matplotlib", "monai", "numpy", "streamlit", "torch"]


def call(*command: str, cwd: Path | None = None, **environment: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_is_cheap() -> None:
    loaded = call(sys.executable, "-c", "import sys, monai_fusion, monai_fusion.cli; print(*sys.modules)").split()
    assert "monai_fusion.cli" in loaded
    assert not set(HEAVY) & set(loaded)


def test_fusing_starts_without_what_it_does_not_use(tmp_path: Path) -> None:
    mri, pet = head()
    inputs = [save_nifti(tmp_path / f"{i}.nii.gz", volume) for i, volume in enumerate((mri, pet))]
    program = """
        import sys
        from monai_fusion.cli import main
        from monai_fusion.cli.quick_start import UNUSED
        assert main(["fuse", *sys.argv[1:], "--quiet", "--color-map", "none"]) == 0
        print(*[name for name in UNUSED if name in sys.modules])
        import pandas  # whoever wants it later has it
        """
    loaded = call(sys.executable, "-c", dedent(program), *map(str, inputs), "--output", str(tmp_path / "out"))
    assert loaded.split() == []
    # and without colour there is none
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"fused.nii.gz", "dicom", "contact_sheet.png", "report.json"}
    assert [path.name for path in (out / "dicom").iterdir()] == ["fused"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["--help"], ["fuse", "demo", "For research use only"]),
        (["fuse", "--help"], ["MRI", "--functional-transform", "exit code", "Not for diagnostic use"]),
        (["--version"], [monai_fusion.__version__]),
    ],
    ids=" ".join,
)
def test_the_command_explains_itself(command: list[str], told: list[str]) -> None:
    program = Path(sysconfig.get_path("scripts")) / "monai-fusion"
    if not program.exists():
        pytest.skip("the package is not installed: there is no monai-fusion command")
    text = call(str(program), *command)
    assert [words for words in told if words not in text] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for needed in ("build", "hatchling"):
        pytest.importorskip(needed)
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    [path] = folder.iterdir()
    return path


def test_the_wheel_is_whole(wheel: Path) -> None:
    assert wheel.name == f"monai_fusion-{monai_fusion.__version__}-py3-none-any.whl"
    held = set(zipfile.ZipFile(wheel).namelist())
    root = ROOT / "bundles" / "mmdrfuse"
    bundle = {str(path.relative_to(root)) for path in (root / "configs").rglob("*") if path.is_file()}
    bundle |= {"LICENSE", "docs/README.md", "models/model.pt"}
    assert {"configs/inference.json", "configs/metadata.json"} <= bundle
    page = ROOT / "apps" / "viewer"
    viewer = {str(path.relative_to(page)) for path in page.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {"app.py", "page.css", "station/station.js", "downloads/downloads.js"} <= viewer
    wanted = {f"monai_fusion/bundles/mmdrfuse/{name}" for name in bundle}
    wanted |= {f"monai_fusion/apps/viewer/{name}" for name in viewer}
    wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "monai_fusion").rglob("*.py")}
    assert wanted - held == set()
    assert not [name for name in held if "__pycache__" in name or name.startswith("tests")]


def test_the_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Unpacked, as pip would, and run from an empty folder."""
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(installed)
    empty.mkdir()
    mri, pet = head((24, 28, 8))
    pair = [str(save_nifti(tmp_path / f"{name}.nii.gz", array)) for name, array in (("mri", mri), ("pet", pet))]
    program = f"""if True:
        import monai_fusion, sys
        from monai_fusion import cli, workflow
        print(monai_fusion.__file__, workflow.bundle_root(), sep="\\n")
        sys.exit(cli.main(["fuse", *{pair!r}, "--output", {str(tmp_path / "out")!r}, "--quiet"]))
    """
    used = call(sys.executable, "-c", program, cwd=empty, PYTHONPATH=str(installed), OMP_NUM_THREADS="1").splitlines()
    package = installed / "monai_fusion"
    assert [Path(path) for path in used] == [package / "__init__.py", package / "bundles" / "mmdrfuse"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["versions"]["monai_fusion"] == monai_fusion.__version__
    assert (tmp_path / "out" / "fused.nii.gz").is_file()
    assert not any(empty.iterdir())
