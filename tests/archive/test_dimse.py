"""DIMSE archives that do not do as they say. What a right one does is in `test_orthanc`."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from fake_dimse import FakeDimse, fake_dimse
from fixtures import at_once, results, study  # noqa: F401
from patient import Study, command
from pynetdicom import evt
from relay import Relay

TIMEOUT = ["--timeout", "0.5"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A thread that hangs would keep the command from ending."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 20
    while left := [one for one in threading.enumerate() if one not in before and not one.daemon]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.fixture
def archive(study: Study) -> Iterator[FakeDimse]:
    """Holds the study."""
    with fake_dimse() as server:
        server.held = {uid: pydicom.dcmread(str(one.filename)) for uid, one in study.instances.items()}
        yield server


def test_every_association_is_released(archive: FakeDimse, study: Study, results: Path, tmp_path: Path) -> None:
    assert command(study, "pull", archive.address, "--study", study.uid, "-o", tmp_path / "study").code == 0
    assert {file.stem for file in (tmp_path / "study").rglob("*.dcm")} == study.instances.keys()
    archive.held.clear()
    assert command(study, "send", results, archive.address).code == 0
    assert len(archive.held) == 8
    events = [event.event for event in archive.associations]
    assert len(events) > 8
    assert events == [evt.EVT_ACCEPTED, evt.EVT_RELEASED] * (len(events) // 2)


def _find_hangs(archive: FakeDimse, study: Study) -> None:
    def found(event: evt.Event) -> Iterator[Any]:
        archive.stop.wait(60)
        yield 0x0000, None

    archive.found = found  # type: ignore[method-assign]


def _find_fails(archive: FakeDimse, study: Study) -> None:
    archive.found = lambda event: iter([(0xA700, None)])  # type: ignore[method-assign]


def _get_hangs(archive: FakeDimse, study: Study) -> None:
    sent = archive.sent

    def slow(event: evt.Event) -> Iterator[Any]:
        for count, one in enumerate(sent(event)):
            if count == 3:
                archive.stop.wait(60)
            yield one

    archive.sent = slow  # type: ignore[method-assign]


def _get_aborts(archive: FakeDimse, study: Study) -> None:
    sent = archive.sent

    def breaking(event: evt.Event) -> Iterator[Any]:
        for count, one in enumerate(sent(event)):
            if count == 3:
                event.assoc.abort()
                return
            yield one

    archive.sent = breaking  # type: ignore[method-assign]


def _get_half(archive: FakeDimse, study: Study) -> None:
    def half(event: evt.Event) -> Iterator[Any]:
        matching = archive.matching(event.identifier)[:4]
        yield len(matching)
        for one in matching:
            yield 0xFF00, one

    archive.sent = half  # type: ignore[method-assign]


def _get_another(archive: FakeDimse, study: Study) -> None:
    def another(event: evt.Event) -> Iterator[Any]:
        yield 1
        one = pydicom.dcmread(str(next(iter(study.instances.values())).filename))
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        yield 0xFF00, one

    archive.sent = another  # type: ignore[method-assign]


def _get_fails(archive: FakeDimse, study: Study) -> None:
    def failing(event: evt.Event) -> Iterator[Any]:
        yield 1
        yield 0xA701, None

    archive.sent = failing  # type: ignore[method-assign]


def _get_is_not_offered(archive: FakeDimse, study: Study) -> None:
    def refusing(event: evt.Event) -> Iterator[Any]:
        yield 1
        yield 0x0122, None

    archive.sent = refusing  # type: ignore[method-assign]


BAD = {
    "query hangs": (_find_hangs, "no answer within 0.5 s"),
    "query fails": (_find_fails, "refused the query (status A700"),
    "retrieval hangs": (_get_hangs, "no answer within 0.5 s"),
    "retrieval breaks off": (_get_aborts, "broke off"),
    "half": (_get_half, "4 of 8 instances of a series"),
    "another instance": (_get_another, "not asked for"),
    "retrieval fails": (_get_fails, "status A701"),
    "C-GET not supported": (_get_is_not_offered, "--listen"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_pull_is_whole_or_leaves_nothing(archive: FakeDimse, study: Study, case: str, tmp_path: Path) -> None:
    misbehave, told = BAD[case]
    misbehave(archive, study)
    start = time.monotonic()
    said = command(study, "pull", archive.address, "--study", study.uid, "-o", tmp_path / "study", *TIMEOUT)
    assert said.code == 3
    assert told in said.line
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(range(256)) * 40])
def test_what_is_no_dicom(study: Study, answer: bytes, tmp_path: Path) -> None:
    """A server that says nothing, or something else."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.sendall(answer)
                held.append(connection)

        held: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        address = f"dimse://ANY@127.0.0.1:{listener.getsockname()[1]}"
        start = time.monotonic()
        said = command(study, "pull", address, "--study", study.uid, "-o", tmp_path / "study", *TIMEOUT)
        listener.shutdown(socket.SHUT_RDWR)
    stop.set()
    for connection in held:
        connection.close()
    assert said.code == 3
    assert "no answer within 0.5 s" in said.line
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - start < 20


