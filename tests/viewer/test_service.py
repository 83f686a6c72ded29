from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monai_fusion.viewer.addresses import Content
from monai_fusion.viewer.private_folder import PrivateFolder
from monai_fusion.viewer.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(folder=PrivateFolder(tmp_path))
    yield service
    service.close()


def test_the_folder_is_private_and_goes(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    folder = PrivateFolder(tmp_path)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert Path(tempfile.gettempdir()).is_relative_to(folder.path)
    assert os.environ["TMPDIR"] == tempfile.gettempdir()
    session = folder.new("session")
    assert session.stat().st_mode & 0o777 == 0o700
    folder.remove()
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() == before


def _killed(parent: str) -> None:
    folder = PrivateFolder(parent)
    (folder.new("session") / "patient.dcm").write_text("voxels")
    os._exit(9)


def test_the_next_server_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(str(tmp_path),))
    process.start()
    process.join()
    [left] = tmp_path.iterdir()
    assert list(left.rglob("patient.dcm"))
    living = PrivateFolder(tmp_path)
    assert list(tmp_path.iterdir()) == [living.path]
    second = PrivateFolder(tmp_path)  # beside a living one, which stays
    assert living.path.is_dir()
    second.remove()
    living.remove()


def test_a_session_ends_with_its_tab(service: Service) -> None:
    mine, other = service.session("mine"), service.session("other")
    assert service.session("mine") is mine
    (mine.folder / "patient.dcm").write_text("voxels")
    urls = [session.publish(Content(lambda: b"voxels"), "vol") for session in (mine, other)]
    service.reap(lambda name: name == "other", seconds=30)  # a moment's disconnection
    assert mine.folder.is_dir()
    mine.seen = other.seen = mine.seen - 31
    service.reap(lambda name: name == "other", seconds=30)
    assert not mine.folder.exists()
    assert other.folder.is_dir()
    found = [service.addresses.find("vol", url.rpartition("/")[2]) for url in urls]
    assert found[0] is None
    assert found[1] is not None
    late = mine.publish(Content(lambda: b"late"), "vol")  # by a thread that did not hear of the end
    assert service.addresses.find("vol", late.rpartition("/")[2]) is None
    assert service.session("mine") is not mine


def test_forgetting_leaves_nothing_but_the_session(service: Service) -> None:
    session = service.session("mine")
    (session.new_folder("upload") / "patient.dcm").write_text("voxels")
    session.forget()
    assert list(session.folder.iterdir()) == []
    assert session.images == []


def test_sentences_do_not_name_private_folders(service: Service) -> None:
    session = service.session("mine")
    folder = session.new_folder("upload")
    assert session.plain(f"{folder}/study/a.dcm: a damaged\nDICOM file") == "study/a.dcm: a damaged DICOM file"
    assert session.plain(f"{folder}: none of its files") == "the upload: none of its files"
    assert session.plain(f"{folder.name}: no image") == "the upload: no image"
