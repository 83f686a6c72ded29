"""The refresh loss: back to the best output so far, where the current one is worse."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_fusion.losses.gradient import PUBLISHED_KERNEL, gradient_distance
from monai_fusion.losses.perceptual import tap_distance
from monai_fusion.networks.vgg import VGGFeatures

__all__ = ["RefreshLoss"]


class RefreshLoss(nn.Module):
    r"""Distance from the records that beat the current output, weighed by how much they beat it.

    .. math::
        L_s = \sum_{i=4,5} \frac{\lVert \varphi_i(O) - \varphi_i(O_{bs}) \rVert^2}{2 H_i W_i D_i} +
        \frac{\lVert O - O_{bs} \rVert_1}{HW},\quad
        L_g = \sum_{i=1}^3 \frac{\lVert \varphi_i(O) - \varphi_i(O_{bg}) \rVert^2}{3 H_i W_i D_i} +
        \frac{\lVert \nabla O - \nabla O_{bg} \rVert_F^2}{HW},\quad
        L_{refresh} = (S(O_{bs}) - S(O)) L_s + (G(O) - G(O_{bg})) L_g

    Deng et al., "MMDRFuse", ACM MM 2024. Mean over the batch of each patch's own; a gap of zero or less takes the patch
    out. The gaps carry no gradient, nor do the records. See `monai_fusion.engines.RefreshMemory` for both.

    Args:
        features: of the perceptual loss.
        kernel: see `GradientLoss`.
    """

    kernel: torch.Tensor

    def __init__(self, features: VGGFeatures, kernel: Sequence[Sequence[float]] = PUBLISHED_KERNEL) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("kernel", torch.tensor(kernel, dtype=torch.float32)[None, None], persistent=False)

    def forward(
        self,
        fused: torch.Tensor,
        taps: Sequence[torch.Tensor],
        best_ssim: torch.Tensor,
        best_gmsd: torch.Tensor,
        ssim_gap: torch.Tensor,
        gmsd_gap: torch.Tensor,
    ) -> torch.Tensor:
        """
        Args:
            fused: O, ``(N, 1, H, W)``.
            taps: its five features, see `VGGFeatures`.
            best_ssim: :math:`O_{bs}`, the same shape as O.
            best_gmsd: :math:`O_{bg}`, the same shape.
            ssim_gap: :math:`S(O_{bs}) - S(O)`, ``(N,)``.
            gmsd_gap: :math:`G(O) - G(O_{bg})`, ``(N,)``.

        Returns:
            A scalar, exactly zero where no record is better.
        """
        total = fused.new_zeros(())
        worse = torch.nonzero(ssim_gap > 0)[:, 0]
        if len(worse):
            with torch.no_grad():
                record = self.features(best_ssim[worse], blocks=(4, 5))
            apart = tap_distance([tap[worse] for tap in taps[3:]], record)
            apart = apart + (fused[worse] - best_ssim[worse]).abs().mean(dim=(1, 2, 3))
            total = total + (ssim_gap[worse].detach() * apart).sum()
        worse = torch.nonzero(gmsd_gap > 0)[:, 0]
        if len(worse):
            with torch.no_grad():
                record = self.features(best_gmsd[worse], blocks=(1, 2, 3))
            apart = tap_distance([tap[worse] for tap in taps[:3]], record)
            apart = apart + gradient_distance(fused[worse], best_gmsd[worse], self.kernel.to(fused.dtype))
            total = total + (gmsd_gap[worse].detach() * apart).sum()
        return total / len(fused)
