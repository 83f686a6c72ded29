from __future__ import annotations

import inspect
import sys

import pytest
import torch
from fusion_pairs import fused_pairs
from monai.bundle import ConfigParser
from monai.bundle.config_item import ComponentLocator
from monai.data import DataLoader, Dataset

import monai_fusion.metrics as metrics
from monai_fusion.errors import InputError
from monai_fusion.metrics import FusionMetric
from monai_fusion.metrics.protocol import clip_to_8bit, stretch_to_8bit

CLASSES = {
    "FusionSD": metrics.compute_sd,
    "FusionSCD": metrics.compute_scd,
    "FusionVIF": metrics.compute_vif,
    "FusionQabf": metrics.compute_qabf,
    "FusionSSIM": metrics.compute_ssim,
    "FusionCC": metrics.compute_cc,
    "FusionGMSD": metrics.compute_gmsd,
    "FusionEntropy": metrics.compute_entropy,
    "FusionMutualInformation": metrics.compute_mutual_information,
    "FusionSpatialFrequency": metrics.compute_spatial_frequency,
    "FusionAverageGradient": metrics.compute_average_gradient,
    "FusionFalseStructure": metrics.compute_false_structure,
}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    fused, a, b = fused_pairs()
    return fused, torch.cat([a, b], dim=1)


@pytest.mark.parametrize("name", CLASSES)
def test_accumulates_what_the_function_gives(name: str) -> None:
    fused, sources = batch()
    expected = CLASSES[name](fused, sources[:, :1], sources[:, 1:])
    metric: FusionMetric = getattr(metrics, name)()
    assert torch.equal(metric(fused[:2], sources[:2]), expected[:2, None])
    assert torch.equal(metric(list(fused[2:]), list(sources[2:])), expected[2:, None])
    assert torch.equal(metric.get_buffer(), expected[:, None])
    assert metric.aggregate().item() == pytest.approx(expected.mean().item())
    torch.testing.assert_close(metric.aggregate("none"), expected[:, None])
    metric.reset()
    metric(fused[:1], sources[:1])
    assert metric.aggregate().item() == pytest.approx(expected[0].item())


def test_every_class_is_tested() -> None:
    public = {name: getattr(metrics, name) for name in metrics.__all__}
    classes = {n for n, part in public.items() if inspect.isclass(part) and issubclass(part, metrics.FusionMetric)}
    assert classes == {*CLASSES, "FusionMetric"}


def test_torchs_threads_are_as_before() -> None:
    fused, _ = batch()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        metrics.compute_sd(fused, fused, fused)
        with pytest.raises(TypeError):
            metrics.compute_ssim(fused, fused, fused, data_range="wide")  # type: ignore[arg-type]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_protocols() -> None:
    fused, sources = batch()
    fused, sources = fused / 255 * 1.2 - 0.1, sources / 255
    grey = (sources * 255).round()
    for protocol, shown in (("product", clip_to_8bit(fused)), ("paper", stretch_to_8bit(fused))):
        expected = metrics.compute_ssim(shown, grey[:, :1], grey[:, 1:])
        assert torch.equal(metrics.FusionSSIM(protocol=protocol)(fused, sources), expected[:, None])
    with pytest.raises(InputError, match="choose one of none, paper, product"):
        metrics.FusionSD(protocol="best")


@pytest.mark.parametrize("channels", [1, 3])
def test_refuses_sources_that_are_not_two(channels: int) -> None:
    fused, sources = batch()
    with pytest.raises(InputError, match="FusionVIF: y_pred"):
        metrics.FusionVIF()(fused, sources[:, :1].expand(-1, channels, -1, -1))


def test_no_name_is_one_of_monais() -> None:
    """ComponentLocator finds classes and functions by name in all modules whose names begin with monai."""
    locator = ComponentLocator()
    modules = [module for name, module in sys.modules.items() if name.startswith("monai_fusion.metrics")]
    for module in modules:
        for name, member in inspect.getmembers(module, lambda m: inspect.isclass(m) or inspect.isfunction(m)):
            if member.__module__ == module.__name__:
                assert locator.get_component_module_name(name) == module.__name__


def test_in_a_bundle() -> None:
    """As key metric of an evaluator made from a configuration, on a network's [0, 1]."""
    _, sources = batch()
    sources = (sources / 255).float()
    config = {
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "cpu",
            "val_data_loader": "@loader",
            "network": "$lambda x: x.mean(dim=1, keepdim=True)",
            "prepare_batch": "$lambda data, *args, **kwargs: (data['image'], None)",
            "key_val_metric": {"SSIM": metric_handler("FusionSSIM", data_range=2)},
            "additional_metrics": {"VIF": metric_handler("FusionVIF")},
        }
    }
    parser = ConfigParser(config)
    parser["loader"] = DataLoader(Dataset([{"image": image} for image in sources]), batch_size=2)
    evaluator = parser.get_parsed_content("evaluator")
    evaluator.run()
    grey = (sources * 255).round()
    fused = (sources.mean(dim=1, keepdim=True) * 255).round()
    expected = metrics.compute_ssim(fused, grey[:, :1], grey[:, 1:], data_range=2)
    assert evaluator.state.best_metric == pytest.approx(expected.mean().item())
    assert evaluator.state.metric_details["VIF"].shape == (3, 1)


def metric_handler(name: str, **options: object) -> dict[str, object]:
    return {
        "_target_": "IgniteMetricHandler",
        "metric_fn": {"_target_": f"monai_fusion.metrics.{name}", "protocol": "product", **options},
        "output_transform": "$monai.handlers.from_engine(['pred', 'image'])",
    }
