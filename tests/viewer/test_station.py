from __future__ import annotations

import json
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from station_browser import ARGUMENTS, CHROMIUM, StationPage, as_seen, served
from station_scene import AFFINE, AGAIN, SHAPE, make_scene, phantom

from monai_fusion.transforms.color import color_table, rgb_to_ycc, ycc_to_rgb

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
if not CHROMIUM.is_file():
    pytest.skip(f"the browser tests need {CHROMIUM}", allow_module_level=True)

SPACING = np.array([3.0, 2.5, 5.0])
START = {"axial": 15, "coronal": 32, "sagittal": 24}
SCENE = make_scene(AFFINE, **phantom())
FACTS = SCENE.facts["volumes"]
STORED = {name: SCENE.volumes[FACTS[name]["url"].split("/")[-1]] for name in FACTS}
BEFORE = SCENE.volumes[SCENE.facts["registration"]["before"]["url"].split("/")[-1]]
WINDOWS = {name: (FACTS[name]["low"], FACTS[name]["high"]) for name in ("mri", "functional")}


def windowed(name: str, stored: np.ndarray, window: tuple[float, float] | None = None) -> np.ndarray:
    """0..255 within the window, as DICOM's linear-exact function has it."""
    low, high = window or WINDOWS[name]
    return np.round(255 * np.clip((stored * FACTS[name]["slope"] - low) / (high - low), 0, 1)).astype(int)


MRI = windowed("mri", STORED["mri"])
UPTAKE = windowed("functional", STORED["functional"])
FUSED = STORED["fused"].astype(int)
RAINBOW = np.round(color_table("rainbow").numpy() * 255)


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=-1)


def colored(luma: np.ndarray, uptake: np.ndarray, palette: str = "rainbow") -> np.ndarray:
    """Luma of one, chroma of the other, by the package's own rule."""
    chroma = rgb_to_ycc(color_table(palette).T)[1][:, torch.from_numpy(uptake)]
    rgb = ycc_to_rgb(torch.from_numpy(luma / 255).float()[None], chroma)
    return (rgb * 255).round().numpy().transpose(1, 2, 3, 0)


def edged(uptake: np.ndarray, plane: str, k: int) -> np.ndarray:
    """Uptake in colour under white MRI edges: Sobel's gradient from 16 to 40 grey levels a voxel."""
    from scipy.ndimage import sobel

    mri = as_seen(MRI, plane, k).astype(float)
    strength = np.hypot(sobel(mri, 0), sobel(mri, 1)) / 8
    on = np.clip((strength - 16) / 24, 0, 1)
    on[[0, -1]] = on[:, [0, -1]] = 0
    return (1 - on[..., None]) * RAINBOW[as_seen(uptake, plane, k)] + 255 * on[..., None]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser: sync_api.Browser, address: str) -> Iterator[StationPage]:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    station = StationPage(page, address)
    station.wait_loaded()
    yield station
    page.close()
    assert station.errors == []


@pytest.fixture
def station(opened: StationPage) -> StationPage:
    """The one page, as it was at the start, with plain pixels."""
    opened.press("Escape", "Escape", "x", "1")
    opened.get("layout-planes").click()
    opened.get("image").select_option("fused")
    for name in ("palette", "functionalPalette"):
        opened.get(name).select_option("rainbow")
    if opened.get("smooth").get_attribute("aria-pressed") == "true":
        opened.press("i")
    hover(opened, "axial-fused")
    opened.press("r", "-")  # smaller, so that the whole grid is in the pane
    opened.until(lambda state: state["crosshair"] == [24, 32, 15])
    return opened


def hover(station: StationPage, pane: str) -> None:
    box = station.get(f"pane-{pane}").bounding_box()
    station.page.mouse.move(box["x"] + 40, box["y"] + 150)


def assert_shows(station: StationPage, pane: str, expected: np.ndarray) -> None:
    """The pane shows the picture ``(rows, columns, 3)``, to one grey level."""
    shown = station.picture(pane, SHAPE, SPACING).astype(float)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).max() <= 1
    assert np.ptp(shown) > 40


