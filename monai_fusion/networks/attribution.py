"""Where a fused pixel comes from: the exact contribution of each source to the student's output.

Before its tanh the student is piecewise linear: with the ReLUs that are open at a pixel held open, its output is a sum
of weights times input values, and of biases. Splitting that sum by source attributes the output without approximation
and without a choice of baseline, unlike saliency maps of deeper networks.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from monai_fusion.networks.student import FusionStudent

__all__ = ["attribute_sources"]


@torch.no_grad()
def attribute_sources(student: FusionStudent, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Splits the output before the tanh into what each source and what the biases contribute.

    Args:
        student: of any hidden width.
        image: its input ``(N, 2, H, W)``.

    Returns:
        The contributions of the two sources ``(N, 2, H, W)``, in the order of the channels, and of the biases
        ``(N, 1, H, W)``. Their sum over channels is ``atanh(student(image))``. A contribution may be negative.
    """
    hidden, output = student.hidden, student.output
    padded = F.pad(image, [1, 1, 1, 1], mode="reflect")
    parts = [F.conv2d(padded[:, i : i + 1], hidden.weight[:, i : i + 1]) for i in range(2)]
    bias = hidden.bias.view(1, -1, 1, 1)  # type: ignore[union-attr]
    is_open = sum(parts) + bias > 0
    passed = [F.pad(part * is_open, [1, 1, 1, 1], mode="reflect") for part in (*parts, bias.expand_as(parts[0]))]
    first, second, rest = (F.conv2d(part, output.weight) for part in passed)
    return torch.cat([first, second], dim=1), rest + output.bias  # type: ignore[operator]
