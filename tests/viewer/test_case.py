"""A pair read once: fused as by the command line, measured right, moved, and told to the browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import save_nifti
from PIL import Image
from runs import luma, save_picture, smooth
from viewer_pair import (
    BRAIN_SUV,
    LESION,
    LESION_SUV,
    MRI_AFFINE,
    new_session,
    open_pair,
    volumes,
    write_pair,
)

from monai_fusion.data.transform_file import write_itk_transform
from monai_fusion.errors import InputError
from monai_fusion.networks import load_checkpoint
from monai_fusion.networks.attribution import attribute_sources
from monai_fusion.slices import SlicePlan
from monai_fusion.transforms.color import color_table
from monai_fusion.viewer import actions
from monai_fusion.viewer.attribution import functional_share
from monai_fusion.viewer.case import Case, Choice, open_case, refuse
from monai_fusion.viewer.corrections import check_corrections
from monai_fusion.viewer.images import find_images
from monai_fusion.viewer.nudge import Nudge
from monai_fusion.viewer.provenance import provenance
from monai_fusion.viewer.scene import Scene, build_scene
from monai_fusion.viewer.session import Session
from monai_fusion.viewer.sources import Sources
from monai_fusion.workflow import fuse, open_bundle, read_pair


def nothing(fraction: float, text: str) -> None:
    """A step that goes on."""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("pair")
    return open_pair(*write_pair(folder), folder)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = new_session(tmp_path / "session")
    yield session
    session.close()


def content(session: Session, url: str) -> bytes:
    _, route, token = url.split("/", 2)
    found = session._addresses.find(route, token)
    assert found is not None
    made = found.get()[0]
    assert isinstance(made, bytes)
    return made


def volume(session: Session, scene: Scene, name: str) -> np.ndarray:
    facts = scene.data["volumes"][name]
    stored = np.frombuffer(content(session, facts["url"]), facts["dtype"]).reshape(scene.data["shape"], order="F")
    return stored * facts["slope"] + facts["intercept"]


def test_reading_once_gives_what_the_command_line_gives(tmp_path: Path) -> None:
    mri, pet = write_pair(tmp_path)
    pair = read_pair(mri, pet)
    for windows in ({}, {"functional_window": [0.0, 9.0], "mri_window": [100.0, 500.0]}, {}):
        once, whole = pair.fuse(**windows), fuse(mri, pet, **windows)
        assert np.array_equal(once.fused, whole.fused)
        assert np.array_equal(once.color, whole.color)
        differ = {key for key in whole.report if once.report[key] != whole.report[key]}
        assert differ <= {"seconds"}


def test_a_reading_can_be_called_off(tmp_path: Path) -> None:
    seen = []

    def stop(done: int, count: int) -> None:
        seen.append((done, count))
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_pair(*write_pair(tmp_path), on_step=stop)
    assert [done for done, _ in seen] == [0, 1]


def test_the_lesion_is_measured_right_to_a_percent(case: Case) -> None:
    """Against what it was made with, from the PET's own voxels; the resampled ones are blurred."""
    [roi] = actions.measured(
        case, [{"id": "R1", "kind": "sphere", "center": LESION.tolist(), "radius": 9.0, "plane": "axial"}]
    )
    numbers = roi["numbers"]
    for name in ("mean", "max", "peak"):
        assert numbers["functional"][name] == pytest.approx(LESION_SUV, rel=0.01)
    assert numbers["functional"]["unit"] == "SUVbw g/ml"
    where = np.linalg.inv(MRI_AFFINE) @ [*LESION, 1]
    assert numbers["mri"]["mean"] == pytest.approx(volumes()[0][tuple(np.rint(where[:3]).astype(int))], rel=0.05)
    other = {"id": "R2", "kind": "sphere", "center": (LESION * [-1, 1, 1]).tolist(), "radius": 9.0, "plane": "axial"}
    [mirrored] = actions.measured(case, [other, {"kind": "sphere"}])[:1]
    assert mirrored["numbers"]["functional"]["max"] == pytest.approx(BRAIN_SUV, rel=0.01)  # left is left


def test_the_scene_tells_the_volumes_as_they_are(case: Case, session: Session) -> None:
    scene = build_scene(case, session)
    data = scene.data
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["shape"] == [48, 52, 20]
    assert np.allclose(data["affine"], MRI_AFFINE)
    assert np.array_equal(volume(session, scene, "mri"), volumes()[0])
    functional = volume(session, scene, "functional")
    index = np.rint(np.linalg.inv(MRI_AFFINE) @ [*LESION, 1])[:3].astype(int)
    assert functional[tuple(index)] == pytest.approx(LESION_SUV, rel=1e-3)
    fused = volume(session, scene, "fused")
    assert np.abs(fused - case.grid.turn(case.result.fused)).max() <= 0.5 / 255 + 1e-6
    assert data["registration"]["verdict"] == "none"
    assert data["notice"] == "For research use only. Not for diagnostic use."
    assert data["names"]["functional"] == "PET"
    assert "Phantom Synthetic" in data["banner"]["patient"]
    palettes = {
        name: np.frombuffer(base64.b64decode(text), np.uint8).reshape(256, 3) for name, text in data["palettes"].items()
    }
    assert np.abs(palettes["hot_iron"] / 255 - color_table("hot_iron").numpy()).max() < 0.002
    assert np.array_equal(palettes["inverse_grey"], palettes["grey"][::-1])


