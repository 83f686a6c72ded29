"""From choosing two series to the first picture: the whole way in a browser, and stage by stage without one."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK  # noqa: F401 - loaded by the server before anybody opens something
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from conftest import save_dicom
from station_browser import ARGUMENTS, CHROMIUM
from viewer_browser import Viewer, viewing

from monai_fusion.viewer.addresses import Addresses
from monai_fusion.viewer.case import Choice, open_case, refuse
from monai_fusion.viewer.images import find_images
from monai_fusion.viewer.scene import build_scene
from monai_fusion.viewer.session import Session

SHAPES = {"MR": ((256, 256, 180), 1.0), "PT": ((200, 200, 110), 2.0)}


def write_study(folder: Path) -> None:
    """An MRI of 256x256x180 and a PET of 200x200x110, about one centre."""
    rng = np.random.default_rng(0)
    for modality, (shape, spacing) in SHAPES.items():
        x, y, z = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
        inside = (x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2 < 1
        noise = rng.random(shape, dtype=np.float32)
        volume = inside * (600 + 300 * np.sin(9 * x) * np.cos(8 * y) + 100 * noise)
        affine = np.diag([spacing, spacing, spacing, 1.0])
        affine[:3, 3] = -spacing * (np.array(shape) - 1) / 2
        save_dicom(folder / modality, volume * (1 if modality == "MR" else 20), affine, modality, modality)


class Stages:
    """Seconds by stage: on the clock, and of the processor, which other programs hardly change."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._last: tuple[str, float, float] | None = None

    def _add(self, name: str, clock: float, processor: float) -> None:
        before = self.seconds.get(name, [0.0, 0.0])
        spent = time.perf_counter() - clock, time.process_time() - processor
        self.seconds[name] = [round(b + s, 2) for b, s in zip(before, spent)]

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        start = time.perf_counter(), time.process_time()
        yield
        self._add(name, *start)

    def step(self, fraction: float, text: str) -> None:
        """For `open_case`: a stage ends where the next begins."""
        if self._last is not None:
            self._add(*self._last)
        self._last = (text, time.perf_counter(), time.process_time())


def time_stages(study: Path, folder: Path) -> dict[str, Any]:
    """What the server does, in one process and one thread after the other."""
    stages = Stages()
    session = Session("benchmark", folder, Addresses())
    with stages.of("index of the study"):
        images = find_images(study)
    choice = Choice(*sorted(images, key=lambda image: image.modality))
    for _ in range(2):  # the first loads the compiled kernel, which the server did before
        stages.seconds = {name: value for name, value in stages.seconds.items() if name == "index of the study"}
        stages._last = None
        case = open_case(choice, folder, stages.step)
        stages.step(1, "end")
    with stages.of("scene"):
        scene = build_scene(case, session)
    for name, volume in scene.data["volumes"].items():
        with stages.of(f"volume of {name}"):
            content = session._addresses.find("vol", volume["url"].rpartition("/")[2])
            assert content is not None
            content.get()
    with stages.of("fuse again with another window"):
        refuse(case, {"mri": (100.0, 900.0), "functional": (0.0, 15000.0)}, lambda fraction, text: None)
    return stages.seconds


def time_browser(folder: Path) -> dict[str, Any]:
    """From the click on Fuse to the first picture, and until everything has arrived; three times in a row."""
    found: dict[str, list[float]] = {"first_picture_s": [], "all_volumes_s": []}
    with viewing(folder, "--data-folder", str(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        for _ in range(3):
            viewer = Viewer(browser, server)
            viewer.list_study("study")
            viewer.button("fuse").wait_for(timeout=60_000)
            start = time.perf_counter()
            viewer.button("fuse").click()
            viewer.get("pane-axial-fused").wait_for(timeout=120_000)
            while viewer.canvas("axial-fused").max() < 50:
                time.sleep(0.02)
            found["first_picture_s"].append(round(time.perf_counter() - start, 2))
            viewer.wait_loaded()
            found["all_volumes_s"].append(round(time.perf_counter() - start, 2))
            viewer.context.close()
        browser.close()
    return found


def time_opening() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder / "study")
        (folder / "session").mkdir()
        return {
            "load_average": [round(load, 1) for load in os.getloadavg()],  # of everything on the machine
            "shapes": {modality: list(shape) for modality, (shape, _) in SHAPES.items()},
            "browser": time_browser(folder),
            "stages_clock_and_processor_s": time_stages(folder / "study", folder / "session"),
        }
