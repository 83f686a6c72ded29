"""A DICOMweb archive of the standard library that can be made to misbehave."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import pydicom
from pydicom.dataset import Dataset

_LISTED = {
    "studies": ["StudyInstanceUID", "StudyDate"],
    "series": ["SeriesInstanceUID", "Modality"],
    "instances": ["SOPInstanceUID", "SOPClassUID"],
}


class FakeDicomweb(ThreadingHTTPServer):
    """Holds instances by SOPInstanceUID. Each test replaces one of the methods by which it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.held: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.stop = threading.Event()
        self.before: Callable[[_Handler], bool] = lambda handler: False
        self.headers: dict[str, str] = {}
        self.extra: dict[str, int] = {}  # what is said of a series beside the required

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that went away: it was one of an earlier test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/dicom-web"

    def listed(self, kind: str, path: str) -> list[dict[str, Any]]:
        """QIDO-RS; knows no pages."""
        found: dict[str, Dataset] = {}
        for content in self.held.values():
            instance = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
            if all(
                uid in (instance.StudyInstanceUID, instance.SeriesInstanceUID) for uid in path.split("/") if "." in uid
            ):
                entry = Dataset()
                for keyword in _LISTED[kind]:
                    setattr(entry, keyword, instance[keyword].value)
                for keyword, value in self.extra.items() if kind == "series" else ():
                    setattr(entry, keyword, value)
                found.setdefault(str(entry[_LISTED[kind][0]].value), entry)
        return [entry.to_json_dict() for entry in found.values()]

    def sent(self, series: str) -> list[bytes]:
        """WADO-RS: the instances of a series."""
        return [c for c in self.held.values() if pydicom.dcmread(BytesIO(c)).SeriesInstanceUID == series]

    def stored(self, parts: dict[str, bytes]) -> tuple[int, Dataset]:
        """STOW-RS: keeps instances; status and answer."""
        self.held |= parts
        return 200, store_answer(dict.fromkeys(parts))


def store_answer(reasons: dict[str, int | None], warnings: dict[str, int] | None = None) -> Dataset:
    """A STOW-RS response: the reason of each failure, None for what was stored."""
    answer = Dataset()
    answer.ReferencedSOPSequence, answer.FailedSOPSequence = [], []
    for uid, reason in reasons.items():
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        if reason is not None:
            item.FailureReason = reason
        elif uid in (warnings or {}):
            item.WarningReason = (warnings or {})[uid]
        (answer.ReferencedSOPSequence if reason is None else answer.FailedSOPSequence).append(item)
    return answer


class _Handler(BaseHTTPRequestHandler):
    server: FakeDicomweb
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/dicom-web/")
        self.server.requests.append(path)
        if self.server.before(self):
            return
        kind = path.rsplit("/")[-1]
        if kind in _LISTED:
            self.answer(200, "application/dicom+json", json.dumps(self.server.listed(kind, path)).encode())
        else:
            parts = [
                b"--x\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in self.server.sent(kind)
            ]
            self.answer(200, 'multipart/related; type="application/dicom"; boundary=x', b"".join(parts) + b"--x--")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append("POST")
        if self.server.before(self):
            return
        boundary = self.headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
        parts = {}
        for part in body.split(b"\r\n--" + boundary)[1:-1]:
            content = part.partition(b"\r\n\r\n")[2]
            parts[str(pydicom.dcmread(BytesIO(content)).SOPInstanceUID)] = content
        status, answer = self.server.stored(parts)
        self.answer(status, "application/dicom+json", json.dumps(answer.to_json_dict()).encode())

    def answer(self, status: int, kind: str, body: bytes, **headers: str) -> bool:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **self.server.headers,
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        return True


@contextmanager
def fake_dicomweb() -> Iterator[FakeDicomweb]:
    server = FakeDicomweb()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()
