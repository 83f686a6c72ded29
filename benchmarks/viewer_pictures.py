"""Makes the pictures in `docs/viewer/`: the viewer with the demo pair, and with a pair whose registration fails.

    python benchmarks/viewer_pictures.py

Needs Debian's chromium, playwright and the demo extra. About three minutes, most of it registering.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "viewer"))

from station_browser import ARGUMENTS, CHROMIUM
from viewer_browser import Server, Viewer, viewing

from monai_fusion.atomic import write_beside
from monai_fusion.data.phantom import HOT_LESION, write_demo_pair

LARGEST = 150 * 1024  # bytes of a picture
SHAPE, SPACING = (197, 233, 95), np.array([1.0, 1.0, 2.0])  # of the demo's MRI
CENTER = (0.0, -18.0, 22.0)  # of it, in RAS
LESION = (np.array(SHAPE) - 1) / 2 + np.subtract(HOT_LESION.center, CENTER) / SPACING
SIGNALS = ("#ff6b6b", "#5fd97a", "#ffd54a", "#4aa8ff", "#ffb340", "#3cff6e", "#2a2110")
SMALL, LARGE = {"width": 1366, "height": 768}, {"width": 1920, "height": 1080}
#: The panels of the menu, and the size of the window they are shown in.
PANELS = {"keep": SMALL, "slice": SMALL, "provenance": SMALL, "position": LARGE}


def write_turned(folder: Path, study: Path) -> None:
    """The demo pair with its PET turned by 90 degrees about the left-right axis: too far for any registration."""
    shutil.copytree(study, folder)
    turn = Rotation.from_euler("x", 90, degrees=True)
    for path in (folder / "pet").rglob("*.dcm"):
        image = pydicom.dcmread(path)
        image.ImagePositionPatient = [round(x, 6) for x in turn.apply(image.ImagePositionPatient)]
        directions = np.reshape(image.ImageOrientationPatient, (2, 3)).astype(float)
        image.ImageOrientationPatient = [round(x, 6) for x in turn.apply(directions).ravel()]
        image.save_as(path)


def few_colours(image: Image.Image) -> Image.Image:
    """A palette of 256 that keeps the colours of lines and lights, though they fill few pixels."""
    weighed = Image.new("RGB", (image.width, image.height + 16 * len(SIGNALS)))
    weighed.paste(image)
    for i, colour in enumerate(SIGNALS):
        weighed.paste(colour, (0, image.height + 16 * i, image.width, image.height + 16 * (i + 1)))
    return weighed.quantize(256, method=Image.Quantize.MEDIANCUT)


def picture(viewer: Viewer, path: Path) -> None:
    """The page in 256 colours, made smaller until it is a small file."""
    time.sleep(1)
    page = Image.open(BytesIO(viewer.page.screenshot())).convert("RGB")
    for width in range(page.width, 0, -page.width // 40):
        small = page.resize((width, round(page.height * width / page.width)), Image.Resampling.LANCZOS)
        data = BytesIO()
        small.quantize(palette=few_colours(small), dither=Image.Dither.NONE).save(data, format="PNG", optimize=True)
        if len(data.getvalue()) <= LARGEST:
            break
    with write_beside(path) as file:
        file.write_bytes(data.getvalue())
    print(f"{path}: {width} pixels wide, {len(data.getvalue()) // 1024} KB")


def hover(viewer: Viewer, pane: str) -> None:
    box = viewer.get(f"pane-{pane}").bounding_box()
    viewer.page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 90)


def open_demo(browser: Browser, server: Server, output: Path) -> Viewer:
    """The demo pair with its crosshair on the hot lesion."""
    viewer = Viewer(browser, server)
    viewer.list_study("study")
    viewer.button("fuse").wait_for(timeout=60_000)
    picture(viewer, output / "opening_1366.png")
    viewer.button("fuse").click()
    viewer.wait_open(300)
    viewer.page.mouse.click(*viewer.on_screen("axial-fused", LESION, SHAPE, SPACING))
    viewer.drawn()
    return viewer


def show_views(viewer: Viewer, output: Path) -> None:
    for keys, name in (("3", "planes"), ("7", "attribution"), ("1b", "before_registration")):
        viewer.press(*keys)
        viewer.wait_loaded()
        picture(viewer, output / f"{name}_1366.png")
    viewer.press("b", "m")
    viewer.page.set_viewport_size(LARGE)
    viewer.get("layout-grid").click()
    viewer.get("functionalPalette").select_option("inverse_grey")
    hover(viewer, "axial-fused")
    picture(viewer, output / "grid_1920.png")


def show_panels(viewer: Viewer, output: Path) -> None:
    viewer.press("m")
    viewer.get("functionalPalette").select_option("hot_iron")
    viewer.get("layout-planes").click()
    for panel, size in PANELS.items():
        viewer.page.set_viewport_size(size)
        viewer.button(panel).click()
        if panel == "slice":
            viewer.button("metrics").click()
            viewer.page.get_by_text("SSIM").wait_for()
        picture(viewer, output / f"{panel}_{size['width']}.png")
        viewer.page.keyboard.press("Escape")


def show_failed(browser: Browser, server: Server, output: Path) -> None:
    """A failed registration with its warning, a region, a distance and a swipe."""
    viewer = Viewer(browser, server)
    viewer.list_study("turned")
    viewer.button("fuse").wait_for(timeout=60_000)
    viewer.page.locator(".st-key-accept label").click()
    viewer.button("fuse").click()
    viewer.wait_open(300)
    viewer.page.mouse.click(*viewer.on_screen("axial-fused", LESION, SHAPE, SPACING))
    viewer.get("layout-images").click()
    viewer.press("5", "o")
    pane = "axial-functional"
    hover(viewer, pane)
    x, y = viewer.on_screen(pane, LESION, SHAPE, SPACING)
    viewer.drag((x, y), (x + 8 * viewer.frame(pane)[2], y))
    viewer.get("measure-R1").get_by_text("PET").wait_for(timeout=60_000)
    viewer.press("d")
    box = viewer.get(f"pane-{pane}").bounding_box()
    viewer.drag((box["x"] + 130, box["y"] + 420), (box["x"] + 300, box["y"] + 430))
    viewer.press("x")
    hover(viewer, pane)
    picture(viewer, output / "measure_1366.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "viewer")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_demo_pair(folder / "data" / "study")
        write_turned(folder / "data" / "turned", folder / "data" / "study")
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        with viewing(folder, "--data-folder", str(folder / "data")) as server:
            show_failed(browser, server, args.output)
            viewer = open_demo(browser, server, args.output)
            show_views(viewer, args.output)
            show_panels(viewer, args.output)
        browser.close()


if __name__ == "__main__":
    main()
