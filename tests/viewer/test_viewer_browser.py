"""The whole viewer in a real browser: server, page, station, measuring, keeping, two sessions, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import http.client
import json
import re
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nibabel as nib
import numpy as np
import pydicom
import pytest
from bad_uploads import BAD_ZIPS, no_volume, two_mri, without_pixels
from PIL import Image
from pydicom.uid import MRImageStorage, MultiFrameTrueColorSecondaryCaptureImageStorage
from viewer_pair import LESION, LESION_SUV, MRI_AFFINE, MRI_SHAPE, NAME, write_pair

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

from station_browser import CHROMIUM
from viewer_browser import Server, Viewer, browser, viewer, viewing  # noqa: F401 - fixtures

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


def check_dicom(objects: list[pydicom.Dataset], fused: nib.Nifti1Image, color: nib.Nifti1Image) -> None:
    """Grey and colour objects hold the voxels of the NIfTI files, at the same places in the patient (PS3.3 C.7.6.2)."""
    grey = [instance for instance in objects if instance.SOPClassUID == MRImageStorage]
    [colored] = [
        instance for instance in objects if instance.SOPClassUID == MultiFrameTrueColorSecondaryCaptureImageStorage
    ]
    to_index = np.linalg.inv(fused.affine) @ np.diag([-1.0, -1, 1, 1])  # of a point in LPS
    stored, rgb = np.asarray(fused.dataobj), np.asarray(color.dataobj)
    seen = set()
    planes = [
        (
            slice_.ImagePositionPatient,
            slice_.ImageOrientationPatient,
            slice_.PixelSpacing,
            slice_.pixel_array / 4095,
            stored,
        )
        for slice_ in grey
    ]
    shared = colored.SharedFunctionalGroupsSequence[0]
    for place, frame in zip(colored.PerFrameFunctionalGroupsSequence, colored.pixel_array):
        position = place.PlanePositionSequence[0].ImagePositionPatient
        directions = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        planes.append((position, directions, shared.PixelMeasuresSequence[0].PixelSpacing, frame, rgb))
    for position, directions, spacing, pixels, voxels in planes:
        across, down = np.reshape(directions, (2, 3)).astype(float)
        rows, columns = np.indices(pixels.shape[:2])
        point = np.array(position, dtype=float) + columns[..., None] * float(spacing[1]) * across
        point = point + rows[..., None] * float(spacing[0]) * down
        index = point @ to_index[:3, :3].T + to_index[:3, 3]
        assert np.abs(index - index.round()).max() < 1e-3
        i, j, k = np.moveaxis(index.round().astype(int), -1, 0)
        there = voxels[i, j, k]
        if voxels is rgb:
            assert np.array_equal(pixels, np.stack([there[name] for name in "RGB"], axis=-1))
        else:
            assert np.abs(pixels - there).max() <= 0.5 / 4095 + 1e-6
        seen.add((voxels is rgb, int(k[0, 0])))
    assert seen == {(kind, k) for kind in (False, True) for k in range(MRI_SHAPE[2])}
    assert {str(instance.PatientName) for instance in objects} == {NAME}


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
    color = nib.load(viewer.keep("fused_color.nii.gz", tmp_path))
    assert fused.shape == color.shape == MRI_SHAPE
    with zipfile.ZipFile(viewer.keep("fused_dicom.zip", tmp_path)) as archive:
        assert archive.testzip() is None
        names = [name for name in archive.namelist() if name.endswith(".dcm")]
        check_dicom([pydicom.dcmread(BytesIO(archive.read(name))) for name in names], fused, color)
    assert json.loads(viewer.keep("report.json", tmp_path).read_text())["notice"]
    assert Image.open(viewer.keep("scroll.png", tmp_path)).n_frames == MRI_SHAPE[2]
    assert Image.open(viewer.keep("contact_sheet.png", tmp_path)).width > 500

    session_file = viewer.keep("view.session.json", tmp_path)
    viewer.page.keyboard.press("Escape")
    viewer.get("downloads").wait_for(state="hidden")
    box = viewer.get("panes").bounding_box()
    with viewer.page.expect_download() as download:
        viewer.press("s")
    assert Image.open(download.value.path()).size == (round(box["width"]), round(box["height"]) + 24)  # and the notice
    kept = viewer.canvas("axial-fused").copy()
    viewer.button("another").click()
    viewer.button("demo").wait_for()
    viewer.page.locator('input[type="file"]').set_input_files(str(session_file))
    viewer.wait_open()
    viewer.get("measures").get_by_text("SUVbw g/ml").wait_for()
    viewer.wait_slice("axial-fused", round(index[2]))
    viewer.still("axial-fused")
    assert np.array_equal(viewer.canvas("axial-fused"), kept)


def test_another_window_fuses_again(viewer: Viewer) -> None:
    viewer.open_study("one")
    viewer.still("axial-fused")
    before = viewer.canvas("axial-fused").copy()
    field = viewer.page.locator('[data-bind="mri-high"]')
    field.fill("420")
    field.press("Enter")
    with viewer.page.expect_response(re.compile("/vol/")):
        viewer.page.locator('[data-action="refuse"]').click()
    viewer.get("pane-axial-fused").wait_for()
    viewer.wait_loaded()
    deadline = time.monotonic() + 60
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
    for tab in tabs.values():
        assert tab.hosts >= {"127.0.0.1"}
        assert tab.outside == set()
    one.context.close()
    deadline = time.monotonic() + SECONDS_OF_A_CLOSED_TAB + 30
    while server.status(mine) != 404:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert server.status(other) == 200  # the other tab is still there
    two.page.keyboard.press("Escape")
    two.button("another").click()
    two.button("demo").wait_for()
    assert {server.status(url.removeprefix(server.address)) for url in two.volumes} == {404}  # taken back at once
    two.context.close()


def bad_files(folder: Path) -> dict[Path, str]:
    """Files that are refused as they come, and what the page says of each."""
    large = folder / f"{NAME}_large.dcm"
    with large.open("wb") as file:
        file.truncate(2 << 30)
    files = {large: "1.0GB or smaller"}
    for kind in ("encrypted", "a path that leads out", "a bomb", "cut short"):
        make, says = BAD_ZIPS[kind]
        path = folder / f"{NAME}_{kind}.zip"
        path.write_bytes(make().getvalue())
        files[path] = says
    corrupt = folder / f"{NAME}_corrupt.dcm"
    corrupt.write_bytes(bytes(128) + b"DICM" + bytes(range(256)) * 20)
    return {**files, corrupt: "damaged"}


def test_bad_files_are_refused_in_a_sentence(viewer: Viewer, server: Server, tmp_path: Path) -> None:
    before = server.files()
    for file, says in bad_files(tmp_path).items():
        viewer.upload(file)
        assert says in viewer.refused()
        assert server.status("/_stcore/health") == 200
        assert server.files() <= before
        viewer.page.reload()
        viewer.button("demo").wait_for()


def test_images_of_which_no_pair_can_be_made(viewer: Viewer, server: Server, tmp_path: Path) -> None:
    """The sentence names the trouble and no folder of the server; the page goes on, and forgets what was uploaded."""
    before = server.files()
    pairs = {
        "header": (without_pixels, "pair 0 mri", "pair 0 pet", "without pixels"),
        "dynamic": (no_volume, "pair 0 mri", "NM", "NM DYNAMIC is no volume"),
        "two": (two_mri, "pair 0 mri", "another MRI", "its modality is MR, not PT or NM"),
    }
    for name, (make, mri, functional, says) in pairs.items():
        path = tmp_path / f"{NAME}_{name}.zip"
        path.write_bytes(make(tmp_path / name))
        viewer.upload(path)
        viewer.choose("mri", mri)
        viewer.choose("functional", functional)
        viewer.button("fuse").click()
        if make is two_mri:  # may be meant, a perfusion map for example: shown, and told
            viewer.wait_open()
            assert says in viewer.get("banner").inner_text()
            viewer.button("another").click()
        else:
            told = viewer.refused()
            assert says in told
            assert str(server.temporary) not in told
            viewer.button("forget").click()
        viewer.button("demo").wait_for()
        viewer.page.locator("table.plain").wait_for(state="hidden")
        deadline = time.monotonic() + 60
        while not server.files() <= before:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert server.status("/_stcore/health") == 200


def test_the_server_takes_no_two_gigabytes(viewer: Viewer, server: Server, tmp_path: Path) -> None:
    """The page refuses them already; so does the server, whoever asks: before a byte of them is read."""
    small = tmp_path / "a.txt"
    small.write_text("no image")
    with viewer.page.expect_request(lambda request: request.method == "PUT") as sent:
        viewer.upload(small)
    viewer.refused()
    headers = {**sent.value.all_headers(), "content-length": str(2 << 30)}
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=30)
    connection.putrequest("PUT", urlsplit(sent.value.url).path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


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
