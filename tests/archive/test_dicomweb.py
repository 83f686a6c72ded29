"""DICOMweb archives that do not do as they say. What a right one does is in `test_orthanc`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from fake_dicomweb import FakeDicomweb, fake_dicomweb, store_answer
from fixtures import at_once, results, study  # noqa: F401
from patient import BIRTH_DATE, NAME, Study, command, process

TIMEOUT = ["--timeout", "0.5"]


@pytest.fixture
def archive(study: Study) -> Iterator[FakeDicomweb]:
    """Holds the study."""
    with fake_dicomweb() as server:
        server.held = {uid: Path(str(one.filename)).read_bytes() for uid, one in study.instances.items()}
        yield server


def _hang(archive: FakeDicomweb, study: Study) -> None:
    archive.before = lambda handler: archive.stop.wait(60)


def _send_the_start(archive: FakeDicomweb, start: bytes, then: Callable[[], object]) -> None:
    """Of a multipart answer; what comes `then` ends it."""

    def before(handler: Any) -> bool:
        if "/series/" not in handler.path or "instances" in handler.path:
            return False
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/related; boundary=x")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + start)
        handler.wfile.flush()
        then()
        handler.close_connection = True
        return True

    archive.before = before


def _hang_in_the_middle(archive: FakeDicomweb, study: Study) -> None:
    one = archive.sent(study.series("MR"))[0]
    _send_the_start(archive, one + b"\r\n--x\r\n", lambda: archive.stop.wait(60))


def _break_off_in_the_middle(archive: FakeDicomweb, study: Study) -> None:
    _send_the_start(archive, b"DICM", lambda: None)


def _html(archive: FakeDicomweb, study: Study) -> None:
    archive.before = lambda handler: handler.answer(200, "text/html", b"<html>Planted^Secret</html>")


def _json_of_another_kind(archive: FakeDicomweb, study: Study) -> None:
    archive.before = lambda handler: handler.answer(200, "application/json", b'[{"Patient": "Planted^Secret"}]')


def _rubbish_for_multipart(archive: FakeDicomweb, study: Study) -> None:
    archive.sent = lambda series: [b"\x00" * 300]  # type: ignore[method-assign]


def _path_for_a_uid(archive: FakeDicomweb, study: Study) -> None:
    archive.listed = lambda kind, path: [  # type: ignore[method-assign]
        {"0020000D": {"vr": "UI", "Value": ["../../etc"]}, "00080018": {"vr": "UI", "Value": ["../../etc"]}}
    ]


def _half(archive: FakeDicomweb, study: Study) -> None:
    sent = archive.sent
    archive.sent = lambda series: sent(series)[:4]  # type: ignore[method-assign]


def _cut_off(archive: FakeDicomweb, study: Study) -> None:
    sent = archive.sent
    archive.sent = lambda series: [part[:-1000] for part in sent(series)]  # type: ignore[method-assign]


def _another_series(archive: FakeDicomweb, study: Study) -> None:
    sent = archive.sent
    archive.sent = lambda series: sent(study.series("MR"))  # type: ignore[method-assign]


def _miscount(archive: FakeDicomweb, study: Study) -> None:
    archive.extra = {"NumberOfSeriesRelatedInstances": 9}


def _still_arriving(archive: FakeDicomweb, study: Study) -> None:
    late = {uid: archive.held.pop(uid) for uid in list(archive.held)[:1]}
    sent = archive.sent

    def answer(series: str) -> list[bytes]:
        now = sent(series)
        archive.held.update(late)
        return now

    archive.sent = answer  # type: ignore[method-assign]


def _redirect(archive: FakeDicomweb, study: Study) -> None:
    archive.before = lambda handler: handler.answer(302, "text/plain", b"", Location="http://127.0.0.1:1/elsewhere")


def _overloaded(archive: FakeDicomweb, study: Study) -> None:
    archive.before = lambda handler: handler.answer(503, "text/plain", b"")


BAD = {
    "hangs": (_hang, "no answer within 0.5 s"),
    "hangs in the middle": (_hang_in_the_middle, "no answer within 0.5 s|cannot be reached"),
    "breaks off in the middle": (_break_off_in_the_middle, "cannot be reached"),
    "HTML": (_html, "no DICOMweb"),
    "JSON of another kind": (_json_of_another_kind, "no DICOMweb"),
    "rubbish for multipart": (_rubbish_for_multipart, "no DICOMweb"),
    "a path for a UID": (_path_for_a_uid, "no UID"),
    "half": (_half, "4 of 8 instances of a series (MR) did not come|4 of 8 instances of a series (PT) did not come"),
    "cut off": (_cut_off, "too few pixels|no DICOMweb"),
    "another series": (_another_series, "not asked for"),
    "miscounts": (_miscount, "has 9 instances and lists 8"),
    "still arriving": (_still_arriving, "came in while pulling"),
    "redirects": (_redirect, "another address"),
    "overloaded": (_overloaded, "HTTP 503"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_pull_is_whole_or_leaves_nothing(archive: FakeDicomweb, study: Study, case: str, tmp_path: Path) -> None:
    misbehave, told = BAD[case]
    misbehave(archive, study)
    start = time.monotonic()
    said = command(study, "pull", archive.url, "--study", study.uid, "-o", tmp_path / "study", *TIMEOUT)
    assert said.code == 3
    assert any(words in said.line for words in told.split("|")), said.line
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - start < 20


def test_it_tries_again_where_the_archive_is_busy(archive: FakeDicomweb, study: Study, tmp_path: Path) -> None:
    busy = iter([True, True])
    archive.before = lambda handler: next(busy, False) and handler.answer(503, "text/plain", b"")
    assert command(study, "pull", archive.url, "--study", study.uid, "-o", tmp_path / "study").code == 0
    assert len(list((tmp_path / "study").rglob("*.dcm"))) == 16
    assert archive.requests[:3] == ["studies"] * 3


def test_what_the_libraries_would_log_and_warn_of(archive: FakeDicomweb, study: Study, tmp_path: Path) -> None:
    """dicomweb-client logs an archive's Warning header, pydicom warns of values that do not fit, with the value."""
    listed, odd = archive.listed, {"00100030": {"vr": "DA", "Value": [f"{BIRTH_DATE}-{NAME}"]}}
    archive.listed = lambda kind, path: [one | odd for one in listed(kind, path)]  # type: ignore[method-assign]
    archive.headers["Warning"] = f"299 fake: {NAME} has more"
    for said in (command, process):
        folder = tmp_path / said.__name__
        assert said(study, "pull", archive.url, "--study", study.uid, "-o", folder).code == 0
        assert said(study, "pull", archive.url, "--study", study.uid, "-o", folder).code == 4


