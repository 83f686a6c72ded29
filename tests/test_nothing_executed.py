"""Text from outside is data: whatever carries it, nothing in it is run, followed or built.

MONAI's configuration runs text that begins with ``$``, follows ``@`` and ``%``, and builds what has a ``_target_``.
Each test hands over such text by one way in; were it parsed, it would make the file `PROOF` in the working folder.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pydicom
import pytest
import torch
from archive.fake_dicomweb import FakeDicomweb
from conftest import AFFINE, head, save_dicom, save_nifti
from runs import save_picture, smooth

import monai_fusion
from monai_fusion import cli
from monai_fusion.archive.settings import ArchiveSettings, read_settings
from monai_fusion.cohort.fingerprint import hash_configuration
from monai_fusion.cohort.folder import CohortFolder
from monai_fusion.cohort.fusing import StudyFuser
from monai_fusion.cohort.job import FusionOpening, StudyJob
from monai_fusion.cohort.manifest import COLUMNS, read_manifest
from monai_fusion.cohort.pairing import find_studies, format_pairing
from monai_fusion.cohort.store import ResultStore
from monai_fusion.cohort.study import Outcome
from monai_fusion.cohort.summary import write_summary
from monai_fusion.errors import FusionError, InputError, OutputError
from monai_fusion.evaluation.workflow import evaluate
from monai_fusion.networks import FusionStudent, load_checkpoint
from monai_fusion.options import OPTIONS, check_options
from monai_fusion.workflow import PairFuser, bundle_root, fuse, open_bundle, read_pair

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


# the guard


@pytest.mark.parametrize("payload", PAYLOADS, ids=IDS)
@pytest.mark.parametrize("config", ["inference.json", "evaluate.json"])
def test_every_id_is_what_was_handed_over(config: str, payload: Any) -> None:
    """Each id of the configurations, one below another, and one of a list: given, and found to be the same."""
    content = json.loads((bundle_root() / "configs" / config).read_text())
    others = [name for name in content if name not in OPTIONS]
    nested = {"inference.json": ["preprocessing#map_items", "evaluator#amp"], "evaluate.json": ["pairs#sources"]}[
        config
    ]
    workflow = open_bundle(config, **dict.fromkeys([name for name in others if name != "bundle_root"], payload))
    for name in others:
        if name != "bundle_root":
            assert same(workflow.parser.get_parsed_content(name), payload), name
    workflow = open_bundle(config, **dict.fromkeys(nested, payload))
    for name in nested:
        assert same(workflow.parser.get_parsed_content(name), payload), name
    for name in OPTIONS.keys() & content.keys():
        if not refusal(lambda name=name: check_options({name: payload})):
            workflow = open_bundle(config, **{name: payload})
            assert same(workflow.parser.get_parsed_content(name), check_options({name: payload})[name]), name


#: Options that may be any text: the name of a file, of a method, of a series.
NAMES = [name for name in OPTIONS if name.endswith("_series")]
NAMES += ["functional_transform", "checkpoint", "method", "sources"]


@pytest.mark.parametrize("payload", PAYLOADS, ids=IDS)
def test_python(payload: Any, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Every option by each function: refused, but for a name that nothing looks at."""
    fuser = PairFuser()
    for name in [option for option in OPTIONS if option not in ("mri", "functional", "output_dir")]:
        for call in (
            lambda **values: fuse(*pair, None, **values),
            lambda **values: read_pair(*pair, **values),
            lambda **values: fuser.fuse(*pair, None, **values),
            lambda **values: evaluate(tmp_path / "no folder", None, **{"methods": values.pop("method", ())}, **values),
        ):
            with suppress(FusionError) if name in NAMES else pytest.raises(FusionError):
                call(**{name: payload})
    for images in ((payload, pair[1]), (pair[0], payload)):
        with pytest.raises((FusionError, TypeError)):
            fuse(*images)
    with pytest.raises((FusionError, TypeError)):
        evaluate(payload, None)
    with pytest.raises((FusionError, TypeError)):
        evaluate(tmp_path, None, [payload])