def test_colour_follows_the_packages_rule(station: StationPage) -> None:
    expected = colored(FUSED, UPTAKE)
    for plane, k in START.items():
        assert_shows(station, f"{plane}-fused", as_seen(expected, plane, k))
    station.get("palette").select_option("hot_iron")
    station.drawn()
    assert_shows(station, "axial-fused", as_seen(colored(FUSED, UPTAKE, "hot_iron"), "axial", START["axial"]))


def test_wheel_and_keys_scroll_the_plane_under_the_pointer(station: StationPage) -> None:
    hover(station, "coronal-fused")
    station.page.mouse.wheel(0, 100)
    station.drawn()
    assert station.slice_of("coronal-fused") == 31
    station.press("ArrowUp", "ArrowUp", "PageUp", "ArrowLeft")
    assert station.slice_of("coronal-fused") == 42
    assert station.slice_of("axial-fused") == START["axial"]
    assert_shows(station, "coronal-fused", as_seen(colored(FUSED, UPTAKE), "coronal", 42))
    station.press("End", "PageUp")
    assert station.slice_of("coronal-fused") == SHAPE[1] - 1


def test_a_click_moves_the_crosshair_in_all_planes(station: StationPage) -> None:
    voxel = np.array([10, 20, START["axial"]])
    station.page.mouse.click(*station.on_screen("axial-fused", voxel, SHAPE, SPACING))
    station.drawn()
    assert [station.slice_of(f"{plane}-fused") for plane in START] == [15, 20, 10]
    assert_shows(station, "sagittal-fused", as_seen(colored(FUSED, UPTAKE), "sagittal", 10))
    mm = AFFINE[:3, :3] @ voxel + AFFINE[:3, 3]
    values = {name: STORED[name][tuple(voxel)] * FACTS[name]["slope"] for name in FACTS}
    words = station.get("readout").inner_text()
    assert f"L {-mm[0]:.1f}" in words
    assert f"MRI {values['mri']:.0f} " in words
    assert f"PET {values['functional']:.2f} SUVbw" in words
    assert f"Fused {values['fused']:.2f}" in words
    assert f"From PET {100 * values['attribution']:.0f} %" in words
    heard = station.until(lambda state: np.allclose(state["crosshair"], voxel, atol=0.6))
    assert heard["crosshair"][2] == 15


def test_left_is_left_in_all_planes(station: StationPage) -> None:
    sides = {"axial": "left R, right L, top A, bottom P", "coronal": "left R, right L, top H, bottom F"}
    sides["sagittal"] = "left A, right P, top H, bottom F"
    station.get("layout-grid").click()
    station.drawn()
    # the bright block of the MRI lies at the patient's left, front and top; the hot ball at the right, back and bottom
    for image, [x, y, z] in {"mri": (14, 44, 20), "functional": (33, 19, 9)}.items():
        axial = station.on_screen("axial-mri", np.array([x, y, 15]), SHAPE, SPACING)
        station.page.mouse.click(*axial)
        hover(station, "axial-mri")
        station.press("Home", *["ArrowUp"] * z)
        for plane, letters in sides.items():
            pane = f"{plane}-{image}"
            assert station.get(f"pane-{pane}").get_attribute("aria-label").endswith(letters)
            brightness = station.canvas(pane).astype(float)[..., 0]
            rows, columns = np.nonzero(brightness >= 0.97 * brightness.max())
            across = columns.mean() / brightness.shape[1] - 0.5
            down = rows.mean() / brightness.shape[0] - 0.5
            left_front_top = image == "mri"
            assert (down < 0) == left_front_top, pane
            assert (across > 0) == (left_front_top if plane != "sagittal" else not left_front_top), pane


