"""Every term against plain NumPy and SciPy, written out from the paper's formulas."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from monai_fusion.losses import ComprehensiveLoss, FusionPerceptualLoss, GradientLoss, IntensityLoss
from monai_fusion.losses.gradient import PUBLISHED_KERNEL


@pytest.fixture(scope="module")
def images():
    """Fused image and two sources, ``(3, 1, 24, 20)``."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(3, 1, 24, 20, generator=generator) for _ in range(3))


def test_intensity_by_hand():
    fused = torch.tensor([[[[0.5, 0.5]]]])
    a, b = torch.tensor([[[[0.25, 0.75]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert IntensityLoss()(fused, a, b).item() == (0.5 + 0.25) / 2


@pytest.mark.parametrize("kernel", [PUBLISHED_KERNEL, ((0, 0, 0), (-1, 0, 1), (0, 0, 0))])
def test_gradient_against_scipy(images, kernel):
    fused, a, b = images
    expected = []
    for f, s, t in zip(fused.numpy(), a.numpy(), b.numpy()):
        gradients = [correlate(x[0].astype(float), np.array(kernel), mode="constant") for x in (f, np.maximum(s, t))]
        expected.append(((gradients[0] - gradients[1]) ** 2).sum() / f.size)
    assert GradientLoss(kernel)(fused, a, b).item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_perceptual_is_the_formula(images, random_vgg):
    fused, a, b = images
    expected = 0.0
    for f, s, t in zip(*([random_vgg(x[None]) for x in group] for group in (fused, a, b))):
        for tap_f, tap_s, tap_t in zip(f, s, t):
            distance = tap_f.numpy().astype(float) - np.maximum(tap_s.numpy(), tap_t.numpy())
            expected += (distance**2).sum() / (5 * distance.size) / len(fused)
    assert FusionPerceptualLoss(random_vgg)(fused, a, b).item() == pytest.approx(expected, rel=1e-5)


def test_the_sources_get_no_gradient_and_the_weights_none(images, random_vgg):
    fused, a, b = (x.clone().requires_grad_() for x in images)
    FusionPerceptualLoss(random_vgg)(fused, a, b).backward()
    assert a.grad is None
    assert b.grad is None
    assert fused.grad.abs().sum() > 0
    assert all(p.grad is None for p in random_vgg.parameters())


def test_the_weights_weigh(images, random_vgg):
    parts = IntensityLoss(), GradientLoss(), FusionPerceptualLoss(random_vgg)
    values = [part(*images) for part in parts]
    loss = ComprehensiveLoss(*parts, intensity_weight=2, gradient_weight=0.1, perceptual_weight=3)
    assert loss(*images).item() == pytest.approx((2 * values[0] + 0.1 * values[1] + 3 * values[2]).item(), rel=1e-6)


@pytest.mark.parametrize("absent", ["intensity", "gradient", "perceptual"])
def test_a_weight_of_zero_removes_its_term(images, random_vgg, absent):
    parts = {"intensity": IntensityLoss(), "gradient": GradientLoss(), "perceptual": FusionPerceptualLoss(random_vgg)}
    weights = {f"{name}_weight": 0.0 if name == absent else 1.0 for name in parts}
    loss = ComprehensiveLoss(**parts, **weights)
    terms = loss.terms(*images)
    assert set(terms) == set(parts) - {absent}
    assert loss(*images).item() == pytest.approx(sum(v.item() for v in terms.values()), rel=1e-6)


@pytest.mark.parametrize("which", ["intensity", "gradient", "perceptual"])
def test_gradients_agree_with_finite_differences(which, random_vgg):
    generator = torch.Generator().manual_seed(1)
    fused, a, b = (torch.rand(1, 1, 16, 16, generator=generator, dtype=torch.float64) for _ in range(3))
    loss = {
        "intensity": IntensityLoss(),
        "gradient": GradientLoss().double(),
        "perceptual": FusionPerceptualLoss(random_vgg.double()),
    }[which]
    fused.requires_grad_()
    try:
        if which == "perceptual":  # 256 inputs through 13 convolutions: one direction says enough
            direction = torch.rand(fused.shape, generator=generator, dtype=torch.float64)
            slope = (torch.autograd.grad(loss(fused, a, b), fused)[0] * direction).sum().item()
            step = 1e-6
            with torch.no_grad():
                rise = loss(fused + step * direction, a, b) - loss(fused - step * direction, a, b)
            assert slope == pytest.approx(rise.item() / (2 * step), rel=1e-3)
        else:
            assert torch.autograd.gradcheck(loss, (fused, a, b))
    finally:
        random_vgg.float()