# the command line, and names of files and folders


def string_options(command: str) -> list[str]:
    """The options of a command that take a value, but for the doors: those that say that they run any program."""
    [commands] = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    actions = [a for a in commands.choices[command]._actions if a.option_strings and a.nargs != 0]
    doors = [a.option_strings[-1] for a in actions if "may run any program" in (a.help or "")]
    assert doors == {"evaluate": ["--bundle"]}.get(command, ["--bundle", "--set"])
    return [a.option_strings[-1] for a in actions if a.option_strings[-1] not in (*doors, "--output")]


def call(*arguments: str | Path) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as error:  # argparse
        return int(str(error.code))


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


@pytest.mark.parametrize("text", TEXTS)
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


@pytest.mark.parametrize("text", TEXTS)
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


# headers


#: Attributes that the readers and writers look at, in groups that may make an object unusable on their own.
HEADER = {
    "SeriesInstanceUID": ["SeriesInstanceUID"],
    "other UIDs": ["StudyInstanceUID", "FrameOfReferenceUID"],
    "names": [
        "SeriesDescription", "StudyDescription", "ProtocolName", "PatientName", "PatientID", "PatientSex",
        "BodyPartExamined", "Manufacturer", "ManufacturerModelName", "AccessionNumber", "StudyID",
        "IssuerOfPatientID", "SequenceName",
    ],
    "Modality": ["Modality"],
    "Units": ["Units", "DecayCorrection", "SUVType"],
    "ImageType": ["ImageType"],
    "times": ["StudyDate", "SeriesDate", "SeriesTime", "AcquisitionTime", "PatientBirthDate"],
}  # fmt: skip


@pytest.fixture
def no_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("group", HEADER)
@pytest.mark.parametrize("text", TEXTS[:3])
def test_headers(group: str, text: str, folder: Path, no_validation: None) -> None:
    """As the viewer opens them: the series by its UID. What cannot be a UID or date is refused, or fused."""
    from monai_fusion.viewer.case import Choice, open_case
    from monai_fusion.viewer.images import find_images

    for role, name, volume in zip(("mri", "pet"), ("MR", "PT"), head((20, 24, 6))):
        for file in save_dicom(folder / "study" / role, volume, AFFINE, name, role).iterdir():
            dataset = pydicom.dcmread(file)
            for keyword in HEADER[group] if role == "mri" or group not in ("SeriesInstanceUID", "Modality") else ():
                setattr(dataset, keyword, [text] * 3 if keyword == "ImageType" else text)
            dataset.save_as(file)

    def look() -> None:
        first, second = find_images(folder / "study")
        case = open_case(Choice(first, second), folder, lambda fraction, told: None)
        case.pair.fuse(folder / "out")
        if group == "SeriesInstanceUID":
            assert first.series == case.pair.report["mri"]["series_uid"] == text

    refused = refusal(look)
    if group in ("SeriesInstanceUID", "other UIDs", "names"):
        assert refused == ""


# what the viewer takes in


SESSION: dict[str, Any] = {
    "monai_fusion_view": 1,
    "images": {
        "mri": {"series": None, "name": "mri.nii", "sha256": "0" * 64},
        "functional": {"series": "1.2", "name": "functional", "sha256": "0" * 64},
    },
    "place": {"kind": "folder", "folder": "study"},
    "nudge": {"right": 1.0},
    "registered": np.eye(4).tolist(),
    "restart": False,
    "accept": False,
    "corrections": {"patient_weight": 70.0, "injected_dose": 370.0, "injection_time": "120000"},
    "windows": {"mri": [0.0, 600.0], "functional": [0.0, 9.0]},
    "state": {
        "crosshair": [1.0, 2.0, 3.0],
        "windows": {"mri": [0, 600], "functional": [0, 9]},
        "palette": "hot_iron",
        "layout": {"plane": "axial", "large": "mip", "pairs": {"swipe": ["mri", "alpha"]}, "center": None},
        "rois": [{"id": "R1", "kind": "sphere", "center": [0, 0, 0], "radius": 9.0, "plane": "axial"}],
        "distances": [{"id": "D1", "from": [0, 0, 0], "to": [1, 1, 1], "plane": "axial"}],
    },
}


