"""Manifests, trees of folders, and what an earlier run left."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from payloads import PROOF, TEXTS, call, folder, pair, refusal  # noqa: F401 - fixtures

import monai_fusion
from monai_fusion import cli
from monai_fusion.cohort.fingerprint import hash_configuration
from monai_fusion.cohort.folder import CohortFolder
from monai_fusion.cohort.fusing import StudyFuser
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.manifest import COLUMNS, read_manifest
from monai_fusion.cohort.pairing import find_studies, format_pairing
from monai_fusion.cohort.store import ResultStore
from monai_fusion.cohort.study import Outcome
from monai_fusion.cohort.summary import write_summary
from monai_fusion.errors import InputError, OutputError
from monai_fusion.workflow import fuse


def outcome_of(study: Any, folder: Path) -> Outcome:
    opening = FusionOpening(None, {}, hash_configuration(None, {}), monai_fusion.__version__, 2**33)
    (folder / "out" / "studies").mkdir(parents=True, exist_ok=True)
    outcome = StudyFuser(opening).run(StudyJob(study, folder / "out"))
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.mark.parametrize("text", TEXTS)
def test_cells_of_a_manifest(text: str, folder: Path, pair: tuple[Path, Path]) -> None:
    manifest = folder / "studies.csv"
    read = set()
    for column in ("id", "mri", "functional", *COLUMNS):
        cells = {"id": "a", "mri": "mri.nii", "functional": "pet.nii", column: text}
        manifest.write_text(f"{','.join(cells)}\n{','.join(cells.values())}\n")
        if refused := refusal(lambda: read_manifest(manifest)):
            assert f"row 2: {column}" in refused
            continue
        read.add(column)
        [study] = read_manifest(manifest)
        assert outcome_of(study, folder).state == "failed"
    assert read == {"mri", "functional", "functional_transform", "mri_series", "functional_series"}
    manifest.write_text(f"id,mri,functional,{text}\na,mri.nii,pet.nii,1\n")
    with pytest.raises(InputError, match="row 1 has columns that mean nothing here"):
        read_manifest(manifest)


class Tags(HTMLParser):
    """The elements of a page, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


MARKUP = "<img src=x onerror=alert(1)>\"'&\x1b[2J"


@pytest.mark.parametrize("text", [*TEXTS, MARKUP])
def test_names_in_a_bids_tree(text: str, folder: Path, pair: tuple[Path, Path]) -> None:
    """A subject and its files are called so; what the report shows of them is text, and its links lead to the files."""
    for what, name, source in (("anat", "T1w", pair[0]), ("pet", "pet", pair[1])):
        file = folder / "bids" / f"sub-{text}" / what / f"sub-{text}_{name}.nii"
        file.parent.mkdir(parents=True)
        shutil.copy(source, file)
        lone = folder / "bids" / f"sub-lone{text}" / "anat" / f"{text}_T1w.nii"
        lone.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, lone)
    pairing = find_studies(folder / "bids")
    [study] = pairing.studies
    outcome = outcome_of(study, folder)
    assert outcome.state == "done"
    cohort = CohortFolder(folder / "out")
    with ResultStore(cohort.store) as store:
        store.record(study.id, outcome, "", "")
        store.record(f"bad {text}", Outcome("failed", None, text), "", "")
        write_summary(cohort, store.studies())
    page = Tags(cohort.report.read_text())
    known = "html meta title style h1 h2 p table tr th td svg rect text figure img figcaption a"
    assert page.elements <= set(known.split(" "))
    assert not [name for name in page.attributes if name.startswith("on")]
    assert f"sub-{text}" in page.text
    [link] = page.links
    assert (folder / "out" / unquote(link)).is_file()
    assert cli.terminal.printable(text) in cli.terminal.printable("".join(format_pairing(pairing, paths=True)))


def test_a_store_that_was_changed(folder: Path) -> None:
    """Its rows name folders: none that leads out of the cohort's."""
    cohort = CohortFolder(folder / "out")
    cohort.path.mkdir()
    with ResultStore(cohort.store) as store:
        store.record("a", Outcome("done", "key"), "", "")
    changes = ["key = '../../x'", "key = '..'", "id = '../x'", "id = ''", "warnings = '5'", "warnings = '[5]'"]
    for change in (*changes, "warnings = 'no JSON'"):
        with sqlite3.connect(cohort.store) as database:
            database.execute("PRAGMA foreign_keys = OFF")
            before = database.execute("SELECT id, key, warnings FROM study").fetchone()
            database.execute(f"UPDATE study SET {change}")
            database.execute("UPDATE effort SET id = (SELECT id FROM study)")
        with ResultStore(cohort.store) as store, pytest.raises(OutputError, match="holds a study that no run wrote"):
            store.studies()
        with sqlite3.connect(cohort.store) as database:
            database.execute("UPDATE study SET id = ?, key = ?, warnings = ?", before)
            database.execute("UPDATE effort SET id = ?", before[:1])
    with sqlite3.connect(cohort.store) as database:
        database.execute("UPDATE effort SET seconds = 9e999")
    with ResultStore(cohort.store) as store, pytest.raises(OutputError, match="holds a study that no run wrote"):
        store.studies()
    with sqlite3.connect(cohort.store) as database:  # asked for a row, it would count for ever
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        database.execute("DROP TABLE study")
        columns = "i AS id, 'done' AS state, 'k' AS key, '' AS reason, '' AS cause, '[]' AS warnings"
        database.execute(f"CREATE VIEW study AS {endless} SELECT {columns} FROM n WHERE i < 0")
    with pytest.raises(OutputError, match="is not a store of this version"):
        ResultStore(cohort.store)