def test_pixels_are_isotropic_whatever_the_spacing(station: StationPage) -> None:
    station.get("image").select_option("mri")
    station.drawn()
    scales = []
    for plane, (column, row) in {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}.items():
        inside = as_seen(STORED["mri"], plane, START[plane]) > 0
        lit = station.canvas(f"{plane}-mri")[..., 0] > 0
        for axis, of in ((0, column), (1, row)):
            voxels = np.ptp(np.flatnonzero(inside.any(axis))) + 1
            pixels = np.ptp(np.flatnonzero(lit.any(axis))) + 1
            scales.append(pixels / (voxels * SPACING[of]))
    assert np.ptp(scales) < 0.03 * np.mean(scales)


def test_windows_change_the_picture_without_a_request(station: StationPage) -> None:
    station.get("layout-images").click()
    station.drawn()
    requests: list[str] = []
    station.page.on("request", lambda request: requests.append(request.url))
    field = station.get("mri-high")
    field.fill("500")
    field.press("Enter")
    station.get("mri-low").fill("100")
    station.get("mri-low").press("Tab")
    station.drawn()
    assert_shows(station, "axial-mri", grey(as_seen(windowed("mri", STORED["mri"], (100, 500)), "axial", 15)))
    station.get("functional-preset").select_option("1")
    station.drawn()
    uptake = windowed("functional", STORED["functional"], (0, 5))
    assert_shows(station, "axial-functional", RAINBOW[as_seen(uptake, "axial", 15)])
    assert_shows(station, "axial-fused", as_seen(colored(FUSED, uptake), "axial", 15))
    box = station.get("pane-axial-functional").bounding_box()
    station.drag((box["x"] + 60, box["y"] + 100), (box["x"] + 60, box["y"] + 150), button="right")
    high = 5 * np.exp(50 * 0.006)
    expected = RAINBOW[as_seen(windowed("functional", STORED["functional"], (0, high)), "axial", 15)]
    assert_shows(station, "axial-functional", expected)
    heard = station.until(lambda state: abs(state["windows"]["functional"][1] - high) < 1e-6)
    assert heard["windows"]["mri"] == [100, 500]
    assert [url for url in requests if "/vol/" in url or "/media/" in url] == []
    station.get("refuse").click()
    assert station.until(lambda state: state["request"])["request"]["windows"]["mri"] == [100, 500]


def test_inverse_grey_is_dark_on_white(station: StationPage) -> None:
    station.get("layout-images").click()
    station.get("functionalPalette").select_option("inverse_grey")
    station.drawn()
    assert_shows(station, "axial-functional", 255 - grey(as_seen(UPTAKE, "axial", 15)))
    assert station.canvas("axial-functional")[3, 3].tolist() == [255, 255, 255]


def test_grey_and_alpha(station: StationPage) -> None:
    station.press("2")
    assert_shows(station, "axial-fused", grey(as_seen(FUSED, "axial", 15)))
    station.press("3")
    for alpha in (0.5, 1.0, 0.3):
        station.get("alpha").fill(str(alpha))
        station.drawn()
        blend = (1 - alpha) * grey(MRI) + alpha * RAINBOW[UPTAKE]
        assert_shows(station, "coronal-fused", as_seen(blend, "coronal", 32))


def test_checkerboard_swipe_and_difference(station: StationPage) -> None:
    station.press("4")
    rows, columns = np.mgrid[: SHAPE[2], : SHAPE[0]] + 0.5
    odd = (np.floor(rows * SPACING[2] / 20) + np.floor(columns * SPACING[0] / 20)) % 2 == 1
    mri, pet = as_seen(grey(MRI), "coronal", 32), as_seen(RAINBOW[UPTAKE], "coronal", 32)
    assert_shows(station, "coronal-fused", np.where(odd[..., None], pet, mri))

    station.press("5")
    station.get("first").select_option("mri")
    station.get("second").select_option("network_grey")
    at = station.on_screen("axial-fused", np.array([SHAPE[0] / 2 - 0.5, 5, 0]), SHAPE, SPACING)
    to = station.on_screen("axial-fused", np.array([35.5, 5, 0]), SHAPE, SPACING)
    station.drag(at, to)
    left = np.arange(SHAPE[0]) < 12
    expected = np.where(left[None, :, None], as_seen(grey(MRI), "axial", 15), as_seen(grey(FUSED), "axial", 15))
    assert_shows(station, "axial-fused", expected)

    station.press("6")
    assert_shows(station, "axial-fused", as_seen(grey(127.5 + (FUSED - MRI) / 2), "axial", 15))


