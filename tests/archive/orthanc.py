"""A real archive for the tests: Debian's Orthanc, in a network of its own, for it listens on every address."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

PROGRAM = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_CLONE_NEWNET = 0x40000000


@contextmanager
def own_network() -> Iterator[None]:
    """Moves this thread, and the processes and threads that it starts, into a network with 127.0.0.1 and nothing else.

    A network namespace belongs to a thread, so the rest of the process stays where it is. Skips where it is not to be
    had (it takes root, or ``unshare --user --map-root-user`` around pytest).
    """
    for needed in (PROGRAM, PLUGIN, shutil.which("ip") or "ip"):
        if not Path(needed).exists():
            pytest.skip(f"{needed} is not installed (Debian: orthanc, orthanc-dicomweb, iproute2)")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(_CLONE_NEWNET) != 0:
        os.close(before)
        pytest.skip(f"no network namespace can be made here: {os.strerror(ctypes.get_errno())}")
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
        yield
    finally:
        assert libc.setns(before, _CLONE_NEWNET) == 0
        os.close(before)


class Orthanc:
    """A running Orthanc with DICOMweb; `settings` go before those here."""

    def __init__(self, folder: Path, http: int, dicom: int, **settings: Any) -> None:
        self.folder, self.http, self.dicom, self.settings = folder, http, dicom, settings
        self.base = f"http://127.0.0.1:{http}"
        self.web = f"{self.base}/dicom-web"
        self.dimse = f"dimse://ARCHIVE@127.0.0.1:{dicom}"
        self.process: subprocess.Popen[bytes] | None = None
        self.session = requests.Session()
        self.session.trust_env = False

    def start(self) -> None:
        config = {
            "Name": "test",
            "Plugins": [str(PLUGIN)],
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": "ARCHIVE",
            "DicomCheckCalledAet": True,
            "DicomModalities": {"fusion": ["FUSION", "127.0.0.1", 11113]},
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomWeb": {"Root": "/dicom-web/", "Host": f"127.0.0.1:{self.http}"},
            **self.settings,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "orthanc.json"
        file.write_text(json.dumps(config))
        with (self.folder / "orthanc.log").open("ab") as log:
            self.process = subprocess.Popen([PROGRAM, str(file)], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self.session.get(f"{self.base}/system", timeout=5).raise_for_status()
                return
            except requests.RequestException:
                assert self.process.poll() is None, (self.folder / "orthanc.log").read_text()[-2000:]
                time.sleep(0.1)
        raise AssertionError("Orthanc does not answer")

    def kill(self) -> None:
        """SIGKILL, by its process id."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def get(self, path: str) -> Any:
        """Orthanc's own interface, which the package does not use."""
        answer = self.session.get(f"{self.base}{path}", timeout=30)
        answer.raise_for_status()
        return answer.json() if "json" in answer.headers["Content-Type"] else answer.content

    def upload(self, folder: Path) -> None:
        for file in sorted(folder.rglob("*.dcm")):
            self.session.post(f"{self.base}/instances", file.read_bytes(), timeout=30).raise_for_status()

    def empty(self) -> None:
        for patient in self.get("/patients"):
            self.session.delete(f"{self.base}/patients/{patient}", timeout=30).raise_for_status()

    def instances(self) -> dict[str, str]:
        """SOPInstanceUID to Orthanc's identifier of all that it holds, none of them twice."""
        found = [(one["MainDicomTags"]["SOPInstanceUID"], one["ID"]) for one in self.get("/instances?expand")]
        assert len(dict(found)) == len(found)
        return dict(found)

    def file(self, sop_instance_uid: str) -> bytes:
        return bytes(self.get(f"/instances/{self.instances()[sop_instance_uid]}/file"))
