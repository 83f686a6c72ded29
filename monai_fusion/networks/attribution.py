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
    channels = hidden.weight.shape[0]
    padded = F.pad(image, [1, 1, 1, 1], mode="reflect")
    weight = hidden.weight.transpose(0, 1).reshape(2 * channels, 1, 3, 3)
    parts = F.conv2d(padded, weight, groups=2).unflatten(1, (2, channels))  # each source by itself
    bias = hidden.bias.view(1, -1, 1, 1)  # type: ignore[union-attr]
    is_open = (parts.sum(dim=1) + bias > 0)[:, None]
    passed = torch.cat([parts * is_open, bias[:, None] * is_open], dim=1).flatten(1, 2)
    passed = F.pad(passed, [1, 1, 1, 1], mode="reflect")
    contributions = F.conv2d(passed, output.weight.expand(3, -1, -1, -1), groups=3)
    return contributions[:, :2], contributions[:, 2:] + output.bias  # type: ignore[operator]
