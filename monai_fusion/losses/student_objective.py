"""What the shipped students minimise: lesions kept, metrics not behind a formula's, no white-out, black stays black."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from monai_fusion.losses.lesion_retention import LesionRetention
from monai_fusion.losses.metric_shortfall import MetricShortfall
from monai_fusion.losses.saturation import BlackLoss, SaturationLoss
from monai_fusion.networks.calibration import calibrate_output

__all__ = ["StudentObjective"]


class StudentObjective(nn.Module):
    """The weighted sum of the metric, the lesion, the saturation and the black term. No teacher is needed.

    The fused image of all terms is the one that the user gets: calibrated as
    `monai_fusion.transforms.CalibrateOutputd` does it, and clipped.

    Args:
        metrics: the metric term, whose weight is 1.
        lesions: the lesion term; None for none.
        lesion_weights: of the lesions in source 0 and in source 1.
        saturation_weight: of the saturation term.
        saturation_limit: from where that punishes.
        black_weight: of the black term.
        calibration: the output's calibration, see `monai_fusion.networks.calibration.calibrate_output`.
    """

    def __init__(
        self,
        metrics: MetricShortfall,
        lesions: LesionRetention | None = None,
        lesion_weights: tuple[float, float] = (1.0, 1.0),
        saturation_weight: float = 10.0,
        saturation_limit: float = 0.93,
        black_weight: float = 1.0,
        calibration: str = "none",
    ) -> None:
        super().__init__()
        self.metrics, self.lesions, self.lesion_weights = metrics, lesions, tuple(lesion_weights)
        self.saturation, self.saturation_weight = SaturationLoss(saturation_limit), saturation_weight
        self.black, self.black_weight = BlackLoss(), black_weight
        self.calibration = calibration

    def forward(self, network: Callable[..., Any], batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """
        Args:
            network: returns the two stages of `forward_features`; see `monai_fusion.networks.ForwardStages`.
            batch: ``image`` ``(N, 2, H, W)`` in [0, 1], H and W at least 41, and the crops' numbers, ``index``
                ``(N,)``.

        Returns:
            ``loss`` and its unweighted terms, scalars.
        """
        sources = batch["image"]
        count = len(sources)
        images = [sources, torch.zeros_like(sources[:1])]
        spots = None if self.lesions is None else self.lesions.draw(sources, batch["index"])
        if spots is not None:
            images += list(spots.spotted)
        values = network(torch.cat(images).contiguous(memory_format=torch.channels_last))[1]
        values = calibrate_output(values, self.calibration)
        fused = values[:count].clamp(0, 1)

        terms = {
            "metrics": self.metrics(fused, sources),
            "saturation": self.saturation(values[:count], sources),
            "black": self.black(values[count : count + 1]),
        }
        loss = terms["metrics"] + self.saturation_weight * terms["saturation"] + self.black_weight * terms["black"]
        if self.lesions is not None and spots is not None:
            spotted = values[count + 1 :].clamp(0, 1).reshape(2, *fused.shape)
            terms["lesions_0"], terms["lesions_1"] = self.lesions(spots, fused, spotted)
            for weight, name in zip(self.lesion_weights, ("lesions_0", "lesions_1")):
                loss = loss + weight * terms[name]
        return {"loss": loss, **terms}