def run_cohort(folder: Path) -> tuple[int, str]:
    """As a user runs it in a folder: manifest and results there."""
    program = "import sys; sys.path.remove(''); from monai_fusion.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "cohort", "studies.csv", "-o", "out", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(monai_fusion.__file__).parents[1]), "PATH": f"{folder}:/bin"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_whole_run(folder: Path, pair: tuple[Path, Path]) -> None:
    """Nothing is imported from the folder where it runs; what an earlier run left is looked at, and made anew."""
    pytest.importorskip("distributed", reason="the extra cohort is not installed")
    for module in ("weakref", "multiprocessing", "contextlib", "subprocess", "monai_fusion"):
        (folder / f"{module}.py").write_text(f"open({str(folder / PROOF)!r}, 'w').close()\n")
    for program in ("gs", "eps2ps"):  # by which Pillow opens what is no picture
        (folder / program).write_text(f"#!/bin/sh\ntouch {folder / PROOF}\n")
        (folder / program).chmod(0o755)
    Path("studies.csv").write_text(f"id,mri,functional\na,{pair[0]},{pair[1]}\n")
    code, told = run_cohort(folder)
    assert (code, "1 done, 0 failed" in told) == (0, True), told
    [results] = (folder / "out" / "studies" / "a").iterdir()
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (results / "contact_sheet.png").write_bytes(postscript)
    (results / "report.json").write_text('{"warnings": [5]}')
    pair[0].touch()
    code, told = run_cohort(folder)
    assert (code, "1 done, 0 failed" in told) == (0, True), told
    assert json.loads((results / "report.json").read_text())["warnings"] == []  # fused again
    (results / "contact_sheet.png").write_bytes(postscript)
    cohort = CohortFolder(folder / "out")
    with ResultStore(cohort.store) as store:
        write_summary(cohort, store.studies())
    assert "img" not in Tags(cohort.report.read_text()).elements


def test_links_in_the_results(folder: Path, pair: tuple[Path, Path]) -> None:
    """What a run removes lies in its own folder."""
    precious = folder / "outside" / ".precious.unfinished-x" / "file"
    precious.parent.mkdir(parents=True)
    precious.touch()
    cohort = CohortFolder(folder / "out")
    (folder / "out" / "studies").mkdir(parents=True)
    (folder / "out" / "studies" / "a").symlink_to(folder / "outside")
    for run in (cohort.sweep, lambda: cohort.sweep("a"), lambda: cohort.locked().__enter__()):
        with pytest.raises(OutputError, match="is a link"):
            run()
    assert precious.is_file()


@pytest.mark.parametrize("name", ["mri.png", "mri.jpg"])
def test_pictures_that_are_programs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow opens PostScript by a program outside: by no way does what is called a picture get there."""
    monkeypatch.setenv("PATH", str(folder))
    (folder / "gs").write_text(f"#!/bin/sh\ntouch {folder / PROOF}\n")
    (folder / "gs").chmod(0o755)
    for source in ("MRI", "PET"):
        (folder / "data" / source).mkdir(parents=True)
        file = folder / "data" / source / name
        file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n")
    data = folder / "data"
    assert call("fuse", data / "MRI" / name, data / "PET" / name, "-o", folder / "out") == 3
    assert call("evaluate", data, "-q", "-o", folder / "out") == 3
    assert call("prepare", data, "--visible", "MRI", "--infrared", "PET", "-o", folder / "a.npy") == 3
    assert call("prepare", data / "MRI", "-o", folder / "a.npy") == 3


@pytest.mark.parametrize("text", TEXTS)
def test_results(text: str, folder: Path, pair: tuple[Path, Path]) -> None:
    """What lies in an output folder, or in a store, is looked at by the next run."""
    fuse(*pair, folder / "out")
    report = json.loads((folder / "out" / "report.json").read_text())
    for key in ("warnings", "versions", "model"):
        changed = {**report, key: {"monai_fusion": text} if key == "versions" else [text]}
        (folder / "out" / "report.json").write_text(json.dumps(changed))
        assert call("fuse", *pair, "-q", "-o", folder / "out") == 0