def places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value stands in nested dictionaries and lists: all of them, dictionaries and lists too."""
    yield place
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        yield from places(value, (*place, key))


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copied = copy.deepcopy(content)
    inner = copied
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copied


def test_session_files(folder: Path) -> None:
    """Every value is replaced by each payload, and each payload becomes a key of each dictionary: nearly all is refused
    by the name of what is wrong; what may be any text finds no image."""
    from monai_fusion.viewer import actions
    from monai_fusion.viewer.private_folder import PrivateFolder
    from monai_fusion.viewer.service import Options, Service
    from monai_fusion.viewer.session_file import read_session_file

    (folder / "data" / "study").mkdir(parents=True)
    save_nifti(folder / "data" / "study" / "mri.nii", head((20, 24, 6))[0])
    service = Service(Options(data_folder=folder / "data"), PrivateFolder(folder))
    session = service.session("a tab")
    assert read_session_file(json.dumps(SESSION).encode())
    taken = set()
    try:
        for place in places(SESSION):
            files = [(place, payload) for payload in PAYLOADS]
            inner = SESSION
            for key in place:
                inner = inner[key]
            if isinstance(inner, dict):
                files += [((*place, text), 0) for text in (*TEXTS, "_target_", "__proto__")]
            for where, value in files:
                content = json.dumps(changed(SESSION, where, value)).encode()
                if refused := refusal(lambda content=content: read_session_file(content)):
                    assert len(where) < 2 or str(where[0]) in refused
                    continue
                taken.add(".".join(map(str, where)))
                actions.open_session_file(session, service, read_session_file(content))
                assert session.job is not None
                assert session.job.wait(60)
                session.settle()
                assert session.error
    finally:
        service.close()
    names = {f"images.{role}.{what}" for role in ("mri", "functional") for what in ("series", "name")}
    assert taken == {*names, "place.folder"}


def test_boxes_of_the_viewer() -> None:
    from monai_fusion.viewer.corrections import CORRECTIONS, check_corrections

    for name in (*CORRECTIONS, "_target_", *TEXTS):
        for text in TEXTS:
            with pytest.raises(InputError):
                check_corrections({name: text})


def test_what_a_browser_says() -> None:
    """Its state is taken key by key, its request whole: what is none is nothing."""
    from monai_fusion.viewer.page_state import PageState, read_page_state, read_request

    for payload in PAYLOADS:
        assert read_page_state(dict.fromkeys(PageState.model_fields, payload)) == dict.fromkeys(PageState.model_fields)
        for request in (payload, {"type": payload}, {"type": "refuse_window", "windows": {"mri": payload}}):
            assert read_request(request) is None
    for place in places(SESSION["state"]):
        for payload in PAYLOADS if place else ():
            said = changed(SESSION["state"], place, payload)
            known = read_page_state(said)
            assert known.pop(place[0]) is None
            assert known == {name: value for name, value in SESSION["state"].items() if name != place[0]}


@pytest.mark.parametrize("text", TEXTS)
def test_names_of_uploads(text: str, folder: Path) -> None:
    from monai_fusion.viewer.images import find_images
    from monai_fusion.viewer.uploads import save_uploads

    content = save_nifti(folder / "mri.nii", head((20, 24, 6))[0]).read_bytes()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(f"{text}/{text}.nii", content)
    (folder / "upload").mkdir()
    save_uploads([(f"{text}.nii", io.BytesIO(content)), (f"{text}.zip", zipped)], folder / "upload")
    images = find_images(folder / "upload")
    assert [image.description for image in images] == [f"{text}.nii"] * 2
    assert fuse(images[0].path, images[1].path).fused.shape == (20, 24, 6)


# cohorts


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
    assert cli.terminal.printable(text) in cli.terminal.printable(format_pairing(pairing, paths=True))


def test_a_store_that_was_changed(folder: Path) -> None:
    """Its rows name folders: none that leads out of the cohort's."""
    cohort = CohortFolder(folder / "out")
    cohort.path.mkdir()
    with ResultStore(cohort.store) as store:
        store.record("a", Outcome("done", "key"), "", "")
    for change in ("key = '../../x'", "key = '..'", "id = '../x'", "id = ''"):
        with sqlite3.connect(cohort.store) as database:
            database.execute("PRAGMA foreign_keys = OFF")
            before = database.execute("SELECT id, key FROM study").fetchone()
            database.execute(f"UPDATE study SET {change}")
            database.execute("UPDATE effort SET id = (SELECT id FROM study)")
        with ResultStore(cohort.store) as store, pytest.raises(OutputError, match="holds a study that no run wrote"):
            store.studies()
        with sqlite3.connect(cohort.store) as database:
            database.execute("UPDATE study SET id = ?, key = ?", before)
            database.execute("UPDATE effort SET id = ?", before[:1])


