import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.losses.metric_shortfall import MetricShortfall
from monai_fusion.metrics import RIVALS, measure_all

NAMES = ("SD", "SCD", "VIF", "Qabf", "SSIM", "CC")


@pytest.fixture(scope="module")
def sources():
    noise = torch.rand(3, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    return ((smooth - 0.3).clamp(0, 0.4) / 0.4).clamp(0, 1)


def means(fused, sources):
    values = measure_all(fused * 255, sources[:, :1] * 255, sources[:, 1:] * 255, NAMES)
    return {name: value.mean().item() for name, value in values.items()}


def test_is_the_sum_of_what_is_missing(sources):
    """Against the package's own metrics."""
    fused = 0.5 * sources[:, :1] + 0.4 * sources[:, 1:]
    mine, rival = means(fused, sources), means(RIVALS["screen"](sources[:, :1], sources[:, 1:]), sources)
    expected = sum(max(0, 1.05 - mine[name] / rival[name]) for name in NAMES)
    assert MetricShortfall("screen", 0.05)(fused, sources).item() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("rival", ["mean", "screen", "tanh_sum"])
def test_the_rival_itself_is_behind_by_the_margin_in_each(sources, rival):
    fused = RIVALS[rival](sources[:, :1], sources[:, 1:])
    assert MetricShortfall(rival, 0.02)(fused, sources).item() == pytest.approx(6 * 0.02, abs=1e-4)
    assert MetricShortfall(rival, -0.01)(fused, sources).item() == 0


def test_black_sources_cost_nothing():
    fused = torch.full((1, 1, 48, 48), 0.5, requires_grad=True)
    loss = MetricShortfall()(fused, torch.zeros(1, 2, 48, 48))
    loss.backward()
    assert fused.grad.isfinite().all()
    assert loss.item() <= 2 * 1.03 + 1e-6  # VIF and SSIM of black sources are defined


def test_weights(sources):
    """Screen is behind itself by the margin in all six: two of them count three times and half."""
    fused = RIVALS["screen"](sources[:, :1], sources[:, 1:])
    loss = MetricShortfall("screen", 0.02, {"SSIM": 3, "CC": 0.5})(fused, sources)
    assert loss.item() == pytest.approx((4 + 3.5) * 0.02, abs=1e-4)


def test_each_image_for_itself(sources):
    """Two images whose SD is 20 % above the rival's do not make up for one that has half of it."""
    fused = RIVALS["tanh_sum"](sources[:, :1], sources[:, 1:])
    uneven = fused * torch.tensor([1.2, 1.2, 0.5])[:, None, None, None]
    weights = dict.fromkeys(NAMES, 0.0) | {"SD": 1.0}
    share = fused.std(dim=(1, 2, 3))
    pooled = 1 - (1.2 * share[:2].sum() + 0.5 * share[2]).item() / share.sum().item()
    assert MetricShortfall(margin=0, weights=weights)(uneven, sources).item() == pytest.approx(max(0, pooled), abs=1e-4)
    assert MetricShortfall(margin=0, weights=weights, each=True)(uneven, sources).item() == pytest.approx(
        0.5 / 3, rel=1e-3
    )


def test_unknown_metric():
    with pytest.raises(InputError, match="weights of MI: the metrics are SD, SCD"):
        MetricShortfall(weights={"MI": 1, "CC": 2})


def test_unknown_rival():
    with pytest.raises(InputError, match="choose one of maximum, mean"):
        MetricShortfall("median")
