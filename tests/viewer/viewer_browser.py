"""The whole viewer as a user meets it: a running `monai-fusion view`, and a tab of a real browser."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from station_browser import ARGUMENTS, CHROMIUM, PATIENCE, StationPage

__all__ = ["Server", "Viewer", "browser", "viewer", "viewing"]

_PROGRAM = "import sys; from monai_fusion.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class Server:
    """A running `monai-fusion view`.

    Args:
        address: of its page.
        temporary: its folder for temporary files.
        log: what it printed.
        process: of it.
    """

    address: str
    temporary: Path
    log: Path
    process: subprocess.Popen[bytes]

    def status(self, path: str, **headers: str) -> int:
        request = urllib.request.Request(f"{self.address}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def files(self) -> set[str]:
        """What lies in the folder for temporary files, but for the lock."""
        return {path.name for path in self.temporary.rglob("*") if path.is_file()} - {".lock"}


@contextmanager
def viewing(folder: Path, *arguments: str) -> Iterator[Server]:
    """A server with its temporary files and its log in `folder`, once it answers."""
    temporary, log = folder / "tmp", folder / "log"
    temporary.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", _PROGRAM, "view", "--no-browser", "--port", str(port), *arguments]
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with log.open("w") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, env=environment)
    server = Server(f"http://127.0.0.1:{port}", temporary, log, process)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if server.status("/_stcore/health") == 200:
                    break
            except OSError:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.25)
        yield server
    finally:
        process.terminate()
        process.wait(30)


class Viewer(StationPage):
    """A user's tab."""

    def __init__(self, browser: Any, server: Server) -> None:
        self.context = browser.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.volumes: dict[str, bytes] = {}
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        for kind in ("request", "websocket"):
            self.page.on(kind, lambda asked: self.hosts.add(str(urlsplit(asked.url).hostname or "")))
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.goto(server.address)
        self.button("demo").wait_for()

    def button(self, key: str) -> Any:
        return self.page.locator(f".st-key-{key} button").first

    def open_study(self, name: str) -> None:
        self.list_study(name)
        self.button("fuse").click()
        self.wait_open()

    def list_study(self, name: str) -> None:
        self.page.locator("[class*=st-key-subfolder] input").click()
        self.page.get_by_role("option", name=name, exact=True).click()
        self.page.get_by_text(f"/{name}", exact=True).wait_for()
        self.button("list").click()

    def wait_open(self, seconds: float = 120) -> None:
        self.get("pane-axial-fused").wait_for(timeout=1000 * seconds)
        self.wait_loaded()

    def keep(self, name: str, folder: Path) -> Path:
        """Downloads a file; compares its SHA-256 with what the page says."""
        if not self.get("downloads").is_visible():
            self.button("keep").click()
        with self.page.expect_download() as download:
            self.page.locator(f'button[data-name="{name}"]').click()
        path = folder / name
        download.value.save_as(path)
        self.page.get_by_text(re.compile(f"{re.escape(name)} kept")).wait_for()
        told = self.get("downloads").inner_text()
        assert hashlib.sha256(path.read_bytes()).hexdigest() in told
        return path

    def upload(self, *files: Path) -> None:
        one = "document.querySelectorAll('input[type=file]').length === 1"
        self.page.wait_for_function(one)  # for a moment the box of the last upload is there, too
        self.page.locator('input[type="file"]').set_input_files([str(file) for file in files])

    def refused(self) -> str:
        """The sentence in which the page says that it does not take something."""
        alert = self.page.get_by_test_id("refused").or_(self.page.get_by_text("or smaller"))
        alert.first.wait_for()
        return str(alert.first.inner_text())

    def choose(self, role: str, name: str) -> None:
        """Chooses the image whose line holds a name for a role, ``"mri"`` or ``"functional"``."""
        self.page.locator(f".st-key-{role} input").click()
        self.page.get_by_role("option").filter(has_text=name).first.click()

    @property
    def outside(self) -> set[str]:
        """Whom the page asked for something, but for this machine; data: and blob: have no host."""
        return self.hosts - {"127.0.0.1", ""}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def viewer(browser: Any, server: Server) -> Iterator[Viewer]:
    """A tab; afterwards nothing went wrong in it, and nothing outside of this machine was asked for anything."""
    viewer = Viewer(browser, server)
    yield viewer
    viewer.context.close()
    assert viewer.errors == []
    assert viewer.outside == set()
