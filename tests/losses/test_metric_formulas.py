"""The loss's formulas against `monai_fusion.metrics`, which is tested against the published program."""

import pytest
import torch

from monai_fusion.losses.metric_formulas import METRIC_FORMULAS
from monai_fusion.metrics import measure_all


@pytest.fixture(scope="module")
def sources():
    """Two smooth random images on black, as head and uptake are, grey levels of 0 to 255."""
    noise = torch.rand(3, 2, 80, 72, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    smooth = (smooth - 0.3).clamp(0, 0.4) / 0.4
    smooth[..., :20, :] = 0
    return (smooth * 255).round()


@pytest.mark.parametrize("name", METRIC_FORMULAS)
def test_equals_the_metric(sources, name):
    a, b = sources[:, :1], sources[:, 1:]
    for fused in (0.6 * a + 0.5 * b, torch.maximum(a, b), 255 - a):
        expected = measure_all(fused, a, b, [name])[name]
        assert METRIC_FORMULAS[name](fused, sources) == pytest.approx(expected.numpy(), abs=0.002)


@pytest.mark.parametrize("name", METRIC_FORMULAS)
@pytest.mark.parametrize(("first", "second", "level"), [(0, 0, 0), (0, 1, 0), (1, 0, 100), (1, 1, 0)])
def test_flat_images_have_finite_gradients(sources, name, first, second, level):
    flat_here = sources * torch.tensor([first, second])[:, None, None]
    fused = torch.full_like(sources[:, :1], level).requires_grad_()
    value = METRIC_FORMULAS[name](fused, flat_here)
    value.sum().backward()
    assert value.isfinite().all()
    assert fused.grad.isfinite().all()


@pytest.mark.parametrize("name", METRIC_FORMULAS)
def test_gradient_is_the_slope(sources, name):
    generator = torch.Generator().manual_seed(1)
    direction = torch.rand(3, 1, 80, 72, generator=generator, dtype=torch.float64) - 0.5
    sources = sources.double()
    fused = sources.mean(dim=1, keepdim=True) + torch.rand(3, 1, 80, 72, generator=generator, dtype=torch.float64)
    fused.requires_grad_()
    formula = METRIC_FORMULAS[name]
    (gradient,) = torch.autograd.grad(formula(fused, sources).sum(), fused)
    step = 1e-4
    with torch.no_grad():
        rise = formula(fused + step * direction, sources).sum() - formula(fused - step * direction, sources).sum()
    assert (gradient * direction).sum().item() == pytest.approx(rise.item() / (2 * step), rel=1e-3, abs=1e-7)


def test_a_black_pair():
    black = torch.zeros(1, 2, 48, 48)
    values = {name: formula(black[:, :1], black).item() for name, formula in METRIC_FORMULAS.items()}
    assert values == pytest.approx({"SD": 0, "SCD": 0, "VIF": 2, "Qabf": 0, "SSIM": 2, "CC": 0}, abs=0.0011)
