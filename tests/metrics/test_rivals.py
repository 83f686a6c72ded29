from __future__ import annotations

import math

import pytest
import torch

from monai_fusion.metrics import RIVALS


@pytest.mark.parametrize(
    ("name", "expected"), [("maximum", 0.8), ("mean", 0.65), ("screen", 0.9), ("tanh_sum", math.tanh(1.3))]
)
def test_formulas(name: str, expected: float) -> None:
    a, b = torch.full((1, 1, 2, 2), 0.5), torch.full((1, 1, 2, 2), 0.8)
    torch.testing.assert_close(RIVALS[name](a, b), torch.full((1, 1, 2, 2), expected))
    torch.testing.assert_close(RIVALS[name](b, a), RIVALS[name](a, b))