def test_windows_are_in_the_images_own_unit(case: Case, session: Session) -> None:
    data = build_scene(case, session).data
    functional = data["volumes"]["functional"]
    assert functional["unit"] == "SUVbw g/ml"
    assert functional["low"] == 0
    assert functional["high"] == pytest.approx(LESION_SUV)  # more than half a percent of the head
    presets = {preset["name"]: (preset["low"], preset["high"]) for preset in data["presets"]["functional"]}
    assert presets["SUV 0 to 5"] == (0, 5)
    native = replace(case, sources=Sources(case.mri, replace(case.functional, unit="Bq/ml")))
    names = [preset["name"] for preset in build_scene(native, session).data["presets"]["functional"]]
    assert not [name for name in names if "SUV" in name]  # where there is no SUV


def test_attribution_is_the_functional_images_share(case: Case) -> None:
    share = functional_share(case.result, case.slice_axis)
    workflow = open_bundle()
    student: Any = load_checkpoint(workflow.network_def, workflow.parser.get_parsed_content("checkpoint"))
    import torch

    plan = SlicePlan.for_volume(case.result.affine, "acquisition", case.slice_axis)
    image = torch.stack([torch.from_numpy(case.result.sources[name]) for name in ("mri", "functional")])
    mri, functional = attribute_sources(student, plan.take(image, 10, 11).contiguous())[0][0].abs().numpy()
    wanted = np.divide(functional, mri + functional, out=np.zeros_like(mri), where=mri + functional > 1e-6)
    got = plan.take(torch.from_numpy(share)[None].to(torch.int16), 10, 11)[0, 0].numpy()
    assert np.abs(got / 255 - wanted).max() <= 0.5 / 255 + 1e-6


