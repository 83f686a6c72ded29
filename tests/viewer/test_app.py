"""The page without a browser: Streamlit's own test runner."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_uploads import no_volume, two_mri, without_pixels
from conftest import save_nifti
from streamlit.testing.v1 import AppTest
from viewer_pair import MRI_AFFINE, NAME, PET_AFFINE, volumes, write_pair

from monai_fusion.viewer import actions, service
from monai_fusion.viewer.private_folder import PrivateFolder
from monai_fusion.viewer.serve import app_path
from monai_fusion.viewer.service import Options, Service
from monai_fusion.viewer.session import Session


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    data = tmp_path / "data"
    data.mkdir()
    running = Service(Options(data_folder=data), PrivateFolder(tmp_path))
    monkeypatch.setattr(service, "_current", running)
    yield running
    running.close()


@pytest.fixture
def app(served: Service) -> AppTest:
    return AppTest.from_file(str(app_path()), default_timeout=120).run()


def session_of(served: Service) -> Session:
    [session] = served._sessions.values()
    return session


def wait(app: AppTest, served: Service) -> AppTest:
    """Until the job has ended, and the page has taken over what it gave."""
    job = session_of(served).job
    assert job is not None
    assert job.wait(120)
    app = app.run()
    assert not app.exception
    return app


def upload(app: AppTest, served: Service, **files: bytes) -> AppTest:
    actions.open_uploads(session_of(served), [(name.replace("_", "."), io.BytesIO(c)) for name, c in files.items()])
    return wait(app, served)


def buttons(app: AppTest) -> list[str | None]:
    return [button.key for button in app.button]


def told(app: AppTest) -> str:
    """What the page refuses, as text."""
    return html.unescape(" ".join(re.findall(r'data-testid="refused">(.*?)</p>', shown(app))))


def shown(app: AppTest) -> str:
    """All HTML of the page."""
    return " ".join(element.proto.body for element in app.get("html"))


def test_browse_choose_fuse_move_and_open_another(app: AppTest, served: Service) -> None:
    write_pair(served.options.data_folder / "study")  # type: ignore[operator]
    assert not app.exception
    assert "For research use only" in app.caption[0].value
    app.run()
    app.selectbox(key="subfolder-0").set_value("study").run()
    app.selectbox(key="subfolder-1").set_value("..").run()
    app.selectbox(key="subfolder-2").set_value("study").run()
    app = wait(app.button(key="list").click().run(), served)
    assert [str(image.modality) for image in session_of(served).images] == ["MR", "PT"]
    assert (app.selectbox(key="mri").value, app.selectbox(key="functional").value) == (0, 1)
    app = wait(app.button(key="fuse").click().run(), served)
    case = session_of(served).case
    assert case is not None
    assert "another" in buttons(app)
    assert "Not moved" in shown(app)
    app.slider(key="nudge-right").set_value(4.0)
    [move] = [button for button in app.button if button.label == "Move and fuse again"]
    app = wait(move.click().run(), served)
    moved = session_of(served).case
    assert moved is not None
    assert moved.functional.affine[0, 3] == pytest.approx(case.functional.affine[0, 3] + 4)
    [compute] = [button for button in app.button if button.key == "metrics"]
    app = compute.click().run()
    assert not app.exception
    assert ">SSIM</td>" in shown(app)
    app = app.button(key="another").click().run()
    session = session_of(served)
    assert session.case is None
    assert list(session.folder.iterdir()) == []
    assert "demo" in buttons(app)


def test_a_job_can_be_called_off(app: AppTest, served: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    go_on = threading.Event()
    session = session_of(served)

    def work(step: object) -> object:
        assert callable(step)
        step(0.3, "Reading the MRI")
        go_on.wait(30)
        step(0.6, "Fusing")
        return lambda: pytest.fail("its result was used")

    session.begin(work)  # type: ignore[arg-type]
    job = session.job
    app = app.run()
    assert "cancel" in buttons(app)
    app.button(key="cancel").click().run()
    go_on.set()
    app = app.run()
    assert job is not None
    assert not job.running
    assert session.job is None
    assert "demo" in buttons(app)


@pytest.mark.parametrize(
    ("make", "says"),
    [(without_pixels, "without pixels"), (no_volume, "NM DYNAMIC is no volume")],
    ids=["no pixels", "NM that is no volume"],
)
def test_what_cannot_be_fused(make: object, says: str, app: AppTest, served: Service, tmp_path: Path) -> None:
    assert callable(make)
    app = upload(app, served, study_zip=make(tmp_path))
    modalities = [image.modality for image in session_of(served).images]
    app.selectbox(key="mri").set_value(modalities.index("MR"))
    app.selectbox(key="functional").set_value(modalities.index("NM" if make is no_volume else "PT"))
    app = wait(app.run().button(key="fuse").click().run(), served)
    assert says in told(app)
    assert str(served.folder.path) not in told(app)
    app = app.button(key="forget").click().run()
    assert not [path for path in session_of(served).folder.rglob("*") if path.is_file()]
    assert told(app) == ""


def test_two_mri_are_warned_about(app: AppTest, served: Service, tmp_path: Path) -> None:
    app = upload(app, served, study_zip=two_mri(tmp_path))
    assert app.button(key="fuse").disabled  # which of the two is which cannot be guessed
    app.selectbox(key="mri").set_value(0)
    app.selectbox(key="functional").set_value(1)
    app = wait(app.run().button(key="fuse").click().run(), served)
    scene = session_of(served).scene
    assert scene is not None
    assert any("its modality is MR, not PT or NM" in warning for warning in scene.data["warnings"])


def test_the_same_image_twice(app: AppTest, served: Service, tmp_path: Path) -> None:
    mri = save_nifti(tmp_path / "a.nii", volumes()[0], MRI_AFFINE)
    app = upload(app, served, a_nii=mri.read_bytes())
    app.selectbox(key="mri").set_value(0)
    app.selectbox(key="functional").set_value(0)
    app = app.run().button(key="fuse").click().run()
    assert "are the same; choose two images" in told(app)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a_dcm", bytes(200), "not a DICOM file"),
        ("a_nii", b"\x5c\x01\x00\x00" + bytes(400), "not a readable NIfTI file"),
        ("a_png", b"\x89PNG\r\n\x1a\n" + bytes(20), "not a readable picture"),
        ("a_txt", b"hello", "the upload: none of its 1 files is DICOM"),
        ("a_zip", b"PK\x05\x06" + bytes(18), "there is no image in it"),
    ],
)
def test_corrupt_files(app: AppTest, served: Service, name: str, content: bytes, says: str) -> None:
    app = upload(app, served, **{name: content})
    assert says in told(app)
    assert list(session_of(served).folder.iterdir()) == []


def test_what_goes_wrong_is_logged_without_its_text(
    app: AppTest, served: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a job, in the page and in a callback."""

    def fail(*_: object) -> None:
        raise ValueError(f"PatientName {NAME}")

    session = session_of(served)
    session.begin(fail)  # type: ignore[arg-type]
    app = wait(app, served)
    assert "Something went wrong (ValueError at test_app.py:" in told(app)
    (served.options.data_folder / "sub").mkdir()  # type: ignore[operator]
    app = app.run()
    monkeypatch.setattr(actions, "open_folder", fail)
    app = app.button(key="list").click().run()
    assert "Something went wrong (ValueError at test_app.py:" in told(app)
    assert not app.exception
    assert NAME not in told(app)
    assert NAME not in caplog.text
    assert caplog.text.count("ValueError at test_app.py:") == 2


def test_paths_of_the_command_line_open_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    mri, pet = (
        save_nifti(tmp_path / f"{name}.nii.gz", volume, affine)
        for name, volume, affine in zip(("t1", "uptake"), volumes(), (MRI_AFFINE, PET_AFFINE))
    )
    served = Service(Options(mri, pet), PrivateFolder(tmp_path))
    request.addfinalizer(served.close)  # also after a failure: it has the temporary folder of this process
    monkeypatch.setattr(service, "_current", served)
    app = AppTest.from_file(str(app_path()), default_timeout=120).run()
    app = wait(app, served)
    case = session_of(served).case
    assert case is not None
    assert case.choice.functional.path == pet
