"""Makes the pictures of the whole page in `docs/viewer/`: opening, and the panels over the open demo pair.

    python benchmarks/viewer_page_pictures.py

Needs Debian's chromium, playwright and the demo extra. About a minute.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "viewer"))

from station_browser import ARGUMENTS, CHROMIUM
from viewer_browser import Viewer, viewing
from viewer_pictures import picture

from monai_fusion.data.phantom import write_demo_pair

#: The panels of the menu, and the size of the window they are shown in.
SIZES = {"keep": (1366, 768), "slice": (1366, 768), "provenance": (1366, 768), "position": (1920, 1080)}


def show_panel(viewer: Viewer, panel: str) -> None:
    width, height = SIZES[panel]
    viewer.page.set_viewport_size({"width": width, "height": height})
    viewer.button(panel).click()
    if panel == "slice":
        viewer.button("metrics").click()
        viewer.page.get_by_text("SSIM").wait_for()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "viewer")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_demo_pair(folder / "data" / "study")
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        with viewing(folder, "--data-folder", str(folder / "data")) as server:
            viewer = Viewer(browser, server)
            viewer.list_study("study")
            viewer.button("fuse").wait_for(timeout=60_000)
            picture(viewer, args.output / "opening_1366.png")
            viewer.button("fuse").click()
            viewer.wait_open(300)
            for panel, (width, _) in SIZES.items():
                show_panel(viewer, panel)
                picture(viewer, args.output / f"{panel}_{width}.png")
                viewer.page.keyboard.press("Escape")
        browser.close()


if __name__ == "__main__":
    main()
