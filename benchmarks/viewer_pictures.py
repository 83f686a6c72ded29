"""Makes the pictures of the reading station in `docs/viewer/`: the demo pair, fused by the bundle, in a real browser.

    python benchmarks/viewer_pictures.py

Needs Debian's chromium, playwright and the demo extra. About two minutes, most of it fusing twice: with the known
transform, and without it for the picture of before registration.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import nibabel as nib
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "viewer"))

from station_browser import ARGUMENTS, CHROMIUM, StationPage, served

from monai_fusion import fuse
from monai_fusion.atomic import write_beside
from monai_fusion.data.phantom import HOT_LESION, write_demo_pair

LARGEST = 150 * 1024  # bytes of a picture
SHAPE = (197, 233, 95)  # of the demo
SIGNALS = ("#ff6b6b", "#5fd97a", "#ffd54a", "#4aa8ff", "#ffb340", "#3cff6e", "#2a2110")
SUV_TOP = 14.0  # the demo's uptake in the network's [0, 1] ends about there
DOUBT = {
    "registration": {
        "verdict": "doubtful",
        "text": "Restarts disagree by 6.1 mm; similarity 0.21, before 0.18; coverage 84 %.",
        "matrix_lps": None,
        "before": None,
    },
    "warnings": ["The frames of reference of MRI and PET differ."],
    "edited": ["weight 70 kg (edited)"],
}


def write_scene(path: Path, folder: Path) -> np.ndarray:
    """The demo pair on its display grid, as `station_scene.make_scene` takes it; the affine."""
    pair = write_demo_pair(folder)
    result = fuse(pair.mri, pair.functional, functional_transform=str(pair.transform))
    unmoved = fuse(pair.mri, pair.functional)

    def on_grid(image: np.ndarray) -> np.ndarray:
        turned = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(image, np.float32), result.affine))
        return np.asarray(turned.dataobj)

    affine = nib.as_closest_canonical(nib.Nifti1Image(np.asarray(result.fused, np.float32), result.affine)).affine
    mri, functional, fused = (
        on_grid(result.sources["mri"]),
        on_grid(result.sources["functional"]),
        on_grid(result.fused),
    )
    share = np.where(fused > 0.02, functional / (functional + mri + 1e-3), 0)  # stands in for the attribution
    np.savez(
        path,
        affine=affine,
        mri=900 * mri,
        functional=SUV_TOP * functional,
        fused=fused,
        attribution=np.clip(share, 0, 1),
        before=SUV_TOP * on_grid(unmoved.sources["functional"]),
    )
    return affine


def open_station(
    browser: Browser, address: str, size: tuple[int, int], affine: np.ndarray, **changes: object
) -> StationPage:
    """The station with its crosshair on the hot lesion."""
    lesion = np.linalg.solve(affine, [*HOT_LESION.center, 1])[:3].tolist()
    changes["restore"] = {"id": "lesion", "crosshair": lesion}
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    station = StationPage(page, address, f"?changes={quote(json.dumps(changes))}")
    station.wait_loaded()
    return station


def few_colours(image: Image.Image) -> Image.Image:
    """A palette of 256 that keeps the colours of lines and lights, though they fill few pixels."""
    weighed = Image.new("RGB", (image.width, image.height + 16 * len(SIGNALS)))
    weighed.paste(image)
    for i, colour in enumerate(SIGNALS):
        weighed.paste(colour, (0, image.height + 16 * i, image.width, image.height + 16 * (i + 1)))
    return weighed.quantize(256, method=Image.Quantize.MEDIANCUT)


def keep(station: StationPage, path: Path) -> None:
    """The page in 256 colours, made smaller until it is a small file; closes it."""
    picture(station, path)
    station.page.close()


def picture(station: StationPage, path: Path) -> None:
    """The same, and leaves the page open."""
    time.sleep(1)
    page = Image.open(BytesIO(station.page.screenshot())).convert("RGB")
    for width in range(page.width, 0, -page.width // 40):
        small = page.resize((width, round(page.height * width / page.width)), Image.Resampling.LANCZOS)
        data = BytesIO()
        small.quantize(palette=few_colours(small), dither=Image.Dither.NONE).save(data, format="PNG", optimize=True)
        if len(data.getvalue()) <= LARGEST:
            break
    with write_beside(path) as file:
        file.write_bytes(data.getvalue())
    print(f"{path}: {width} pixels wide, {len(data.getvalue()) // 1024} KB")


def hover(station: StationPage, pane: str) -> None:
    box = station.get(f"pane-{pane}").bounding_box()
    station.page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "viewer")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    small, large = (1366, 768), (1920, 1080)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        affine = write_scene(Path(folder) / "scene.npz", Path(folder))
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        with served(str(Path(folder) / "scene.npz")) as address:
            station = open_station(browser, address, small, affine)
            station.press("3")
            keep(station, args.output / "planes_1366.png")

            station = open_station(browser, address, large, affine)
            station.get("layout-grid").click()
            station.press("m")
            station.get("functionalPalette").select_option("inverse_grey")
            hover(station, "axial-fused")
            keep(station, args.output / "grid_1920.png")

            station = open_station(browser, address, small, affine)
            station.press("b")
            station.wait_loaded()
            keep(station, args.output / "before_registration_1366.png")

            station = open_station(browser, address, small, affine, **DOUBT)
            station.get("layout-images").click()
            station.press("5", "o")
            hover(station, "axial-functional")
            box = station.get("pane-axial-functional").bounding_box()
            lesion = np.linalg.solve(affine, [*HOT_LESION.center, 1])[:3]
            x, y = station.on_screen("axial-functional", lesion, SHAPE, np.linalg.norm(affine[:3, :3], axis=0))
            station.drag((x, y), (x + 8 * station.frame("axial-functional")[2], y))
            station.press("d")
            station.drag((box["x"] + 130, box["y"] + 420), (box["x"] + 300, box["y"] + 430))
            station.press("x")
            hover(station, "axial-functional")
            station.get("measure-R1").get_by_text("PET").wait_for(timeout=60_000)
            keep(station, args.output / "measure_1366.png")
        browser.close()


if __name__ == "__main__":
    main()
