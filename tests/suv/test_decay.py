from __future__ import annotations

import pytest
from scipy import integrate

from monai_fusion.suv import decay_within_frame, decayed, mean_activity_time

F18 = 6586.2


@pytest.mark.parametrize(("seconds", "left"), [(0, 1), (F18, 0.5), (2 * F18, 0.25), (-F18, 2)])
def test_half_lives(seconds: float, left: float) -> None:
    assert decayed(seconds, F18) == pytest.approx(left, rel=1e-12)


@pytest.mark.parametrize(("duration", "half_life"), [(60, F18), (3600, F18), (600, 75.0), (1e-3, F18)])
def test_the_mean_within_a_frame(duration: float, half_life: float) -> None:
    """Against the integral of the decay over the frame."""
    mean = integrate.quad(lambda t: 2 ** (-t / half_life), 0, duration)[0] / duration
    assert decay_within_frame(duration, half_life) == pytest.approx(1 / mean, rel=1e-9)
    assert decayed(mean_activity_time(duration, half_life), half_life) == pytest.approx(mean, rel=1e-9)
