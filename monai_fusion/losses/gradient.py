"""The gradient term: the edges of the brighter source."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["PUBLISHED_KERNEL", "GradientLoss", "gradient_distance"]

#: The gradient of the published program: the mean of the eight neighbours less the centre.
PUBLISHED_KERNEL = ((1 / 8, 1 / 8, 1 / 8), (1 / 8, -1.0, 1 / 8), (1 / 8, 1 / 8, 1 / 8))


def gradient_distance(image: torch.Tensor, other: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    r"""How far apart the gradients of two images are, :math:`\lVert \nabla X - \nabla Y \rVert_F^2 / HW`, each image.

    Args:
        image: ``(N, 1, H, W)``.
        other: the same shape.
        kernel: ``(1, 1, k, k)``, k odd; outside of the image is zero.

    Returns:
        ``(N,)``.
    """
    return F.conv2d(image - other, kernel, padding=kernel.shape[-1] // 2).square().mean(dim=(1, 2, 3))


class GradientLoss(nn.Module):
    r"""Mean squared difference of the gradient from that of the per-pixel maximum of the sources.

    .. math::
        L_{grad} = \frac{1}{HW} \lVert \nabla O - \nabla \max(I_a, I_b) \rVert_F^2

    Deng et al., "MMDRFuse", ACM MM 2024; the paper does not say which gradient, the published program has
    `PUBLISHED_KERNEL` with zero padding. Mean over the batch.

    Args:
        kernel: rows of a square kernel of odd size.

    Shape:
        Three times ``(N, 1, H, W)`` in [0, 1]; output: a scalar.
    """

    kernel: torch.Tensor

    def __init__(self, kernel: Sequence[Sequence[float]] = PUBLISHED_KERNEL) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor(kernel, dtype=torch.float32)[None, None], persistent=False)

    def forward(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        target = torch.maximum(source_a, source_b)
        return gradient_distance(fused, target, self.kernel.to(fused.dtype)).mean()
