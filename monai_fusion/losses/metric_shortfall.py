"""The metric term: how far a fusion stays behind a formula in the six metrics, as a loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from monai_fusion.errors import InputError
from monai_fusion.losses.metric_formulas import METRIC_FORMULAS
from monai_fusion.metrics.rivals import RIVALS

__all__ = ["MetricShortfall"]


class MetricShortfall(nn.Module):
    r"""Compares the means of a batch with those of a rival formula on the same sources.

    .. math::
        \sum_k w_k \max(0,\; 1 + \mathrm{margin} - m_k / r_k)

    over SD, SCD, VIF, Qabf, SSIM and CC, m of the fused images and r of the formula's, which never gives gradients.
    What a fusion has beyond the margin earns nothing, so that no metric is bought with another.

    Args:
        rival: a key of `monai_fusion.metrics.RIVALS`.
        margin: asked for beyond the rival, as a share of its value.
        weights: w of the metrics named; 1 for the others. Some move by a few per mille (SSIM, CC) where others move by
            as many per cent.
        each: compare every image with the formula's fusion of it, and take the mean of what is missing, at most 1 of
            each metric; else the surplus of one look of crops makes up for what another is missing.

    Raises:
        InputError: unknown rival or metric.
    """

    def __init__(
        self,
        rival: str = "tanh_sum",
        margin: float = 0.03,
        weights: Mapping[str, float] | None = None,
        each: bool = False,
    ) -> None:
        super().__init__()
        if rival not in RIVALS:
            raise InputError(f"rival {rival!r}: choose one of {', '.join(RIVALS)}")
        if unknown := set(weights or {}) - set(METRIC_FORMULAS):
            raise InputError(f"weights of {', '.join(sorted(unknown))}: the metrics are {', '.join(METRIC_FORMULAS)}")
        self.rival, self.margin, self.each = rival, margin, each
        self.weights = dict.fromkeys(METRIC_FORMULAS, 1.0) | dict(weights or {})

    def forward(self, fused: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
        """
        Args:
            fused: ``(N, 1, H, W)``, float32 in [0, 1].
            sources: ``(N, 2, H, W)``, float32 in [0, 1], H and W at least 41.

        Returns:
            A scalar, 0 or more; a metric in which the rival is not above 0.001 (black sources) is left out.
        """
        with torch.no_grad():
            reference = RIVALS[self.rival](sources[:, :1], sources[:, 1:]).clamp(0, 1)
            expected = {name: formula(reference * 255, sources * 255) for name, formula in METRIC_FORMULAS.items()}
        total = fused.new_zeros(())
        for name, formula in METRIC_FORMULAS.items():
            value, rival = formula(fused * 255, sources * 255), expected[name]
            if not self.each:
                value, rival = value.mean(), rival.mean()
            missing = (1 + self.margin - value / rival.clamp_min(1e-3)).clamp(0, 1 if self.each else None)
            total = total + self.weights[name] * torch.where(rival > 1e-3, missing, 0).mean()
        return total
