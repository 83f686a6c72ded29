"""Radioactive decay: of a dose, and of what decays while a frame is acquired. Times and half-lives in s."""

from __future__ import annotations

import math

__all__ = ["decay_within_frame", "decayed", "mean_activity_time"]


def decayed(seconds: float, half_life: float) -> float:
    """The share of an activity that is left after a time: 2^(-t/T½)."""
    return float(2 ** (-seconds / half_life))


def decay_within_frame(duration: float, half_life: float) -> float:
    """Activity at the start of a frame over the mean within it: λT / (1 - e^(-λT))."""
    exponent = math.log(2) / half_life * duration
    return -exponent / math.expm1(-exponent)


def mean_activity_time(duration: float, half_life: float) -> float:
    """When, from the start of a frame, the activity equals the mean within it: (1/λ) ln(λT / (1 - e^(-λT)))."""
    return half_life / math.log(2) * math.log(decay_within_frame(duration, half_life))
