"""The weights that are shipped."""

import json

import pytest
import torch

from monai_fusion.evaluation.methods import open_methods
from monai_fusion.inferers.fusion import FusionInferer

STUDENTS = ("model", "model_paper", "model_metrics")


@pytest.fixture(scope="module")
def methods(bundle):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert {"model", *metadata["models"]} == {path.stem for path in (bundle / "models").glob("*.pt")}
    opened = open_methods(
        [*STUDENTS, "teacher"], bundle, metadata, FusionInferer(backend="module"), torch.device("cpu"), rivals=False
    )
    return {method.name: method for method in opened}


@pytest.mark.parametrize("name", STUDENTS)
def test_the_papers_architecture(methods, name):
    assert methods[name].facts["parameters"] == 113
    assert methods["teacher"].facts["parameters"] == 556489


@pytest.mark.parametrize("name", ["model", "model_metrics"])
def test_black_stays_black(methods, name):
    black = torch.zeros(1, 1, 32, 32)
    assert methods[name].fuse(black, black).abs().max() < 1 / 255


@pytest.mark.parametrize("name", [*STUDENTS, "teacher"])
def test_brighter_where_either_source_is(methods, name):
    dark, bright = torch.full((1, 1, 32, 32), 0.1), torch.full((1, 1, 32, 32), 0.6)
    fuse = methods[name].fuse
    both = fuse(dark, dark).mean()
    assert fuse(bright, dark).mean() > both + 0.1
    assert fuse(dark, bright).mean() > both + 0.1
