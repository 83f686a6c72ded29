from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_fusion.errors import InputError
from monai_fusion.networks import FusionStudent, FusionTeacher, load_checkpoint

PUBLISHED_STUDENT = {"hidden": "conv1.1", "output": "conv2.1"}
PUBLISHED_TEACHER = {
    "encoder1": "conv1.1",
    "encoder2": "conv2.1",
    "encoder3": "conv3.1",
    "encoder4": "conv4.1",
    "encoder5": "conv5.1",
    "encoder6": "conv6.1",
    "decoder6": "conv66.1",
    "decoder5": "conv55.1",
    "decoder4": "conv44.1",
    "decoder3": "conv33.1",
    "decoder2": "conv22.1",
    "decoder1": "conv11.1",
    "output": "conv00.1",
}


def published(network: nn.Module, names: dict[str, str]) -> dict[str, torch.Tensor]:
    """The network's weights under the published program's keys."""
    return {".".join([names[(parts := k.split("."))[0]], parts[1]]): v for k, v in network.state_dict().items()}


@pytest.mark.parametrize(("network", "names"), [(FusionStudent, PUBLISHED_STUDENT), (FusionTeacher, PUBLISHED_TEACHER)])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s}, lambda s: {"state_dict": s}])
def test_published_layout_and_ours(
    network: Callable[[], nn.Module], names: dict[str, str], wrap: Callable[[dict], dict], tmp_path: Path
) -> None:
    source, x = network().eval(), torch.rand(1, 2, 8, 8)
    for state in (source.state_dict(), published(source, names)):
        torch.save(wrap(state), tmp_path / "weights.pt")
        torch.testing.assert_close(load_checkpoint(network(), tmp_path / "weights.pt")(x), source(x))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: s.update({"conv3.1.weight": torch.zeros(1)}), "'conv3.1.weight' is none of FusionStudent's"),
        (lambda s: s.update({"conv2.1.weight": torch.zeros(1, 6, 3, 3)}), r"'conv2.1.weight' has shape \(1, 6, 3, 3\)"),
        (lambda s: s.pop("conv2.1.bias"), "'output.bias' of FusionStudent is missing"),
        (lambda s: s["conv1.1.bias"].fill_(torch.nan), "'conv1.1.bias' holds NaN"),
    ],
)
def test_names_the_first_key_that_does_not_fit(change: Callable[[dict], None], named: str, tmp_path: Path) -> None:
    state = published(FusionStudent(), PUBLISHED_STUDENT)
    change(state)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=named):
        load_checkpoint(FusionStudent(), tmp_path / "weights.pt")


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_runs_no_code_from_a_checkpoint(tmp_path: Path) -> None:
    torch.save(Malicious(tmp_path / "touched"), tmp_path / "weights.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Malicious(tmp_path / "touched")))
    for name in ("weights.pt", "plain.pt"):
        with pytest.raises(InputError, match="read safely"):
            load_checkpoint(FusionStudent(), tmp_path / name)
    assert not (tmp_path / "touched").exists()
