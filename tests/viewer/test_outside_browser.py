"""Text from outside, and pages from outside, in the whole viewer: nothing of it is run, and it is shown as it is."""

from __future__ import annotations

import http.client
import json
import socket
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pydicom
import pytest
from bad_uploads import zipped
from viewer_pair import write_pair

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

from station_browser import CHROMIUM
from viewer_browser import Server, Viewer, browser, viewer, viewing  # noqa: F401 - fixtures

if not CHROMIUM.is_file():
    pytest.skip(f"no browser at {CHROMIUM}", allow_module_level=True)

#: What Streamlit takes for a link, a picture, bold, colour, an icon, a formula and an emoji; and what a browser runs.
MARKUP = (
    "[a](http://x.y) ![b](http://x.y/z.png) **c** :red[d] :material/delete: $e^2$ :smile: <img src=x onerror=alert(1)>"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("viewer")
    write_pair(folder / "data" / "one")
    (folder / "data" / "<b>two<*b*>").mkdir()
    with viewing(folder, "--data-folder", str(folder / "data")) as running:
        yield running
        assert running.process.poll() is None


@pytest.fixture
def proof(tmp_path: Path) -> Iterator[Path]:
    """The file that text would make if it were run."""
    path = tmp_path / "PROOF"
    yield path
    assert not path.exists()


def evil_study(folder: Path, uid: str, description: str) -> Path:
    """A zip with a pair whose MRI has this SeriesInstanceUID and this description."""
    mri, pet = write_pair(folder)
    for file in mri.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID, dataset.SeriesDescription = uid, description
        dataset.save_as(file)
    path = folder / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in (*mri.iterdir(), *pet.iterdir()):
            archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_headers_of_an_upload(viewer: Viewer, tmp_path: Path, proof: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown as text wherever it is shown, and fused like any other pair."""
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    viewer.upload(evil_study(tmp_path, f"$open({str(proof)!r},'w').write('x')and'MR'", MARKUP))
    table = viewer.page.locator("table.plain")
    table.wait_for()
    assert MARKUP in table.inner_text()
    assert viewer.page.locator(".st-key-mri").get_by_text(MARKUP).or_(viewer.page.locator(".st-key-mri input")).count()
    viewer.page.locator(".st-key-mri input").click()
    options = viewer.page.get_by_role("option")
    options.first.wait_for()
    assert f"MR · {MARKUP} · 20 slices" in options.all_inner_texts()
    viewer.page.keyboard.press("Escape")
    for made in ("a[href*='x.y']", "img[src*='x.y']", "img[src=x]", ".katex"):
        assert viewer.page.locator(made).count() == 0
    viewer.button("fuse").click()
    viewer.wait_open()
    assert not proof.exists()
    viewer.button("provenance").click()
    viewer.page.get_by_text("Weights, SHA-256").wait_for()


def test_names_of_folders(viewer: Viewer) -> None:
    viewer.page.locator("[class*=st-key-subfolder] input").click()
    viewer.page.get_by_role("option", name="<b>two<*b*>", exact=True).click()
    viewer.page.get_by_text("/<b>two<*b*>", exact=True).wait_for()


CORRECTIONS: list[dict[str, Any]] = [
    {"injection_time": "$open({proof!r},'w').write('x')"},
    {"patient_weight": {"_target_": "subprocess.check_output", "args": ["touch", "{proof}"]}},
    {"injected_dose": "$__import__('os').system('touch {proof}')"},
    {"_target_": "os.system", "command": "touch {proof}"},
]


def test_session_files(viewer: Viewer, tmp_path: Path, proof: Path) -> None:
    """Refused by the name of the entry; the page goes on, and the next upload is taken."""
    image = {"series": None, "name": "mri", "sha256": "0" * 64}
    for corrections in CORRECTIONS:
        session = {
            "monai_fusion_view": 1,
            "images": {"mri": image, "functional": image},
            "place": {"kind": "demo"},
            "nudge": {},
            "corrections": corrections,
            "windows": {},
            "state": {},
        }
        path = tmp_path / "view.session.json"
        path.write_text(json.dumps(session).replace("{proof!r}", repr(str(proof))).replace("{proof}", str(proof)))
        viewer.upload(path)
        viewer.get("refused").filter(has_text=f"corrections.{next(iter(corrections))}").wait_for()
        assert not proof.exists()
        viewer.button("demo").wait_for()
    study = tmp_path / "study.zip"
    study.write_bytes(zipped({"a.txt": b"no image"}).getvalue())
    viewer.upload(study)
    viewer.get("refused").filter(has_text="the upload").wait_for()


def test_half_a_state(viewer: Viewer, tmp_path: Path) -> None:
    """A session file may leave out what the page has, or say null: the page then is as it is at the beginning."""
    viewer.open_study("one")
    session = json.loads(viewer.keep("view.session.json", tmp_path).read_text())
    layouts: list[dict[str, Any]] = [
        {"mode": "checkerboard", "pairs": {"swipe": ["mri", "alpha"]}},
        {"mode": "swipe", "pairs": {"swipe": None}, "zoom": None, "center": None},
        {"mode": "difference", "pairs": None, "layout": "grid", "plane": None},
    ]
    for i, layout in enumerate(layouts):
        path = tmp_path / f"{i}.session.json"
        path.write_text(json.dumps({**session, "state": {"layout": layout}}))
        viewer.page.keyboard.press("Escape")
        viewer.button("another").click()
        viewer.button("demo").wait_for()
        viewer.upload(path)
        viewer.wait_open()
        assert viewer.page.locator('[data-bind="mode"]').input_value() == layout["mode"]
        viewer.press("ArrowUp")
        viewer.drawn()


def test_boxes(viewer: Viewer, proof: Path) -> None:
    viewer.open_study("one")
    for box in ("injection_time", "patient_weight", "injected_dose"):
        viewer.button("dose").click()
        field = viewer.page.locator(f".st-key-correct-{box} input")
        field.fill(f"$open({str(proof)!r},'w').write('x')")
        viewer.page.get_by_role("button", name="Apply").click()
        viewer.get("refused").filter(has_text=box.partition("_")[2]).wait_for()
        assert "$open(" in viewer.refused()
        assert not proof.exists()
        field.fill("")
        viewer.page.keyboard.press("Escape")


def shake(address: str, origin: str | None) -> tuple[int, float]:
    """Opens Streamlit's websocket as a page of this origin would: the answer's status, and seconds until it came."""
    netloc = urlsplit(address).netloc
    lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {netloc}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    lines += [] if origin is None else [f"Origin: {origin}"]
    began = time.monotonic()
    with socket.create_connection(tuple(netloc.split(":")), timeout=60) as connection:  # type: ignore[arg-type]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = int(connection.makefile("rb").readline().split()[1])
    return status, time.monotonic() - began


def test_pages_of_other_origins(server: Server) -> None:
    """Refused at once, by websocket and by HTTP: another site, port, scheme or name, none of its own, two origins."""
    port = urlsplit(server.address).port
    foreign = ["http://evil.example", f"http://localhost:{port}", f"http://127.0.0.1:{port + 1}", "http://127.0.0.1"]
    foreign += [f"https://127.0.0.1:{port}", "null", "", f"http://127.0.0.1:{port}.evil.example", "file://"]
    for origin in foreign:
        status, seconds = shake(server.address, origin)
        assert (origin, status) == (origin, 403)
        assert seconds < 5  # Streamlit's own check asks a server outside first: 20 s where none answers
        for path in ("/_stcore/health", "/", "/vol/x", "/_stcore/upload_file/a/b"):
            assert (path, server.status(path, Origin=origin)) == (path, 403)
    twice = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    twice.putrequest("GET", "/")
    for origin in (server.address, "http://evil.example"):
        twice.putheader("Origin", origin)
    twice.endheaders()
    assert twice.getresponse().status == 403
    twice.close()
    assert shake(server.address, server.address)[0] == 101
    assert shake(server.address, None)[0] == 101
    assert shake(f"http://localhost:{port}", f"http://localhost:{port}")[0] == 101
    assert server.status("/_stcore/health", Origin=server.address) == 200
    log = server.log.read_text()
    assert "external IP" not in log
    assert "evil" not in log