def test_a_new_window_reads_nothing_again(case: Case, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_fusion.data.reader import SourceReader

    scene = build_scene(case, session)
    monkeypatch.setattr(SourceReader, "get_data", lambda *_: pytest.fail("read again"))
    again = refuse(case, {"mri": (100.0, 500.0), "functional": (0.0, 6.0)}, nothing)
    assert again.result.report["intensity"]["functional"]["high"] == 6
    assert not np.array_equal(again.result.fused, case.result.fused)
    assert again.result.report["backend"] == "numba"
    new = build_scene(again, session, scene)
    assert new.data["id"] != scene.data["id"]
    for name, same in (("mri", True), ("functional", True), ("fused", False), ("attribution", False)):
        assert (new.data["volumes"][name]["url"] == scene.data["volumes"][name]["url"]) == same


def test_moving_by_hand(case: Case, session: Session) -> None:
    """The lesion goes where the sliders say, and everything says that it was moved."""
    moved = open_case(
        Choice(case.choice.mri, case.choice.functional, nudge=Nudge(right=8, up=-4)),
        session.folder,
        nothing,
        case.center,
    )
    center = np.add(LESION, [8, 0, -4]).tolist()
    [roi] = actions.measured(moved, [{"id": "R1", "kind": "sphere", "center": center, "radius": 9.0, "plane": "axial"}])
    assert roi["numbers"]["functional"]["mean"] == pytest.approx(LESION_SUV, rel=0.01)
    scene = build_scene(moved, session)
    assert scene.data["edited"] == ["position moved by hand"]
    assert np.allclose(
        scene.data["registration"]["matrix_lps"], [[1, 0, 0, 8], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]
    )
    before = scene.data["registration"]["before"]
    stored = np.frombuffer(content(session, before["url"]), "<u2").reshape(scene.data["shape"], order="F")
    unmoved = build_scene(case, session)
    assert np.allclose(stored * before["slope"], volume(session, unmoved, "functional"), atol=2)


def test_registering_again_from_where_it_was_moved(case: Case, session: Session) -> None:
    """The second registration begins at the nudge; an ellipsoid is no head, so its verdict is not asked for."""
    choice = replace(case.choice, nudge=Nudge(right=3), restart=True, accept=True)
    found = open_case(choice, session.folder, nothing, case.center).pair.report["registration"]
    assert np.allclose(found["begun_with"]["matrix_lps"], [[1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert found["verdict"] in ("good", "doubtful", "failed")


def test_a_reason_is_told_once(case: Case, session: Session) -> None:
    """Why the registration is doubted stands in its own line of the banner; other warnings stay."""
    choice = replace(case.choice, nudge=Nudge(pitch=90), restart=True, accept=True)
    doubted = open_case(choice, session.folder, nothing, case.center)
    found, warnings = doubted.pair.report["registration"], doubted.result.report["warnings"]
    assert found["verdict"] in ("doubtful", "failed")
    reason = found["reasons"][0]
    assert any(reason in warning for warning in warnings)
    other = "its modality is MR, not PT or NM"
    doubted = replace(
        doubted, result=replace(doubted.result, report={**doubted.result.report, "warnings": [*warnings, other]})
    )
    told = build_scene(doubted, session).data
    assert reason.lower() in told["registration"]["text"].lower()
    assert not any(reason in warning for warning in told["warnings"])
    assert told["warnings"][-1] == other
    assert len(told["warnings"]) == len(warnings)  # the one that repeats it is gone, the other came


def test_scaling_is_told(case: Case, session: Session, tmp_path: Path) -> None:
    write_itk_transform(tmp_path / "t.tfm", np.diag([1.1, 1, 1, 1]))
    pair = read_pair(case.choice.mri.path, case.choice.functional.path, functional_transform=tmp_path / "t.tfm")
    scene = build_scene(Case(case.choice, pair, case.result, Sources.of(pair)), session)
    assert "scaled by up to 1.100 by transform from a file" in scene.data["registration"]["text"]


def test_corrections_change_the_suv_and_say_so(case: Case, session: Session) -> None:
    """Twice the weight is twice the SUV."""
    session.show(case)
    actions.with_corrections(session, check_corrections({"patient_weight": "140", "injected_dose": " "}))
    assert session.job is not None
    assert session.job.wait(60)
    session.settle()
    assert session.error == ""
    corrected = session.case
    assert corrected is not None
    roi = {"id": "R1", "kind": "sphere", "center": LESION.tolist(), "radius": 9.0}
    [measured] = actions.measured(corrected, [roi])
    assert measured["numbers"]["functional"]["mean"] == pytest.approx(2 * LESION_SUV, rel=0.01)
    assert session.scene is not None
    assert session.scene.data["edited"] == ["patient weight 140.0 (edited)"]
    [report] = [entry.content for entry, _ in session.kept if entry.content.name == "report.json"]
    told = report.get()[0]
    assert isinstance(told, bytes)
    assert json.loads(told)["edited"] == session.scene.data["edited"]
    assert json.loads(told)["functional"]["suv"]["edited"] == ["patient_weight"]
    tables = provenance(corrected)
    assert tables["SUV"]["Patient weight"] == "140 kg, edited"
    assert tables["Edited by hand"] == {"patient weight 140.0 (edited)": ""}
    with pytest.raises(InputError, match="Weight heavy: give a number of kg above 0 and up to 500"):
        check_corrections({"patient_weight": "heavy"})


def test_pictures(tmp_path: Path, session: Session) -> None:
    mri = save_picture(tmp_path / "mri.png", smooth())
    pet = save_picture(tmp_path / "pet.png", smooth(1.0))
    case = open_pair(mri, pet, tmp_path)
    scene = build_scene(case, session)
    assert scene.data["picture"]
    assert scene.data["shape"] == [83, 61, 1]
    shown = volume(session, scene, "mri")[:, :, 0].T[::-1, ::-1]
    assert np.array_equal(shown, smooth())
    assert volume(session, scene, "attribution").shape == (83, 61, 1)


def test_a_picture_in_colour_is_shown_by_its_brightness_and_says_so(tmp_path: Path, session: Session) -> None:
    mri, bright = smooth(), smooth(1.0)
    red = np.stack([bright, bright // 2, bright // 4], axis=-1)
    case = open_pair(save_picture(tmp_path / "mri.png", mri), save_picture(tmp_path / "pet.png", red), tmp_path)
    scene = build_scene(case, session)
    shown = volume(session, scene, "functional")[:, :, 0].T[::-1, ::-1]
    assert np.abs(shown - 255 * luma(red)).max() < 0.01
    assert scene.data["palette"] == "grey"
    assert "in colours of its own" in scene.data["warnings"][0]
    session.show(case)
    [content] = [entry.content for entry, _ in session.kept if entry.content.name == "fused.png"]
    kept = np.asarray(Image.open(content.get()[0]))  # type: ignore[arg-type]
    assert (kept[..., 0].astype(int) - kept[..., 2]).max() > 50  # it has them


def test_images_are_found_without_voxels(tmp_path: Path) -> None:
    write_pair(tmp_path)
    save_nifti(tmp_path / "t1.nii.gz", volumes()[0], MRI_AFFINE)
    images = find_images(tmp_path)
    told = {(image.modality, image.matrix, image.spacing, image.slices, image.date) for image in images}
    assert told == {
        ("MR", "48 x 52", "3 x 3 x 4 mm", 20, "2026-01-01"),
        ("PT", "36 x 40", "4 x 4 x 4 mm", 20, "2026-01-01"),
        ("", "48 x 52", "3 x 3 x 4 mm", 20, ""),
    }
