import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from monai_fusion.losses import RefreshLoss
from monai_fusion.losses.gradient import PUBLISHED_KERNEL


@pytest.fixture(scope="module")
def images():
    """An output and its two records, ``(3, 1, 20, 16)``."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(3, 1, 20, 16, generator=generator) for _ in range(3))


GAPS = torch.tensor([0.5, 0.0, -0.25]), torch.tensor([0.0, 0.125, 2.0])


def test_the_formula(images, random_vgg):
    fused, best_ssim, best_gmsd = images
    taps = [[[tap[n].numpy().astype(float) for tap in random_vgg(x)] for n in range(3)] for x in images]
    expected = 0.0
    for n, (s, g) in enumerate(zip(*(gap.clamp_min(0).tolist() for gap in GAPS))):
        f, bs, bg = (x[n, 0].numpy().astype(float) for x in images)
        loss_s = sum(((taps[0][n][i] - taps[1][n][i]) ** 2).mean() / 2 for i in (3, 4)) + np.abs(f - bs).mean()
        edges = correlate(f, np.array(PUBLISHED_KERNEL), mode="constant") - correlate(
            bg, np.array(PUBLISHED_KERNEL), mode="constant"
        )
        loss_g = sum(((taps[0][n][i] - taps[2][n][i]) ** 2).mean() / 3 for i in (0, 1, 2)) + (edges**2).mean()
        expected += (s * loss_s + g * loss_g) / 3
    loss = RefreshLoss(random_vgg)(fused, random_vgg(fused), best_ssim, best_gmsd, *GAPS)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_exactly_zero_where_nothing_is_better(images, random_vgg):
    fused = images[0].clone().requires_grad_()
    taps = random_vgg(fused)
    none = torch.tensor([0.0, -1.0, 0.0])
    assert RefreshLoss(random_vgg)(fused, taps, *images[1:], none, none).item() == 0.0


def test_patches_that_improved_get_no_gradient_and_gaps_give_none(images, random_vgg):
    fused = images[0].clone().requires_grad_()
    gap = torch.tensor([0.5, 0.0, 0.0], requires_grad=True)
    RefreshLoss(random_vgg)(fused, random_vgg(fused), *images[1:], gap, gap).backward()
    assert gap.grad is None
    assert fused.grad[0].abs().sum() > 0
    assert (fused.grad[1:] == 0).all()