def test_attribution_and_edges(station: StationPage) -> None:
    station.press("7")
    share = STORED["attribution"].astype(int)
    assert_shows(station, "axial-fused", as_seen(colored(0.55 * FUSED, share), "axial", 15))
    station.press("8")
    for plane, k in START.items():
        assert_shows(station, f"{plane}-fused", edged(UPTAKE, plane, k))


def test_before_and_after_registration(station: StationPage) -> None:
    station.press("9")
    assert_shows(station, "axial-fused", edged(UPTAKE, "axial", 15))
    station.press("b")
    station.wait_loaded()
    assert_shows(station, "axial-fused", edged(windowed("functional", BEFORE), "axial", 15))
    station.get("show-after").click()
    station.drawn()
    assert_shows(station, "axial-fused", edged(UPTAKE, "axial", 15))


def test_keys_work_after_a_widget_was_clicked_and_streamlits_do_not(station: StationPage) -> None:
    page = station.page
    page.get_by_role("button", name="A button").click()
    station.press("PageUp")
    assert station.slice_of("axial-fused") == 25
    station.until(lambda state: state["crosshair"][2] == 25)
    station.press("r")
    station.until(lambda state: state["crosshair"][2] == 15)
    runs = station.heard()["runs"]
    station.press("r", "r")  # nothing is left to reset: a new run would be Streamlit's own
    time.sleep(1)
    assert station.heard()["runs"] == runs
    station.press("c", "c")
    assert page.get_by_role("dialog").count() == 0
    field = page.get_by_label("A field", exact=True)
    field.fill("")
    field.press_sequentially("rm9")
    assert field.input_value() == "rm9"
    assert station.get("mode").input_value() == "network"
    assert station.get("mip").get_attribute("aria-pressed") == "false"
    page.get_by_label("A list", exact=True).click()
    page.get_by_role("option", name="two").click()
    station.press("m")
    assert station.get("pane-mip").is_visible()
    station.press("m")


def test_the_list_of_keys(station: StationPage) -> None:
    station.press("?")
    assert "Page ↑" in station.get("help-panel").inner_text()
    station.press("Escape")
    assert not station.get("help-panel").is_visible()


def test_double_click_makes_a_pane_large_and_back(station: StationPage) -> None:
    width = station.get("pane-coronal-fused").bounding_box()["width"]
    box = station.get("pane-coronal-fused").bounding_box()
    station.page.mouse.dblclick(box["x"] + 100, box["y"] + 200)
    station.drawn()
    assert station.get("pane-coronal-fused").bounding_box()["width"] > 2.9 * width
    assert station.get("pane-axial-fused").count() == 0
    station.press("Enter")
    assert station.get("pane-axial-fused").is_visible()


def test_zoom_and_move(station: StationPage) -> None:
    _, _, scale = station.frame("axial-fused")
    voxel = np.array([12, 40, 15])
    at = station.on_screen("axial-fused", voxel, SHAPE, SPACING)
    station.page.mouse.move(*at)
    station.page.keyboard.down("Control")
    station.page.mouse.wheel(0, -200)
    station.page.keyboard.up("Control")
    station.drawn()
    _, _, larger = station.frame("axial-fused")
    assert larger == pytest.approx(scale * np.exp(0.4))
    assert station.on_screen("axial-fused", voxel, SHAPE, SPACING) == pytest.approx(at, abs=0.5)
    at = station.on_screen("axial-fused", voxel, SHAPE, SPACING)
    box = station.get("pane-axial-fused").bounding_box()
    from_, to = (box["x"] + 100, box["y"] + 200), (box["x"] + 130, box["y"] + 180)
    station.drag(from_, to, button="middle")
    assert station.on_screen("axial-fused", voxel, SHAPE, SPACING) == pytest.approx((at[0] + 30, at[1] - 20), abs=1e-6)


