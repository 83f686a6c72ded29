"""The comprehensive loss: intensity, gradient and perception."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_fusion.losses.gradient import GradientLoss
from monai_fusion.losses.intensity import IntensityLoss
from monai_fusion.losses.perceptual import FusionPerceptualLoss, tap_distance

__all__ = ["ComprehensiveLoss"]


class ComprehensiveLoss(nn.Module):
    r"""What the fused image is to take from its sources.

    .. math::
        L_{comp} = \gamma L_{int} + \delta L_{grad} + \epsilon L_{percep}

    Deng et al., "MMDRFuse", ACM MM 2024, with :math:`\epsilon = 1` (the published program has 2). A term of weight 0
    is not computed.

    Args:
        intensity: its term.
        gradient: its term.
        perceptual: its term.
        intensity_weight: :math:`\gamma`.
        gradient_weight: :math:`\delta`.
        perceptual_weight: :math:`\epsilon`.

    Shape:
        Three times ``(N, 1, H, W)`` in [0, 1]; output: a scalar.
    """

    def __init__(
        self,
        intensity: IntensityLoss,
        gradient: GradientLoss,
        perceptual: FusionPerceptualLoss,
        intensity_weight: float,
        gradient_weight: float,
        perceptual_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.intensity, self.gradient, self.perceptual = intensity, gradient, perceptual
        self.weights = {"intensity": intensity_weight, "gradient": gradient_weight, "perceptual": perceptual_weight}

    def terms(
        self,
        fused: torch.Tensor,
        source_a: torch.Tensor,
        source_b: torch.Tensor,
        taps: Sequence[torch.Tensor] | None = None,
        target: Sequence[torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """The terms with a weight, unweighted.

        Args:
            fused: ``(N, 1, H, W)``.
            source_a: the same shape.
            source_b: the same shape.
            taps: the features of the fused image, where they are at hand.
            target: the features it is to have, where they are at hand.
        """
        result = {}
        if self.weights["intensity"]:
            result["intensity"] = self.intensity(fused, source_a, source_b)
        if self.weights["gradient"]:
            result["gradient"] = self.gradient(fused, source_a, source_b)
        if self.weights["perceptual"]:
            taps = self.perceptual.features(fused) if taps is None else taps
            target = self.perceptual.target(source_a, source_b) if target is None else target
            result["perceptual"] = tap_distance(taps, target).mean()
        return result

    def weigh(self, terms: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss from its terms."""
        return torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()

    def forward(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return self.weigh(self.terms(fused, source_a, source_b))
