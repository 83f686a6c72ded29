from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.evaluation.methods import Method, find_weights, open_methods, open_network
from monai_fusion.inferers.fusion import FusionInferer
from monai_fusion.metrics import RIVALS
from monai_fusion.networks import FusionStudent, FusionTeacher


@pytest.fixture
def metadata(bundle: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle / "configs" / "metadata.json").read_text())
    content.pop("models", None)
    content["network_data_format"]["outputs"]["pred"]["calibration"] = "none"
    return content


@pytest.fixture
def root(bundle: Path, tmp_path: Path) -> Path:
    """A bundle with two models."""
    (tmp_path / "bundle" / "models").mkdir(parents=True)
    for name in ("model", "model_metrics"):
        shutil.copy(bundle / "models" / "model.pt", tmp_path / "bundle" / "models" / f"{name}.pt")
    return tmp_path / "bundle"


def first_channel(path: Path, width: int = 4) -> Path:
    """Weights of a student that gives the tanh of its first input channel."""
    weights = {key: torch.zeros_like(value) for key, value in FusionStudent(width).state_dict().items()}
    weights["hidden.weight"][0, 0, 1, 1] = weights["output.weight"][0, 0, 1, 1] = 1
    torch.save(weights, path)
    return path


def open_all(names: list[str | Path], root: Path, metadata: dict[str, Any], **options: Any) -> list[Method]:
    return open_methods(names, root, metadata, FusionInferer(), torch.device("cpu"), **options)


def test_rivals_stand_behind_in_every_table(root: Path, metadata: dict[str, Any]) -> None:
    names = [method.name for method in open_all(["screen", "model"], root, metadata)]
    assert names == ["screen", "model", *(name for name in RIVALS if name != "screen")]
    [only] = open_all(["model"], root, metadata, rivals=False)
    assert only.facts["kind"] == "FusionStudent"
    assert only.facts["parameters"] == 113
    assert len(only.facts["sha256"]) == 64


def test_channels_and_calibration_are_those_of_the_weights(
    root: Path, metadata: dict[str, Any], tmp_path: Path
) -> None:
    path = first_channel(tmp_path / "first.pt")
    a, b = torch.rand(2, 3, 1, 20, 30) * 0.9
    for order, source in ((["mri", "functional"], a), (["functional", "mri"], b)):
        metadata["network_data_format"]["inputs"]["image"]["channel_def"] = dict(zip("01", order))
        plain = open_all([path], root, metadata, rivals=False)[0]
        torch.testing.assert_close(plain.fuse(a, b), torch.tanh(source))
        undone = open_all([path], root, metadata, rivals=False, calibration="inverse_tanh")[0]
        torch.testing.assert_close(undone.fuse(a, b), source, atol=2e-6, rtol=0)


def test_calibration_of_each_model(root: Path, metadata: dict[str, Any], tmp_path: Path) -> None:
    """The bundle's own say it in the metadata, `model` as the network's output; other files are taken as they are."""
    metadata["models"] = {"model_metrics": {"calibration": "inverse_tanh"}}
    metadata["network_data_format"]["outputs"]["pred"]["calibration"] = "soft_clip"
    assert find_weights("model", root, metadata) == (root / "models" / "model.pt", "soft_clip")
    assert find_weights("model_metrics", root, metadata)[1] == "inverse_tanh"
    # the argument is for files that are not the bundle's
    assert find_weights("model", root, metadata, "inverse_tanh")[1] == "soft_clip"
    assert find_weights(root / "models" / "model_metrics.pt", root, metadata)[1] == "inverse_tanh"
    path = first_channel(tmp_path / "mine.pt")
    assert find_weights(path, root, metadata) == (path, "none")
    assert find_weights(path, root, metadata, "inverse_tanh") == (path, "inverse_tanh")


@pytest.mark.parametrize("width", [2, 4, 6])
def test_students_of_any_width_and_teachers(width: int, tmp_path: Path) -> None:
    path = first_channel(tmp_path / "student.pt", width)
    network = open_network(path)
    assert isinstance(network, FusionStudent)
    assert network.hidden.out_channels == width
    teacher = FusionTeacher()
    torch.save(teacher.state_dict(), path)
    opened = open_network(path)
    assert isinstance(opened, FusionTeacher)
    assert torch.equal(opened.output.weight, teacher.output.weight)


def test_names_of_files_that_are_called_the_same(root: Path, metadata: dict[str, Any], tmp_path: Path) -> None:
    other = first_channel(tmp_path / "model.pt")
    mine = first_channel(tmp_path / "mine.pt")
    names = [method.name for method in open_all(["model", other, mine], root, metadata, rivals=False)]
    assert names == ["model", str(other), "mine"]


def test_refuses(root: Path, metadata: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"nothing: no such method; choose model, model_metrics, maximum, .*weights file"
    ):
        open_all(["nothing"], root, metadata)
    with pytest.raises(InputError, match="no method to evaluate"):
        open_all([], root, metadata)
    with pytest.raises(InputError, match="model is named twice"):
        open_all(["model", "mean", "model"], root, metadata)
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(InputError, match=r"text\.pt: not a weights file"):
        open_all([tmp_path / "text.pt"], root, metadata)
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: its key 'other' is none of FusionStudent's"):
        open_all([tmp_path / "other.pt"], root, metadata)