def test_ctrl_c_leaves_nothing(archive: FakeDimse, study: Study, tmp_path: Path) -> None:
    _get_hangs(archive, study)
    program = "import sys; from monai_fusion.cli import main; sys.exit(main())"
    words = ["pull", archive.address, "--study", study.uid, "-o", str(tmp_path / "study")]
    process = subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.rglob("*.dcm"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "monai-fusion: interrupted, nothing unfinished was left\n")
    assert list(tmp_path.iterdir()) == []


def test_half_stored_and_said_to_be_all_is_noticed(archive: FakeDimse, study: Study, results: Path) -> None:
    archive.held.clear()
    stored = archive.stored
    archive.stored = lambda event: stored(event) if len(archive.held) < 3 else 0x0000  # type: ignore[method-assign]
    said = command(study, "send", results, archive.address)
    assert said.code == 4
    assert "5 of 8 instances are not in the archive (it said they were stored)" in said.line
    archive.stored = stored  # type: ignore[method-assign]
    assert command(study, "send", results, archive.address).text.startswith("sent 5 instances, 3 were there before")


@pytest.mark.parametrize(
    ("status", "told"),
    [(0xA700, "Out of Resources"), (0xA900, "Does Not Match SOP Class"), (0x0124, "Not Authorised"), (0xC123, "")],
)
def test_what_was_refused_is_told_by_count_and_reason(
    archive: FakeDimse, study: Study, results: Path, status: int, told: str
) -> None:
    archive.held.clear()
    stored = archive.stored
    archive.stored = lambda event: stored(event) if len(archive.held) < 6 else status  # type: ignore[method-assign]
    said = command(study, "send", results, archive.address)
    assert said.code == 4
    assert f"2 of 8 instances are not in the archive (2 x {status:04X}" in said.line
    assert told in said.line


def test_a_remark_is_a_warning(archive: FakeDimse, study: Study, results: Path) -> None:
    archive.held.clear()
    stored = archive.stored
    archive.stored = lambda event: stored(event) or 0xB000  # type: ignore[method-assign]
    said = command(study, "send", results, archive.address)
    assert said.code == 0
    assert said.text.splitlines()[0].startswith(f"warning: {archive.address}: remarked on 8 instances: B000")


@pytest.mark.parametrize("how", ["hangs", "breaks off"])
def test_storing_is_tried_again_where_it_left_off(archive: FakeDimse, study: Study, results: Path, how: str) -> None:
    archive.held.clear()
    stored = archive.stored
    trouble = iter([False, False, True])

    def troubled(event: evt.Event) -> int:
        if next(trouble, False):
            if how == "hangs":
                archive.stop.wait(1.5)
            else:
                event.assoc.abort()
        return stored(event)

    archive.stored = troubled  # type: ignore[method-assign]
    said = command(study, "send", results, archive.address, *TIMEOUT)
    assert said.code == 0
    assert len(archive.held) == 8


def test_an_archive_that_stops_reading(archive: FakeDimse, study: Study, results: Path) -> None:
    """The send itself hangs then: neither an answer nor an error comes, and pynetdicom would wait for ever."""
    archive.held.clear()
    large = pydicom.dcmread(next((results / "dicom").rglob("*.dcm")))
    large.Rows = large.Columns = 4096
    large.PixelData = bytes(2 * 4096 * 4096)
    large.save_as(results / "dicom" / "large.dcm")
    for file in (results / "dicom" / "fused").iterdir():
        file.unlink()
    relay = Relay(archive.port, passed=lambda count: count > 100_000 and archive.stop.wait(60))
    address = archive.address.replace(str(archive.port), str(relay.port))
    said = command(study, "send", results, address, *TIMEOUT)
    relay.close()
    assert said.code == 4
    assert "0 of 1 instances were stored" in said.line


def test_an_image_kind_that_is_not_accepted(archive: FakeDimse, study: Study, results: Path) -> None:
    archive.held.clear()
    file = next((results / "dicom").rglob("*.dcm"))
    odd = pydicom.dcmread(file)
    odd.SOPClassUID = odd.file_meta.MediaStorageSOPClassUID = "1.2.826.0.1.3680043.8.498.1"
    odd.save_as(file)
    said = command(study, "send", results, archive.address)
    assert said.code == 4
    assert "1 of 8 instances are not in the archive (1 x the archive does not accept" in said.line
