"""The station in a real browser: a server, a page, and what is read from its canvases."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

#: Seconds that a server or a page may take on a machine that has much else to do.
PATIENCE = 180

#: Array axes of the columns and rows of each plane; both run against the axis.
PLANES = {"axial": (2, 0, 1), "coronal": (1, 0, 2), "sagittal": (0, 1, 2)}


def as_seen(volume: np.ndarray, plane: str, k: int) -> np.ndarray:
    """A slice of a RAS volume ``[x, y, z, ...]`` as a radiologist sees it: ``(rows, columns, ...)``."""
    axis, _, _ = PLANES[plane]
    return np.take(volume, k, axis=axis)[::-1, ::-1].swapaxes(0, 1)


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """A running `station_server.py`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(__file__).with_name("station_server.py")
    environment = {**os.environ, "PYTHONPATH": str(program.parents[2])}
    server = subprocess.Popen(
        [sys.executable, str(program), str(port), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=10)
                break
            except OSError:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.25)
        yield address
    finally:
        server.terminate()
        server.wait()


class StationPage:
    """What a user does and sees."""

    def __init__(self, page: Any, address: str, query: str = "?widgets=1") -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{address}/{query}")
        self.get("pane-axial-fused").wait_for()

    def wait_loaded(self) -> None:
        self.get("loading").wait_for(state="hidden", timeout=1000 * PATIENCE)
        self.drawn()

    def get(self, name: str) -> Any:
        return self.page.get_by_test_id(name)

    def drawn(self) -> None:
        """Waits until what was asked for is on the screen."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.drawn()

    def canvas(self, pane: str, role: str = "picture") -> np.ndarray:
        """The pixels of a pane, ``(height, width, 3)`` uint8."""
        width, height, data = (
            self.get(f"pane-{pane}")
            .locator(f"canvas.{role}")
            .evaluate(
                """(canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let text = "";
                for (let i = 0; i < data.length; i += 32768) {
                    text += String.fromCharCode(...data.subarray(i, i + 32768));
                }
                return [canvas.width, canvas.height, btoa(text)];
            }"""
            )
        )
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]

    def words(self) -> list[tuple[str, str, float, float, float]]:
        """What is written in the panes when they are drawn: pane, text, left and right end and base line in pixels."""
        told = self.page.evaluate(
            """async () => {
                const proto = CanvasRenderingContext2D.prototype;
                const write = proto.fillText;
                const told = [];
                proto.fillText = function (text, x, y) {
                    const width = this.measureText(text).width;
                    const left = x - { left: 0, center: width / 2, right: width }[this.textAlign];
                    told.push([this.canvas.parentElement.dataset.testid, text, left, left + width, y]);
                    return write.apply(this, arguments);
                };
                window.dispatchEvent(new KeyboardEvent("keydown", { key: "i" }));
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                proto.fillText = write;
                return told;
            }"""
        )
        return [tuple(entry) for entry in told]

    def frame(self, pane: str) -> tuple[float, float, float]:
        """Left and top of the picture in the pane, and pixels a millimetre."""
        left, top, scale = map(float, self.get(f"pane-{pane}").get_attribute("data-frame").split())
        return left, top, scale

    def place(self, pane: str, voxel: np.ndarray, shape: tuple[int, ...], spacing: np.ndarray) -> tuple[float, float]:
        """Where the centre of a voxel lies in the pane, in pixels."""
        _, column, row = PLANES[pane.split("-")[0]]
        left, top, scale = self.frame(pane)
        x = left + (shape[column] - 0.5 - voxel[column]) * spacing[column] * scale
        y = top + (shape[row] - 0.5 - voxel[row]) * spacing[row] * scale
        return x, y

    def on_screen(
        self, pane: str, voxel: np.ndarray, shape: tuple[int, ...], spacing: np.ndarray
    ) -> tuple[float, float]:
        """The same in pixels of the page."""
        box = self.get(f"pane-{pane}").bounding_box()
        x, y = self.place(pane, voxel, shape, spacing)
        return box["x"] + x, box["y"] + y

    def picture(self, pane: str, shape: tuple[int, ...], spacing: np.ndarray) -> np.ndarray:
        """The pane's picture, read at the centre of each voxel: ``(rows, columns, 3)``. Needs plain pixels."""
        _, column, row = PLANES[pane.split("-")[0]]
        canvas = self.canvas(pane)
        left, top, scale = self.frame(pane)
        x = np.floor(left + (np.arange(shape[column]) + 0.5) * spacing[column] * scale).astype(int)
        y = np.floor(top + (np.arange(shape[row]) + 0.5) * spacing[row] * scale).astype(int)
        return canvas[np.ix_(y, x)]

    def slice_of(self, pane: str) -> int:
        """The index of the slice that a pane says it shows."""
        return int(self.get(f"pane-{pane}").get_attribute("aria-label").split("slice ")[1].split(" ")[0]) - 1

    def still(self, pane: str) -> None:
        """Waits until a pane has kept its size for half a second: strips come and go above and below."""
        deadline = time.monotonic() + 60
        seen: list[Any] = []
        while len(seen) < 6 or any(place != seen[-1] for place in seen[-6:]):
            assert time.monotonic() < deadline
            seen.append((self.get(f"pane-{pane}").bounding_box(), self.frame(pane)))
            time.sleep(0.1)

    def wait_slice(self, pane: str, index: int) -> None:
        self.page.locator(f'[data-testid="pane-{pane}"][aria-label*="slice {index + 1} "]').wait_for()

    def drag(self, start: tuple[float, float], stop: tuple[float, float], button: str = "left") -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down(button=button)
        self.page.mouse.move((start[0] + stop[0]) / 2, (start[1] + stop[1]) / 2)
        self.page.mouse.move(*stop)
        self.page.mouse.up(button=button)
        self.drawn()

    def heard(self) -> dict[str, Any]:
        """The state that Python has."""
        return json.loads(self.get("heard").inner_text())

    def until(self, condition: Any, seconds: float = 60) -> dict[str, Any]:
        """The state that Python has, once `condition` holds for it."""
        deadline = time.monotonic() + seconds
        while not condition(state := self.heard()):
            if time.monotonic() > deadline:
                raise AssertionError(f"Python heard only {state}")
            time.sleep(0.1)
        return state
