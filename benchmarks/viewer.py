"""Times the viewer in a browser: from a key or the mouse to new pixels, and until the first picture.

    python benchmarks/viewer.py [--part station] [--part opening]

writes `benchmarks/results/viewer.json`, each part under its name, and leaves the others as they are. Needs Debian's
chromium and playwright. Part ``station``: the reading station with a 256x256x180 scene, as `tests/viewer` serves it.
Part ``opening``: from choosing two series to the first picture (`viewer_opening.py`).
The time of an input is from its event's timestamp, which the browser sets as it arrives, to the end of the frame in
which the station has drawn. For keys also the browser's own Event Timing, from the input to the picture on the screen,
which it rounds to 8 ms; and for all the processor time of browser, server and this program for an input, which other
programs on the machine lengthen little.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "viewer"))

from station_browser import ARGUMENTS, CHROMIUM, StationPage, served
from viewer_opening import time_opening

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine

SHAPE = (256, 256, 180)
SIZES = {"1366x768": (1366, 768), "1920x1080": (1920, 1080)}
INPUTS = 150
PAUSE = 0.04  # seconds between inputs: as fast as somebody scrolls

#: Keeps, for each input, the milliseconds until the frame was painted in which the station drew.
WATCH = """
window.painted = [];
let started = 0;
for (const kind of ["keydown", "wheel", "pointermove"]) {
  window.addEventListener(kind, (event) => { if (!started) started = event.timeStamp; }, true);
}
window.presented = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (entry.name === "keydown") window.presented.push(entry.duration);
}).observe({ type: "event", durationThreshold: 16 });
const mark = performance.mark.bind(performance);
performance.mark = (name, ...more) => {
  if (name === "station-draw" && started) {
    const from = started;
    started = 0;
    const after = new MessageChannel();
    after.port1.onmessage = () => window.painted.push(performance.now() - from);
    after.port2.postMessage(0);
  }
  return mark(name, ...more);
};
"""


def write_head(path: Path) -> None:
    """A smooth head of `SHAPE`, 1 mm voxels, with texture down to the voxel, so that nothing compresses away."""
    rng = np.random.default_rng(0)
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside = (x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2 < 1
    texture = rng.random(SHAPE, dtype=np.float32)
    mri = inside * (400 + 200 * np.sin(9 * x) * np.cos(8 * y) + 200 * texture)
    suv = inside * (4 + 3 * np.sin(5 * x) * np.cos(4 * y) * np.cos(3 * z) + ndimage.gaussian_filter(texture, 2))
    fused = np.clip(mri / 1600 + suv / 20, 0, 1)
    affine = np.diag([1.0, 1, 1, 1])
    share = inside * np.clip(suv / 8, 0, 1)
    np.savez(path, affine=affine, mri=mri, functional=suv, fused=fused, attribution=share, before=np.roll(suv, 8, 0))


def summary(times: list[float]) -> dict[str, float]:
    return {
        "inputs": len(times),
        "median_ms": round(float(np.median(times)), 1),
        "p95_ms": round(float(np.percentile(times, 95)), 1),
        "max_ms": round(max(times), 1),
    }


def processor_seconds() -> float:
    """Of the processes that this one started, and those that they started: Playwright's driver and the browser's."""
    stats: dict[int, list[str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stats[int(process.name)] = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has ended
            continue
    ours = {os.getpid()}
    while more := {process for process, stat in stats.items() if int(stat[1]) in ours} - ours:
        ours |= more
    return sum(int(ticks) for process in ours for ticks in stats[process][11:13]) / os.sysconf("SC_CLK_TCK")


def time_inputs(station: StationPage, act: Callable[[int], None]) -> dict[str, float]:
    """`INPUTS` inputs after ten to warm up."""
    for i in range(10):
        act(i)
        time.sleep(PAUSE)
    station.drawn()
    before = processor_seconds()
    station.page.evaluate("window.painted.length = window.presented.length = 0")
    for i in range(INPUTS):
        act(i)
        time.sleep(PAUSE)
    station.drawn()
    processor = processor_seconds() - before
    time.sleep(0.5)
    found = summary(station.page.evaluate("window.painted"))
    if presented := station.page.evaluate("window.presented"):
        presented += [16] * (INPUTS - len(presented))  # what was faster is not told
        found["event_timing_p95_ms"] = round(float(np.percentile(presented, 95)))
    return {**found, "processor_ms": round(1000 * processor / INPUTS, 1)}


def time_station() -> dict[str, Any]:
    found: dict[str, Any] = {"shape": list(SHAPE), "load_average": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_head(Path(folder) / "scene.npz")
        with served(str(Path(folder) / "scene.npz")) as address:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
            found["chromium"] = browser.version
            for name, (width, height) in SIZES.items():
                page = browser.new_page(viewport={"width": width, "height": height})
                page.add_init_script(WATCH)
                start = time.perf_counter()
                station = StationPage(page, address, "")
                station.wait_loaded()
                found[name] = {"page_to_picture_s": round(time.perf_counter() - start, 2), **time_layouts(station)}
                page.close()
            browser.close()
    return found


def time_layouts(station: StationPage) -> dict[str, Any]:
    keyboard, mouse = station.page.keyboard, station.page.mouse
    found: dict[str, Any] = {}

    def scroll(i: int) -> None:
        keyboard.press("ArrowUp" if i // 50 % 2 else "ArrowDown")

    def roll(i: int) -> None:
        mouse.wheel(0, -100 if i // 50 % 2 else 100)

    def over(pane: str) -> tuple[float, float]:
        box = station.get(f"pane-{pane}").bounding_box()
        mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    for layout in ("planes", "images", "grid"):
        station.get(f"layout-{layout}").click()
        over("axial-fused")
        found[f"{layout}, key"] = time_inputs(station, scroll)
        found[f"{layout}, wheel"] = time_inputs(station, roll)
    over("sagittal-fused")
    found["grid, key, sagittal"] = time_inputs(station, scroll)
    x, y = over("axial-functional")
    mouse.down(button="right")
    found["grid, drag of the functional window"] = time_inputs(station, lambda i: mouse.move(x, y + 30 * np.sin(i / 5)))
    mouse.up(button="right")
    over("axial-fused")
    for key, mode in {"3": "alpha blend", "8": "MRI edges"}.items():
        keyboard.press(key)
        found[f"grid, key, {mode}"] = time_inputs(station, scroll)
    keyboard.press("1")
    return found


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"station": time_station, "opening": time_opening}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS), action="append", help="only this one (default: all)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "viewer.json")
    args = parser.parse_args()

    results = json.loads(args.output.read_text(encoding="utf-8")) if args.output.exists() else {}
    for part in args.part or PARTS:
        results[part] = {"machine": describe_machine(), **PARTS[part]()}
    with write_beside(args.output) as path:
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