@pytest.mark.parametrize("text", TEXTS)
def test_results(text: str, folder: Path, pair: tuple[Path, Path]) -> None:
    """What lies in an output folder, or in a store, is looked at by the next run."""
    fuse(*pair, folder / "out")
    report = json.loads((folder / "out" / "report.json").read_text())
    for key in ("warnings", "versions", "model"):
        changed = {**report, key: {"monai_fusion": text} if key == "versions" else [text]}
        (folder / "out" / "report.json").write_text(json.dumps(changed))
        assert call("fuse", *pair, "-q", "-o", folder / "out") == 0


# archives, the environment, weights


@pytest.fixture
def archive() -> Iterator[FakeDicomweb]:
    import threading

    server = FakeDicomweb()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("text", TEXTS[:3])
def test_answers_of_an_archive(
    text: str, folder: Path, archive: FakeDicomweb, no_validation: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it lists is shown as text, what is no UID is refused; what it sends is fused as any other study."""
    for role, name, volume in zip(("mri", "pet"), ("MR", "PT"), head((20, 24, 6))):
        for file in save_dicom(folder / "study" / role, volume, AFFINE, name, role).iterdir():
            dataset = pydicom.dcmread(file)
            dataset.StudyInstanceUID = "1.2.3"
            for keyword in ("SeriesDescription", "PatientName", "ProtocolName", "AccessionNumber", "StudyDescription"):
                setattr(dataset, keyword, text)
            dataset.save_as(file)
            archive.held[str(dataset.SOPInstanceUID)] = file.read_bytes()
    archive.extra = {"SeriesDescription": f"{text}\x1b[2J", "SeriesNumber": 7}  # type: ignore[dict-item]
    assert call("pull", archive.url, "--study", "1.2.3", "--list") == 0
    told = capsys.readouterr().out
    assert f"{text}\\x1b[2J" in told
    assert "\x1b" not in told
    assert call("pull", archive.url, "--study", "1.2.3", "-q", "-o", folder / "pulled") == 0
    assert call("fuse", folder / "pulled", folder / "pulled", "-q", "-o", folder / "out") == 0
    archive.extra = {"SeriesInstanceUID": text}  # type: ignore[dict-item]
    assert call("pull", archive.url, "--study", "1.2.3", "-q", "-o", folder / "other") == 3
    assert "answered with something that is no UID" in capsys.readouterr().err
    assert not (folder / "other").exists()


def test_settings_of_archives(folder: Path) -> None:
    """Each setting is each payload, and a key is: refused by name, or text that is only ever sent to the archive."""
    file = folder / "archives.toml"
    known = [name for name in ArchiveSettings.__dataclass_fields__ if name not in ("name", "address")]
    text_alone = {"calling_aet", "user", "password", "token"}
    for name in ("address", *known, TEXTS[0], "_target_"):
        for value in [*TEXTS, [TEXTS[0]], {"_target_": "os.system", "command": "touch PROOF"}]:
            entry: dict[str, Any] = {"address": "https://pacs/rs", name: value}
            if name in ("user", "password"):
                entry = {"user": "u", "password": "p", **entry}
            file.write_text("[pacs]\n" + "".join(f"{json.dumps(k)} = {_toml(v)}\n" for k, v in entry.items()))
            file.chmod(0o600)
            if refused := refusal(lambda: read_settings("pacs", file)):
                assert name in refused or name in ("address", "calling_aet")  # which may be given without a file
                continue
            assert name in text_alone
            assert getattr(read_settings("pacs", file), name) == value
    file.write_text('verify = false\n[pacs]\naddress = "https://pacs/rs"\n')
    with pytest.raises(InputError, match="verify stands outside of an archive"):
        read_settings("pacs", file)
    file.write_text('[pacs]\naddress = "https://pacs/rs\\u001b[2J"\n')
    with pytest.raises(InputError, match="address is not a text on one line"):
        read_settings("pacs", file)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def test_the_environment(folder: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that the package reads, and every option as a variable of its name."""
    for text in TEXTS:
        for name in ("USER", "PASSWORD", "TOKEN", *(option.upper() for option in OPTIONS)):
            monkeypatch.setenv(f"MONAI_FUSION_ARCHIVE_{name}", text)
            monkeypatch.setenv(f"MONAI_FUSION_{name}", text)
        monkeypatch.setenv("XDG_CONFIG_HOME", text)
        assert read_settings("https://pacs/rs").token == text
        with pytest.raises(InputError, match="file of archives cannot be read"):
            read_settings("pacs")
        assert call("fuse", *pair, "-q", "-o", folder / "out") == 0


def test_weights(folder: Path, pair: tuple[Path, Path]) -> None:
    """Names within a file of weights, and what stands beside them."""
    state = FusionStudent().state_dict()
    for text in TEXTS:
        for content in ({**state, text: torch.zeros(1)}, {"model": state, text: text}, {"model": {text: text}}):
            torch.save(content, folder / "weights.pt")
            if refused := refusal(lambda: load_checkpoint(FusionStudent(), folder / "weights.pt")):
                assert str(folder / "weights.pt") in refused
    torch.save({**state, "\x1b[2J": torch.zeros(1)}, folder / "weights.pt")
    assert call("fuse", *pair, "-o", folder / "out", "--checkpoint", folder / "weights.pt") == 3


# the doors


def test_the_doors_run_what_they_are_given(pair: tuple[Path, Path], folder: Path, tmp_path: Path) -> None:
    """Those that SECURITY.md lists, so that the other tests could have failed."""
    security = (Path(__file__).parents[1] / "SECURITY.md").read_text()
    for door in ("`--bundle`", "`--set`", "`configuration=`", "`python -m monai.bundle run`"):
        assert door in security
    ran = folder / PROOF
    text = f"$__import__('os').system('touch {PROOF}')"
    assert (
        fuse(*pair, configuration={"axis": text}).report["steps"]["inferer"]["axis"] == 0
    )  # what the program ends with
    assert ran.is_file()
    ran.unlink()
    assert call("fuse", *pair, "-q", "-o", folder / "out", "--set", f"axis={text}") == 0
    assert ran.is_file()
    ran.unlink()
    for path in ("%evil.json#run", "%evil.json#build"):
        fuse(*pair, configuration={"axis": path})
        assert ran.is_file()
        ran.unlink()
    with pytest.raises(InputError, match="functional_window is given as a whole; set one of the two"):
        open_bundle(functional_window=[0, 1], configuration={"functional_window#0": 1})