def test_roi_reaches_python_and_shows_its_numbers(station: StationPage) -> None:
    voxel, radius = np.array([33, 19, 9]), 18.0
    station.press("Home", *["ArrowUp"] * voxel[2])
    station.press("o")
    _, _, scale = station.frame("axial-fused")
    start = station.on_screen("axial-fused", voxel, SHAPE, SPACING)
    station.drag(start, (start[0] + radius * scale, start[1]))
    heard = station.until(lambda state: state["rois"])
    (roi,) = heard["rois"]
    center = AFFINE[:3, :3] @ voxel + AFFINE[:3, 3]
    pixel = 1 / scale  # the mouse has whole pixels
    assert roi["kind"] == "sphere"
    assert np.abs(np.array(roi["center"]) - center).max() <= pixel
    assert roi["radius"] == pytest.approx(radius, abs=pixel)
    strip = station.get("measure-R1")
    strip.get_by_text("PET").wait_for()
    assert "max 10.0" in strip.inner_text()

    station.press("d")
    station.still("axial-fused")  # the strip of measures takes room from the panes
    ends = np.array([[40, 50, 9], [13, 39, 9]])
    station.drag(*[station.on_screen("axial-fused", end, SHAPE, SPACING) for end in ends])
    line = station.until(lambda state: state["distances"])["distances"][0]
    length = np.linalg.norm((ends[1] - ends[0]) * SPACING)
    assert np.linalg.norm(np.subtract(line["from"], line["to"])) == pytest.approx(length, abs=2 * pixel)
    assert float(station.get("measure-D1").locator("span").inner_text().split(" ")[0]) == pytest.approx(
        length, abs=2 * pixel
    )

    station.press("Control+z", "Control+z")
    assert station.get("measures").is_hidden()
    station.until(lambda state: not state["rois"] and not state["distances"])
    station.press("Control+Shift+Z")
    assert station.until(lambda state: state["rois"])["rois"] == [roi]
    station.press("x")
    start = station.on_screen("axial-fused", voxel, SHAPE, SPACING)
    station.drag(start, (start[0] + 10, start[1] + 10))  # its centre is taken hold of, whatever the tool
    moved = station.until(lambda state: state["rois"][0]["center"] != roi["center"])["rois"][0]
    assert moved["center"][2] == pytest.approx(roi["center"][2])
    assert moved["center"][0] == pytest.approx(roi["center"][0] - 10 / scale, abs=pixel)
    station.press("Delete")
    assert station.get("measures").is_hidden()


def test_no_label_runs_into_the_colour_bar(browser: sync_api.Browser, address: str) -> None:
    """Regions down the patient's left, where the bar and its long unit stand."""
    voxels = [(x, y, 15) for x in (1, 4) for y in range(4, 64, 4)]
    centers = [(AFFINE[:3, :3] @ voxel + AFFINE[:3, 3]).tolist() for voxel in voxels]
    rois = [
        {"id": f"R{i}", "kind": "sphere", "center": c, "radius": 4, "plane": "axial"} for i, c in enumerate(centers)
    ]
    changes = {"restore": {"id": "a", "rois": rois, "layout": {"layout": "images", "image": "fused"}}}
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    unit = "SUVbw g/ml"
    station = StationPage(page, address, f"?changes={json.dumps(changes)}&functional={json.dumps({'unit': unit})}")
    station.wait_loaded()
    told = [entry for entry in station.words() if entry[0] == "pane-axial-fused"]
    [(bar, top)] = [(left, line - 12) for _, text, left, _, line in told if text == unit]
    height = station.get("pane-axial-fused").bounding_box()["height"]
    bottom = height - top  # about the middle, but for the words
    labels = [(right, line) for _, text, _, right, line in told if text in {roi["id"] for roi in rois}]
    assert len(labels) == len(rois)
    beside = [right for right, line in labels if top <= line <= bottom + 12]
    assert bar - 60 < max(beside) < bar  # they come near
    page.close()


