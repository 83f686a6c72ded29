"""The whole viewer in a real browser: server, page, station, measuring, keeping, two sessions, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from viewer_pair import LESION, LESION_SUV, MRI_AFFINE, MRI_SHAPE, NAME, write_pair

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

from station_browser import ARGUMENTS, CHROMIUM  # noqa: E402
from viewer_browser import Server, Viewer, viewing  # noqa: E402

if not CHROMIUM.is_file():
    pytest.skip(f"no browser at {CHROMIUM}", allow_module_level=True)

SPACING = np.array([3.0, 3.0, 4.0])
SECONDS_OF_A_CLOSED_TAB = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("viewer")
    for name, changed in (("one", 0), ("two", 500)):
        write_pair(folder / "data" / name, changed)
        for file in (folder / "data" / name).rglob("*.dcm"):
            header = pydicom.dcmread(file)
            header.PatientName = NAME
            header.save_as(file)
    with viewing(folder, "--data-folder", str(folder / "data")) as running:
        yield running
        assert running.process.poll() is None  # it outlived everything
    assert list(running.temporary.iterdir()) == []
    assert NAME.split("^")[0] not in running.log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def viewer(browser: Any, server: Server) -> Iterator[Viewer]:
    viewer = Viewer(browser, server)
    yield viewer
    viewer.context.close()
    assert viewer.errors == []
    assert {host.partition(":")[0] for host in viewer.hosts} <= {"127.0.0.1", ""}  # data: and blob: have no host


def test_open_measure_and_keep(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open_study("one")
    assert viewer.page.get_by_test_id("stHeader").is_hidden()
    box = viewer.get("station").bounding_box()
    assert (box["x"], box["width"]) == (0, 1366)
    assert box["y"] + box["height"] == pytest.approx(768, abs=2)
    assert viewer.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight") <= 769

    index = (np.linalg.inv(MRI_AFFINE) @ [*LESION, 1])[:3]
    viewer.page.mouse.click(*viewer.on_screen("axial-fused", index, MRI_SHAPE, SPACING))
    viewer.press("o")
    edge = np.add(index, [-3, 0, 0])  # 9 mm
    slices = [viewer.slice_of(f"{plane}-fused") for plane in ("sagittal", "coronal")]
    assert np.abs(np.array(slices) - index[:2]).max() <= 1
    start, stop = (viewer.on_screen("axial-fused", voxel, MRI_SHAPE, SPACING) for voxel in (index, edge))
    for _ in range(40):  # from the middle slice to the lesion's
        if viewer.slice_of("axial-fused") == round(index[2]):
            break
        viewer.press("ArrowUp" if viewer.slice_of("axial-fused") < index[2] else "ArrowDown")
    viewer.drag(start, stop)
    viewer.get("measures").get_by_text("SUVbw g/ml").wait_for()
    viewer.press("Escape")

    with viewer.keep("measurements.csv", tmp_path).open() as file:
        [roi] = csv.DictReader(file)
    for name in ("mean", "max", "peak"):
        assert float(roi[f"functional_{name}"]) == pytest.approx(LESION_SUV, rel=0.01)
    assert float(roi["radius_mm"]) == pytest.approx(9, abs=0.5)

    fused = nib.load(viewer.keep("fused.nii.gz", tmp_path))
    assert fused.shape == MRI_SHAPE
    assert nib.load(viewer.keep("fused_color.nii.gz", tmp_path)).get_data_dtype().names == ("R", "G", "B")
    with zipfile.ZipFile(viewer.keep("fused_dicom.zip", tmp_path)) as archive:
        assert archive.testzip() is None
        with archive.open(archive.namelist()[0]) as file:
            assert pydicom.dcmread(file).PatientName == NAME
    assert json.loads(viewer.keep("report.json", tmp_path).read_text())["notice"]
    assert Image.open(viewer.keep("scroll.png", tmp_path)).n_frames == MRI_SHAPE[2]
    assert Image.open(viewer.keep("contact_sheet.png", tmp_path)).width > 500

    session_file = viewer.keep("view.session.json", tmp_path)
    viewer.page.keyboard.press("Escape")
    viewer.button("another").click()
    viewer.button("demo").wait_for()
    viewer.page.locator('input[type="file"]').set_input_files(str(session_file))
    viewer.wait_open()
    viewer.get("measures").get_by_text("SUVbw g/ml").wait_for()
    viewer.wait_slice("axial-fused", round(index[2]))


def test_another_window_fuses_again(viewer: Viewer) -> None:
    viewer.open_study("one")
    viewer.still("axial-fused")
    before = viewer.canvas("axial-fused").copy()
    field = viewer.page.locator('[data-bind="mri-high"]')
    field.fill("420")
    field.press("Enter")
    with viewer.page.expect_response(re.compile("/vol/"), timeout=60_000):
        viewer.page.locator('[data-action="refuse"]').click(timeout=60_000)
    viewer.get("pane-axial-fused").wait_for(timeout=60_000)
    viewer.wait_loaded()
    deadline = time.monotonic() + 20
    while np.array_equal(viewer.canvas("axial-fused"), before):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_two_sessions_do_not_meet(browser: Any, server: Server, tmp_path: Path) -> None:
    """Two pairs of one size that differ in three slices of the middle."""
    tabs = {}
    for name in ("one", "two"):
        tab = tabs[name] = Viewer(browser, server)
        urls: list[str] = []
        tab.page.on("request", lambda request, urls=urls: "/vol/" in request.url and urls.append(request.url))
        tab.open_study(name)
        deadline = time.monotonic() + 60
        while len(urls) < 4:  # the attribution's comes after the first picture
            assert time.monotonic() < deadline
            tab.page.wait_for_timeout(200)
        tab.volumes = {url: tab.context.request.get(url).body() for url in urls}  # as the browser had it
        (tmp_path / name).mkdir()
    one, two = tabs.values()
    sizes = [sorted(len(body) for body in tab.volumes.values()) for tab in tabs.values()]
    assert sizes[0] == sizes[1]
    digests = [{hashlib.sha256(body).hexdigest() for body in tab.volumes.values()} for tab in tabs.values()]
    assert len(digests[0]) == len(digests[1]) == 4
    assert len(digests[0] & digests[1]) == 1  # the MRI; functional, fused and attribution are their own
    kept = {name: tab.keep("fused.nii.gz", tmp_path / name).read_bytes() for name, tab in tabs.items()}
    fused = {name: nib.load(tmp_path / name / "fused.nii.gz").get_fdata() for name in tabs}
    assert kept["one"] != kept["two"]
    assert not np.array_equal(fused["one"][..., 10], fused["two"][..., 10])

    [mine, other] = [next(iter(tab.volumes)).removeprefix(server.address) for tab in tabs.values()]
    assert server.status(mine) == 200
    assert server.status(mine[:-1] + ("a" if mine[-1] != "a" else "b")) == 404
    assert server.status(mine.replace("/vol/", "/export/")) == 404
    assert server.status(mine, Host="evil.example") == 400  # DNS rebinding
    assert server.status("/_stcore/metrics") == 404
    one.context.close()
    deadline = time.monotonic() + SECONDS_OF_A_CLOSED_TAB + 30
    while server.status(mine) != 404:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert server.status(other) == 200  # the other tab is still there
    two.context.close()


def bad_uploads(folder: Path) -> dict[str, tuple[Path, str]]:
    leads_out, bomb, corrupt, large = (
        folder / f"{NAME}_{name}" for name in ("out.zip", "bomb.zip", "a.dcm", "large.dcm")
    )
    with zipfile.ZipFile(leads_out, "w") as archive:
        archive.writestr("../../evil.dcm", "x")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive, archive.open("a", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    corrupt.write_bytes(bytes(128) + b"DICM" + bytes(range(256)) * 20)
    with large.open("wb") as file:
        file.truncate(2 << 30)
    return {
        "leads out": (leads_out, "leads out"),
        "bomb": (bomb, "zip bomb"),
        "corrupt": (corrupt, "damaged"),
        "too large": (large, "1.0GB or smaller"),
    }


def test_bad_uploads_are_refused_in_a_sentence(viewer: Viewer, server: Server, tmp_path: Path) -> None:
    before = server.files()
    for file, says in bad_uploads(tmp_path).values():
        assert says in viewer.upload(file)
        assert server.status("/_stcore/health") == 200
        assert server.files() <= before
        viewer.page.reload()
        viewer.button("demo").wait_for(timeout=60_000)


def test_the_demo_pair(viewer: Viewer) -> None:
    """It is registered, as nobody tells the viewer how the head had moved."""
    viewer.button("demo").click()
    viewer.wait_open(300)
    assert viewer.canvas("axial-fused").max() > 200
    assert viewer.get("verdict").inner_text() == "Registration good"
    viewer.page.set_viewport_size({"width": 1920, "height": 1080})
    viewer.drawn()
    box = viewer.get("station").bounding_box()
    assert box["y"] + box["height"] == pytest.approx(1080, abs=2)
