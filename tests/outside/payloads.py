"""Text from outside is data: whatever carries it, nothing in it is run, followed or built.

MONAI's configuration runs text that begins with ``$``, follows ``@`` and ``%``, and builds what has a ``_target_``.
Each test of this folder hands over such text by one way in; were it parsed, it would make the file `PROOF` in the
working folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from conftest import head, save_nifti

from monai_fusion import cli
from monai_fusion.errors import FusionError

PROOF = "PROOF"

#: Text that makes `PROOF` if MONAI parses it: run, run after it was followed into a file, built out of a file; and text
#: that would become the value of another id. Without a slash, so that it can be the name of a file.
TEXTS = [
    f"$__import__('os').system('touch {PROOF}')",
    "%evil.json#run",
    "%evil.json#build",
    "@device",
    "@planted",
]
#: What makes it in a value of another shape.
SHAPES: list[Any] = [
    {"_target_": "os.system", "command": f"touch {PROOF}"},
    {"_target_": f"$__import__('os').system('touch {PROOF}')"},
    [TEXTS[0]],
    [[TEXTS[1]], {"a": [TEXTS[0]]}],
    {"a": {"_target_": "os.system", "command": f"touch {PROOF}"}},
]
PAYLOADS = [*TEXTS, *SHAPES]
IDS = [
    "run",
    "followed and run",
    "followed and built",
    "an id",
    "no id",
    "built",
    "run to build",
    "list",
    "deep",
    "dict",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with the file that ``%`` would be followed into; afterwards nothing has been run."""
    monkeypatch.chdir(tmp_path)
    evil = {"run": TEXTS[0], "build": {"_target_": "os.system", "command": f"touch {PROOF}"}}
    Path("evil.json").write_text(json.dumps(evil))
    yield tmp_path
    assert not list(tmp_path.rglob(PROOF))


@pytest.fixture
def pair(folder: Path) -> tuple[Path, Path]:
    """Small, as many are fused."""
    mri, pet = head((20, 24, 6))
    return save_nifti(folder / "mri.nii", mri), save_nifti(folder / "pet.nii", pet)


def refusal(call: Callable[[], Any]) -> str:
    """What is said where something is refused; empty where it is taken."""
    try:
        call()
    except FusionError as error:
        return str(error) or "without a word"
    return ""


def same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def call(*arguments: str | Path) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as error:  # argparse
        return int(str(error.code))


@pytest.fixture
def no_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