def test_mip_shows_the_hottest_and_goes_there(station: StationPage) -> None:
    station.get("functionalPalette").select_option("grey")
    station.press("m")
    canvas = station.canvas("mip")[..., 0].astype(float)
    assert canvas.max() == 255
    rows, columns = np.nonzero(canvas == 255)
    assert columns.mean() < canvas.shape[1] / 2  # the patient's right
    assert rows.mean() > canvas.shape[0] / 2
    _, top, scale = station.frame("mip")
    y = np.floor(top + (SHAPE[2] - 0.5 - np.arange(SHAPE[2])) * SPACING[2] * scale).astype(int)
    assert np.abs(canvas[y].max(axis=1) - UPTAKE.max(axis=(0, 1))).max() <= 1
    box = station.get("pane-mip").bounding_box()
    station.page.mouse.click(box["x"] + columns.mean(), box["y"] + rows.mean())
    station.drawn()
    heard = station.until(lambda state: state["crosshair"] != [24, 32, 15])
    x, y, z = np.round(heard["crosshair"]).astype(int)
    assert UPTAKE[x, y, z] == 255
    station.page.mouse.wheel(0, -100)
    station.page.mouse.wheel(0, -100)
    station.drawn()
    assert "20 degrees; left RA, right LP" in station.get("pane-mip").get_attribute("aria-label")
    station.press("r")
    assert "0 degrees; left R, right L" in station.get("pane-mip").get_attribute("aria-label")
    station.press("m")


def test_mip_has_a_window_of_its_own_until_one_is_chosen(browser: sync_api.Browser, address: str) -> None:
    """Maxima are higher than slices: up to twice as high. The hottest of this head is 10."""
    for high, top in ((6, "10.00"), (4, "8.00")):
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        station = StationPage(page, address, f"?functional={json.dumps({'high': high})}")
        station.wait_loaded()
        station.press("m")
        told = {pane: text for pane, text, *_ in station.words() if text.startswith("PET  ")}
        assert told["pane-mip"] == f"PET  0 – {top}"  # noqa: RUF001
        assert told["pane-axial-fused"] == f"PET  0 – {high}.00"  # noqa: RUF001
        field = page.locator('[data-bind="functional-high"]')
        field.fill("5")
        field.press("Enter")
        assert ("pane-mip", "PET  0 – 5.00") in [entry[:2] for entry in station.words()]  # noqa: RUF001
        page.close()


def test_cine_plays(station: StationPage) -> None:
    station.press("c")
    seen: set[int] = set()
    deadline = time.monotonic() + 60
    while len(seen) < 4:
        assert time.monotonic() < deadline
        seen.add(station.slice_of("axial-fused"))
        time.sleep(0.05)
    station.press("c")


def test_png_is_the_view(station: StationPage) -> None:
    station.press("t")  # lines and text off: then the file is the pictures
    with station.page.expect_download() as download:
        station.press("s")
    image = np.asarray(Image.open(BytesIO(Path(download.value.path()).read_bytes())).convert("RGB"))
    station.press("t")
    assert download.value.suggested_filename == "fusion-view.png"
    box = station.get("panes").bounding_box()
    assert image.shape[1] == round(box["width"])
    pane = station.get("pane-coronal-fused").bounding_box()
    canvas = station.canvas("coronal-fused")
    left, top = round(pane["x"] - box["x"]), round(pane["y"] - box["y"])
    part = image[top : top + canvas.shape[0], left : left + canvas.shape[1]]
    assert np.abs(part[4:-4, 4:-4].astype(int) - canvas[4:-4, 4:-4]).mean() < 1
    assert image[round(box["height"]) :, :400].max() > 200  # the research-use line