def test_a_folder_that_holds_something_is_left_alone(archive: FakeDicomweb, study: Study, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    said = command(study, "pull", archive.url, "--study", study.uid, "-o", tmp_path)
    assert (said.code, "is there already" in said.line) == (4, True)
    assert archive.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_ctrl_c_leaves_nothing(archive: FakeDicomweb, study: Study, tmp_path: Path) -> None:
    _hang_in_the_middle(archive, study)
    program = "import sys; from monai_fusion.cli import main; sys.exit(main())"
    words = ["pull", archive.url, "--study", study.uid, "--series", "MR", "-o", str(tmp_path / "study")]
    process = subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while archive.requests[-1:] != [f"studies/{study.uid}/series/{study.series('MR')}"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [path.name[:18] for path in tmp_path.iterdir()] == [".study.unfinished-"]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "monai-fusion: interrupted, nothing unfinished was left\n")
    assert list(tmp_path.iterdir()) == []


def test_half_stored_and_said_to_be_all_is_noticed(archive: FakeDicomweb, study: Study, results: Path) -> None:
    archive.held.clear()

    def stored(parts: dict[str, bytes]) -> tuple[int, Any]:
        archive.held |= dict(list(parts.items())[:3])
        return 200, store_answer(dict.fromkeys(parts))

    archive.stored = stored  # type: ignore[method-assign]
    said = command(study, "send", results, archive.url)
    assert said.code == 4
    assert "5 of 8 instances are not in the archive (it said they were stored)" in said.line
    del archive.stored  # type: ignore[method-assign]
    assert command(study, "send", results, archive.url).text.startswith("sent 5 instances, 3 were there before")
    assert archive.held.keys() == {uid for uid, one in study.instances.items() if one.Modality == "MR"}


@pytest.mark.parametrize(("status", "failing"), [(202, 3), (409, 8)])
def test_what_was_refused_is_told_by_count_and_reason(
    archive: FakeDicomweb, study: Study, results: Path, status: int, failing: int
) -> None:
    archive.held.clear()

    def stored(parts: dict[str, bytes]) -> tuple[int, Any]:
        bad = list(parts)[:failing]
        archive.held |= {uid: part for uid, part in parts.items() if uid not in bad}
        return status, store_answer({uid: 0xA700 if uid in bad else None for uid in parts})

    archive.stored = stored  # type: ignore[method-assign]
    said = command(study, "send", results, archive.url)
    assert said.code == 4
    words = f"{failing} of 8 instances are not in the archive ({failing} x A700"
    assert words in said.line
    assert "Out of Resources" in said.line


def test_a_remark_is_a_warning(archive: FakeDicomweb, study: Study, results: Path) -> None:
    archive.held.clear()

    def stored(parts: dict[str, bytes]) -> tuple[int, Any]:
        archive.held |= parts
        return 202, store_answer(dict.fromkeys(parts), dict.fromkeys(list(parts)[:2], 0xB000))

    archive.stored = stored  # type: ignore[method-assign]
    said = command(study, "send", results, archive.url)
    assert said.code == 0
    assert said.text.splitlines()[0].startswith(f"warning: {archive.url}: remarked on 2 instances: B000")


@pytest.mark.parametrize(
    ("status", "told"), [(403, "does not allow this"), (413, "files of this size"), (500, "archive's log")]
)
def test_http_errors_while_storing(archive: FakeDicomweb, study: Study, results: Path, status: int, told: str) -> None:
    archive.held.clear()
    archive.before = lambda handler: handler.command == "POST" and handler.answer(status, "text/plain", b"")
    said = command(study, "send", results, archive.url)
    assert said.code == 4
    assert told in said.line
    assert f"(HTTP {status}). 0 of 8 instances were stored" in said.line
    assert archive.requests.count("POST") == (3 if status == 500 else 1)


def test_hanging_while_storing(archive: FakeDicomweb, study: Study, results: Path) -> None:
    archive.held.clear()
    archive.before = lambda handler: handler.command == "POST" and archive.stop.wait(60)
    said = command(study, "send", results, archive.url, *TIMEOUT)
    assert said.code == 4
    assert "no answer within 0.5 s" in said.line
    assert "0 of 8 instances were stored" in said.line


@pytest.mark.parametrize("what", ["no report", "no dicom", "no file", "damaged"])
def test_what_is_no_finished_result_is_not_sent(archive: FakeDicomweb, study: Study, results: Path, what: str) -> None:
    files = sorted((results / "dicom").rglob("*.dcm"))
    if what == "no report":
        (results / "report.json").unlink()
    elif what == "damaged":
        files[0].write_bytes(files[0].read_bytes()[:200])
    else:
        for file in files:
            file.unlink()
        if what == "no dicom":
            files[0].parent.rmdir()
            (results / "dicom").rmdir()
    said = command(study, "send", results, archive.url)
    assert said.code == 3
    assert said.line.startswith("monai-fusion: ")
    assert archive.requests == []


def test_large_results_go_in_several_requests(
    archive: FakeDicomweb, study: Study, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [file.stat().st_size for file in (results / "dicom").rglob("*.dcm")]
    monkeypatch.setattr("monai_fusion.archive.dicomweb.BATCH_BYTES", 3 * max(sizes))
    archive.held.clear()
    assert command(study, "send", results, archive.url).code == 0
    assert archive.requests.count("POST") == 3
    assert {pydicom.dcmread(BytesIO(content)).SOPInstanceUID for content in archive.held.values()} == set(archive.held)
