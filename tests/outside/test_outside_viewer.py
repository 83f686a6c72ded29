"""What the viewer takes in: session files, boxes, what a browser says, names of uploads."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import head, save_nifti
from payloads import (
    PAYLOADS,
    TEXTS,
    folder,  # noqa: F401 - fixtures
    refusal,
)

from monai_fusion.errors import InputError
from monai_fusion.workflow import fuse

SESSION: dict[str, Any] = {
    "monai_fusion_view": 1,
    "images": {
        "mri": {"series": None, "name": "mri.nii", "sha256": "0" * 64},
        "functional": {"series": "1.2", "name": "functional", "sha256": "0" * 64},
    },
    "place": {"kind": "folder", "folder": "study"},
    "nudge": {"right": 1.0},
    "registered": np.eye(4).tolist(),
    "restart": False,
    "accept": False,
    "corrections": {"patient_weight": 70.0, "injected_dose": 370.0, "injection_time": "120000"},
    "windows": {"mri": [0.0, 600.0], "functional": [0.0, 9.0]},
    "state": {
        "crosshair": [1.0, 2.0, 3.0],
        "windows": {"mri": [0, 600], "functional": [0, 9]},
        "palette": "hot_iron",
        "layout": {"plane": "axial", "large": "mip", "pairs": {"swipe": ["mri", "alpha"]}, "center": [0.0, 0.0, 0.0]},
        "rois": [{"id": "R1", "kind": "sphere", "center": [0, 0, 0], "radius": 9.0, "plane": "axial"}],
        "distances": [{"id": "D1", "from": [0, 0, 0], "to": [1, 1, 1], "plane": "axial"}],
    },
}


def places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value stands in nested dictionaries and lists: all of them, dictionaries and lists too."""
    yield place
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        yield from places(value, (*place, key))


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copied = copy.deepcopy(content)
    inner = copied
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copied


def test_session_files(folder: Path) -> None:
    """Every value is replaced by each payload, and each payload becomes a key of each dictionary: nearly all is refused
    by the name of what is wrong; what may be any text finds no image."""
    from monai_fusion.viewer import actions
    from monai_fusion.viewer.private_folder import PrivateFolder
    from monai_fusion.viewer.service import Options, Service
    from monai_fusion.viewer.session_file import read_session_file

    (folder / "data" / "study").mkdir(parents=True)
    save_nifti(folder / "data" / "study" / "mri.nii", head((20, 24, 6))[0])
    service = Service(Options(data_folder=folder / "data"), PrivateFolder(folder))
    session = service.session("a tab")
    assert read_session_file(json.dumps(SESSION).encode())
    taken = set()
    try:
        for place in places(SESSION):
            files = [(place, payload) for payload in PAYLOADS]
            inner = SESSION
            for key in place:
                inner = inner[key]
            if isinstance(inner, dict):
                files += [((*place, text), 0) for text in (*TEXTS, "_target_", "__proto__")]
            for where, value in files:
                content = json.dumps(changed(SESSION, where, value)).encode()
                if refused := refusal(lambda content=content: read_session_file(content)):
                    assert len(where) < 2 or str(where[0]) in refused
                    continue
                taken.add(".".join(map(str, where)))
                actions.open_session_file(session, service, read_session_file(content))
                assert session.job is not None
                assert session.job.wait(60)
                session.settle()
                assert session.error
    finally:
        service.close()
    names = {f"images.{role}.{what}" for role in ("mri", "functional") for what in ("series", "name")}
    assert taken == {*names, "place.folder"}


def test_boxes_of_the_viewer() -> None:
    from monai_fusion.viewer.corrections import CORRECTIONS, check_corrections

    for name in (*CORRECTIONS, "_target_", *TEXTS):
        for text in TEXTS:
            with pytest.raises(InputError):
                check_corrections({name: text})


def test_what_a_browser_says() -> None:
    """Its state is taken key by key, its request whole: what is none is nothing."""
    from monai_fusion.viewer.page_state import PageState, read_page_state, read_request

    for payload in PAYLOADS:
        assert read_page_state(dict.fromkeys(PageState.model_fields, payload)) == dict.fromkeys(PageState.model_fields)
        for request in (payload, {"type": payload}, {"type": "refuse_window", "windows": {"mri": payload}}):
            assert read_request(request) is None
    for place in places(SESSION["state"]):
        for payload in PAYLOADS if place else ():
            said = changed(SESSION["state"], place, payload)
            known = read_page_state(said)
            assert known.pop(place[0]) is None
            assert known == {name: value for name, value in SESSION["state"].items() if name != place[0]}


def test_regions_larger_than_a_patient() -> None:
    """Measuring them would keep the server busy for hours."""
    from monai_fusion.viewer.page_state import read_page_state

    def rois(count: int, radius: float) -> list[dict[str, Any]]:
        region = {"kind": "sphere", "center": [0.0, 0.0, 0.0], "radius": radius}
        return [{"id": f"R{i}", **region} for i in range(count)]

    for count, radius in ((1000, 60.0), (1, 500.0)):  # 905 l, 524 l
        assert read_page_state({"rois": rois(count, radius)})["rois"] == rois(count, radius)
    for count, radius in ((1001, 1.0), (1, 501.0), (2, 500.0), (1000, 62.1)):
        assert read_page_state({"rois": rois(count, radius)})["rois"] is None


@pytest.mark.parametrize("text", TEXTS)
def test_names_of_uploads(text: str, folder: Path) -> None:
    from monai_fusion.viewer.images import find_images
    from monai_fusion.viewer.uploads import save_uploads

    content = save_nifti(folder / "mri.nii", head((20, 24, 6))[0]).read_bytes()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(f"{text}/{text}.nii", content)
    (folder / "upload").mkdir()
    save_uploads([(f"{text}.nii", io.BytesIO(content)), (f"{text}.zip", zipped)], folder / "upload")
    images = find_images(folder / "upload")
    assert [image.description for image in images] == [f"{text}.nii"] * 2
    assert fuse(images[0].path, images[1].path).fused.shape == (20, 24, 6)
