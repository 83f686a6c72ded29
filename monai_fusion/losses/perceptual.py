"""The perceptual term: the stronger of the sources' features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_fusion.networks.vgg import VGGFeatures

__all__ = ["FusionPerceptualLoss", "strongest", "tap_distance"]


def strongest(taps_a: Sequence[torch.Tensor], taps_b: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The larger feature of the two sources, value by value: what the fused image is to have."""
    return [torch.maximum(a, b) for a, b in zip(taps_a, taps_b)]


def tap_distance(taps: Sequence[torch.Tensor], others: Sequence[torch.Tensor]) -> torch.Tensor:
    r"""How far apart the features of two images are, :math:`\frac{1}{K} \sum_i \lVert \varphi_i(X) - \varphi_i(Y)
    \rVert^2 / (H_i W_i D_i)` over the K taps given, each image.

    Returns:
        ``(N,)``.
    """
    distances = []
    for tap, other in zip(taps, others, strict=True):
        difference = tap - other
        difference = difference.to(torch.promote_types(difference.dtype, torch.float32))  # squares of half precision
        distances.append(difference.square().mean(dim=(1, 2, 3)))
    return torch.stack(distances).mean(dim=0)


class FusionPerceptualLoss(nn.Module):
    r"""Mean squared difference of the VGG features from the stronger of the sources' features.

    .. math::
        L_{percep} = \sum_{i=1}^5 \sum_j \frac{\lVert \varphi_{ij}(O) - \max(\varphi_{ij}(I_a), \varphi_{ij}(I_b))
        \rVert_F^2}{5 H_i W_i D_i}

    Deng et al., "MMDRFuse", ACM MM 2024. Mean over the batch. The sources get no gradient.

    Args:
        features: see `monai_fusion.networks.vgg.open_vgg`.

    Shape:
        Three times ``(N, 1, H, W)`` in [0, 1], H and W at least 16; output: a scalar.
    """

    def __init__(self, features: VGGFeatures) -> None:
        super().__init__()
        self.features = features

    def target(self, source_a: torch.Tensor, source_b: torch.Tensor) -> list[torch.Tensor]:
        """The features to be had, of both sources in one pass."""
        with torch.no_grad():
            taps = self.features(torch.cat([source_a, source_b]))
        return strongest(*zip(*(tap.chunk(2) for tap in taps)))

    def forward(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return tap_distance(self.features(fused), self.target(source_a, source_b)).mean()
