"""What is kept: each file whole, opened by the library of its format; and the session file that opens the same view."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from runs import read_series, run
from viewer_pair import LESION, NAME, open_pair, write_pair

from monai_fusion.data.output import OutputFolder
from monai_fusion.errors import InputError, OutputError
from monai_fusion.viewer import actions
from monai_fusion.viewer.case import Case, Choice
from monai_fusion.viewer.images import find_images
from monai_fusion.viewer.nudge import Nudge
from monai_fusion.viewer.private_folder import PrivateFolder
from monai_fusion.viewer.service import Options, Service
from monai_fusion.viewer.session import Session
from monai_fusion.viewer.session_file import read_session_file

ROI = {"id": "R1", "kind": "sphere", "center": LESION.tolist(), "radius": 9.0, "plane": "axial"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_pair(folder / "study")
    return folder


@pytest.fixture
def service(folder: Path, tmp_path: Path) -> Iterator[Service]:
    service = Service(Options(data_folder=folder), PrivateFolder(tmp_path))
    yield service
    service.close()


@pytest.fixture
def session(service: Service) -> Session:
    return service.session("a tab")


def finish(session: Session) -> Session:
    assert session.job is not None
    assert session.job.wait(120)
    session.settle()
    return session


def open_study(session: Session, folder: Path, relative: str = "study") -> Case:
    actions.open_folder(session, folder, relative)
    finish(session)
    actions.open_choice(session, *session.images)
    assert finish(session).error == ""
    assert session.case is not None
    case = session.case
    session.look = {
        "crosshair": [10.0, 20.0, 5.0],
        "windows": {"mri": [0, 600], "functional": [0, 9]},
        "palette": "hot_iron",
        "layout": {"plane": "axial", "image": "fused", "mode": "network"},
        "rois": actions.measured(case, [ROI]),
        "distances": actions.lengths([{"id": "D1", "from": [0, 0, 0], "to": [3, 4, 12]}]),
    }
    return case


def kept(session: Session) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for entry, _ in session.kept:
        content = entry.content.get()[0]
        assert entry.content.name is not None
        files[entry.content.name] = content.read_bytes() if isinstance(content, Path) else content
    return files


def test_every_file_opens_and_is_what_the_command_line_writes(folder: Path, session: Session, tmp_path: Path) -> None:
    case = open_study(session, folder)
    files = kept(session)
    study = folder / "study"
    same = run(study / "mri", study / "pet", tmp_path / "out", "--color-map", "hot_iron")
    for name in ("fused.nii.gz", "fused_color.nii.gz"):
        ours, theirs = (
            nib.Nifti1Image.from_bytes(_plain(data)) for data in (files[name], (same.out / name).read_bytes())
        )
        assert np.array_equal(ours.dataobj, theirs.dataobj)
        assert np.array_equal(ours.affine, theirs.affine)
    with zipfile.ZipFile(io.BytesIO(files["fused_dicom.zip"])) as archive:
        assert archive.testzip() is None
        names = sorted(name for name in archive.namelist() if name.startswith("dicom/fused/"))
        ours = [pydicom.dcmread(io.BytesIO(archive.read(name))) for name in names]
    theirs = read_series(same.out / "dicom" / "fused")
    assert [d.SOPInstanceUID for d in ours] == [d.SOPInstanceUID for d in theirs]  # stored twice, it is one series
    assert np.array_equal(ours[7].pixel_array, theirs[7].pixel_array)
    report = json.loads(files["report.json"])
    assert report["functional"]["sha256"] == same.report["functional"]["sha256"]
    assert report["edited"] == []
    scroll = Image.open(io.BytesIO(files["scroll.png"]))
    assert scroll.n_frames == case.grid.shape[2]
    middle = np.asarray(scroll.convert("RGB"))
    assert middle.shape[1] / middle.shape[0] == pytest.approx(48 / 52, rel=0.01)
    lines = files["measurements.csv"].decode().splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("R1,sphere")


def _plain(content: bytes) -> bytes:
    import gzip

    return gzip.decompress(content)


def test_a_failed_export_leaves_nothing(folder: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    open_study(session, folder)
    before = sorted(session.folder.rglob("*"))
    monkeypatch.setattr(OutputFolder, "commit", lambda _: (_ for _ in ()).throw(OSError(28, "disk full")))
    [dicom] = [entry.content for entry, _ in session.kept if entry.content.name == "fused_dicom.zip"]
    with pytest.raises(OutputError, match="disk full"):
        dicom.get()
    assert sorted(session.folder.rglob("*")) == before
    monkeypatch.undo()
    assert dicom.get()[1]


def test_a_session_file_opens_the_same_view(folder: Path, session: Session, service: Service) -> None:
    first = open_study(session, folder)
    actions.fuse_with_windows(session, {"mri": [50, 550], "functional": [0, 7]})
    finish(session)
    actions.move_by_hand(session, Nudge(right=3, yaw=5))
    finish(session)
    actions.move_by_hand(session, Nudge(right=2, yaw=4))  # in the place of the first, not after it
    finish(session)
    assert session.case is not None
    look, fused = dict(session.look), session.case.result.fused
    file = kept(session)["view.session.json"]
    assert b"Phantom" not in file
    other = service.session("another tab")
    actions.open_session_file(other, service, read_session_file(file))
    assert finish(other).error == ""
    assert other.case is not None
    assert other.scene is not None
    assert np.array_equal(other.case.result.fused, fused)
    assert not np.array_equal(fused, first.result.fused)
    assert other.case.choice.nudge == Nudge(right=2, yaw=4)
    restore = other.scene.data["restore"]
    for name in ("crosshair", "windows", "palette", "layout"):
        assert restore[name] == look[name]
    assert restore["rois"] == [ROI]
    assert len(restore["distances"]) == 1


DAMAGE: list[Any] = [
    lambda c: c.update(images={}),
    lambda c: c["nudge"].update(right="far"),
    lambda c: c["nudge"].update(right=1e999),
    lambda c: c.update(registered=[[1, 2]]),
    lambda c: c.update(registered=np.diag([-1, 1, 1, 1]).tolist()),
    lambda c: c.update(registered=np.diag([1, 1, 0, 1]).tolist()),
    lambda c: c.update(registered=np.diag([1, 1, 1, 2]).tolist()),
    lambda c: c.pop("place"),
    lambda c: c.update(monai_fusion_view=99),
    lambda c: c.update(nudge={"sideways": 1}),
]


def test_damaged_session_files(folder: Path, session: Session) -> None:
    open_study(session, folder)
    file = kept_one(session, "view.session.json")
    for damage in DAMAGE:
        content = json.loads(file)
        damage(content)
        with pytest.raises(InputError, match="session file"):
            read_session_file(json.dumps(content).encode())
    with pytest.raises(InputError, match="not a session file"):
        read_session_file(b"\x00\x01")


def kept_one(session: Session, name: str) -> bytes:
    [content] = [entry.content for entry, _ in session.kept if entry.content.name == name]
    made = content.get()[0]
    assert isinstance(made, bytes)
    return made


def test_a_session_file_leads_nowhere_else(folder: Path, session: Session, service: Service, tmp_path: Path) -> None:
    open_study(session, folder)
    content = json.loads(kept_one(session, "view.session.json"))
    content["place"]["folder"] = "../.."
    other = service.session("another tab")
    actions.open_session_file(other, service, read_session_file(json.dumps(content).encode()))
    assert "outside of the folder" in finish(other).error
    content["place"] = {"kind": "upload"}
    actions.open_session_file(other, service, read_session_file(json.dumps(content).encode()))
    assert "not at hand" in finish(other).error


def test_names_stay_out_of_files_and_addresses(tmp_path: Path, service: Service) -> None:
    mri, pet = write_pair(tmp_path / "plain")
    for file in [*mri.iterdir(), *pet.iterdir()]:
        header = pydicom.dcmread(file)
        header.PatientName = NAME
        header.save_as(file)
    session = service.session("a tab")
    choice = Choice(*(find_images(path)[0] for path in (mri, pet)))
    session.show(open_pair(mri, pet, session.folder))
    assert session.case is not None
    assert session.case.choice.mri == choice.mri
    assert session.scene is not None
    told = json.dumps([url for _, url in session.kept]) + json.dumps(session.scene.data["volumes"])
    texts = [kept_one(session, name).decode() for name in ("report.json", "view.session.json", "measurements.csv")]
    assert NAME.split("^")[0] not in told + "".join(texts)
    assert NAME.replace("^", " ") in session.scene.data["banner"]["patient"]  # in the page it is wanted