def frames_of(webm: bytes) -> int:
    """Simple blocks in the clusters of a WebM file; how long a number is stands in its first byte (RFC 8794)."""
    segment, cluster, block = 0x18538067, 0x1F43B675, 0xA3
    at = frames = 0
    while at < len(webm):
        length = 9 - webm[at].bit_length()
        name = int.from_bytes(webm[at : at + length], "big")
        at += length
        length = 9 - webm[at].bit_length()
        size = int.from_bytes(webm[at : at + length], "big") & ((1 << 7 * length) - 1)
        at += length
        frames += name == block
        at += 0 if name in (segment, cluster) else size
    return frames


def test_scroll_is_kept_as_video(station: StationPage) -> None:
    with station.page.expect_download() as download:
        station.press("v")
    data = Path(download.value.path()).read_bytes()
    assert data[:4] == b"\x1a\x45\xdf\xa3"  # EBML, the head of WebM
    assert b"webm" in data[:64]
    assert frames_of(data) == SHAPE[2]
    assert station.slice_of("axial-fused") == 15


def test_a_missing_volume_is_told(browser: sync_api.Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    station = StationPage(page, address, "?broken=functional")
    station.get("failure").wait_for()
    assert "The PET volume could not be fetched: the server no longer has it" in station.get("failure").inner_text()
    assert station.get("notice").inner_text() == "For research use only. Not for diagnostic use."
    page.close()


def test_warnings_verdict_and_restored_state(browser: sync_api.Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    changes = {
        "registration": {
            "verdict": "doubtful",
            "text": "Restarts disagree by 9 mm.",
            "matrix_lps": None,
            "before": None,
        },
        "warnings": ["The frames of reference differ."],
        "edited": ["weight 70 kg (edited)"],
        "restore": {
            "id": "a",
            "crosshair": [5, 6, 7],
            "windows": {"mri": [10, 700]},
            "layout": {"mode": "network_grey", "layout": "grid"},
        },
    }
    station = StationPage(page, address, f"?widgets=1&changes={json.dumps(changes)}")
    station.wait_loaded()
    assert "Registration doubtful. Restarts disagree by 9 mm." in station.get("banner").inner_text()
    assert "The frames of reference differ." in station.get("banner").inner_text()
    assert station.get("edited").inner_text() == "weight 70 kg (edited)"
    assert station.get("mode").input_value() == "network_grey"
    assert "Before / after" not in station.get("mode").inner_text()
    assert [station.slice_of(f"{plane}-mri") for plane in START] == [7, 6, 5]
    heard = station.until(lambda state: state["crosshair"] == [5, 6, 7])
    assert heard["windows"]["mri"] == [10, 700]
    assert heard["layout"]["layout"] == "grid"
    page.close()


def test_a_new_fusion_fetches_only_what_is_new(browser: sync_api.Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    station = StationPage(page, address, "?widgets=1")
    station.wait_loaded()
    station.press("2", "PageUp")
    station.until(lambda state: state["crosshair"][2] == 25)
    requests: list[str] = []
    page.on("request", lambda request: "/vol/" in request.url and requests.append(request.url.split("/")[-1]))
    with page.expect_response("**/vol/*"):
        page.get_by_text("Fuse again").click()
    station.wait_loaded()
    assert requests == [AGAIN]
    assert station.slice_of("axial-fused") == 25
    station.press("i", "-")
    assert_shows(station, "axial-fused", grey(as_seen(255 - FUSED, "axial", 25)))
    page.close()


def test_a_picture_has_no_sides_and_no_millimetres(browser: sync_api.Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    shape = [SHAPE[0], SHAPE[1] * SHAPE[2], 1]  # the same bytes, as one slice
    changes = {"picture": True, "shape": shape, "spacing": [1, 1, 1], "affine": np.eye(4).tolist()}
    station = StationPage(page, address, f"?changes={json.dumps(changes)}")
    station.wait_loaded()
    assert [station.get(f"pane-axial-{image}").count() for image in ("mri", "functional", "fused")] == [1, 1, 1]
    assert "left" not in station.get("pane-axial-fused").get_attribute("aria-label")
    assert station.get("readout").inner_text().startswith("column 24  row 960")
    assert station.get("layout-planes").is_disabled()
    page.close()
