"""The output's calibration against a formula of its own in NumPy, at the ends of float32, and its gradient."""

import math

import numpy as np
import pytest
import torch

from monai_fusion.networks.calibration import CALIBRATIONS, calibrate_output

#: Where the soft clip reaches 1.
WHITE = 0.6 + 0.2 * (math.e**2 - 1)


def soft_clip(total):
    return np.where(total <= 0.6, total, 0.6 + 0.2 * np.log(1 + np.maximum(total - 0.6, 0) / 0.2))


def test_soft_clip_is_its_formula():
    """Of the layer's sum, in float64 from the sum itself: what tanh and its inverse cost in float32 is less than a
    hundredth of a grey level."""
    total = torch.linspace(-1, WHITE, 10001, dtype=torch.float64)
    calibrated = calibrate_output(total.float().tanh(), "soft_clip")
    assert calibrated.dtype == torch.float32
    np.testing.assert_allclose(calibrated.numpy(), soft_clip(total.numpy()), atol=0.01 / 255)
    assert calibrated[-1].item() == pytest.approx(1, abs=1e-5)


def test_black_stays_black_and_white_is_reached_once():
    assert calibrate_output(torch.zeros(3), "soft_clip").eq(0).all()
    assert calibrate_output(torch.tensor(WHITE - 0.05).tanh(), "soft_clip") < 0.995
    assert calibrate_output(torch.tensor(WHITE + 0.05).tanh(), "soft_clip") > 1.005


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_monotone_and_finite_up_to_where_float32_has_no_more_of_tanh(calibration):
    """Every number that float32 has between 0.999 and 1, and beyond; below 0, too."""
    steps = torch.arange(0.999, 1.0, 2.0**-24, dtype=torch.float64).float()
    values = torch.cat([torch.linspace(-1, 0.999, 10001), steps, torch.ones(1)])
    calibrated = calibrate_output(values, calibration)
    assert calibrated.isfinite().all()
    assert (calibrated.diff() > -1e-6).all()
    assert calibrated[-1] >= 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounding_of_half_precision_is_not_seen(dtype):
    """A network that answers in half precision: float16 stays within a grey level, bfloat16 within three, which
    its own step below 1 (1/256) is worth there."""
    total = torch.linspace(0, WHITE, 1001)
    calibrated = calibrate_output(total.tanh().to(dtype).float(), "soft_clip")
    error = np.abs(calibrated.numpy() - soft_clip(total.numpy())).max() * 255
    assert error < {torch.float16: 1, torch.bfloat16: 3}[dtype]


def test_slope_is_one_up_to_the_knee_and_falls_without_a_step():
    total = torch.linspace(-0.5, 1.8, 2301, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(calibrate_output(total.tanh(), "soft_clip").sum(), total)
    expected = 1 / (1 + (total.detach() - 0.6).clamp_min(0) / 0.2)
    torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-9)
    assert slope.diff().abs().max() < 0.006


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_gradients_are_finite_where_tanh_is_one(calibration):
    total = torch.tensor([-30.0, -5, 0, 5, 30], requires_grad=True)
    (slope,) = torch.autograd.grad(calibrate_output(total.tanh(), calibration).sum(), total)
    assert slope.isfinite().all()
