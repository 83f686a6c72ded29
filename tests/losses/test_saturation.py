import pytest
import torch

from monai_fusion.losses.saturation import BlackLoss, SaturationLoss


def test_saturation_by_hand():
    sources = torch.tensor([[[[0.2, 0.5], [0.96, 0.3]], [[0.1, 0.94], [0.0, 0.3]]]])
    fused = torch.tensor([[[[0.5, 1.03], [2.0, 0.98]]]], requires_grad=True)
    loss = SaturationLoss(0.93)(fused, sources)
    assert loss.item() == pytest.approx((0.10 + 0.05) / 3)  # the pixel with a white source does not count
    loss.backward()
    assert fused.grad.flatten().tolist() == pytest.approx([0, 1 / 3, 0, 1 / 3])


def test_white_sources_allow_everything():
    assert SaturationLoss()(torch.ones(1, 1, 4, 4), torch.ones(1, 2, 4, 4)).item() == 0


def test_black():
    assert BlackLoss()(torch.tensor([[[[0.1, -0.3], [0.0, 0.0]]]])).item() == pytest.approx(0.1)
