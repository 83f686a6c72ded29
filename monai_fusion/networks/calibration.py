"""The output's calibration: what is done to a student's values before anybody looks at them."""

from __future__ import annotations

import torch

__all__ = ["CALIBRATIONS", "calibrate_output"]

CALIBRATIONS = ("none", "inverse_tanh", "soft_clip")

#: atanh and its gradient are finite below 1.
_BELOW_ONE = 0.9999
#: From where `soft_clip` bends, and how softly: it reaches 1 at 0.6 + 0.2 (e² - 1), about 1.88.
_KNEE, _SOFTNESS = 0.6, 0.2


def calibrate_output(values: torch.Tensor, calibration: str) -> torch.Tensor:
    r"""Undoes a network's tanh where its weights were trained for that, and bends the bright end softly if asked to.

    ``"none"`` leaves the values as they are. ``"inverse_tanh"`` gives :math:`z = \mathrm{atanh}(v)`, the last layer's
    sum. ``"soft_clip"`` bends what of it is above a knee k, as a logarithm, without a step in value or slope:

    .. math::
        y = z \text{ for } z \le k, \quad y = k + s \ln(1 + (z - k) / s) \text{ above},\quad k = 0.6, s = 0.2

    Tanh has a slope of 0.15 where two bright sources add up to 1.6, and of 0.07 at 2: a lesion in one of them is lost.
    Here it is 0.17 and 0.13, and 1 up to the knee.

    Args:
        values: network outputs in [-1, 1], float32, of any shape.
        calibration: one of `CALIBRATIONS`.

    Returns:
        The same shape, not clipped: the image is its part within [0, 1]. Black, 0, stays 0.
    """
    if calibration == "none":
        return values
    total = values.clamp(-_BELOW_ONE, _BELOW_ONE).atanh()
    if calibration == "inverse_tanh":
        return total
    above = (total - _KNEE).relu()
    return total - above + _SOFTNESS * torch.log1p(above / _SOFTNESS)
