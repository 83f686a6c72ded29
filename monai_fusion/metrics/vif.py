"""VIF: the visual information fidelity of the fused image to its sources."""

from __future__ import annotations

import torch

from monai_fusion.metrics.base import FusionMetric, fusion_metric
from monai_fusion.metrics.windows import filter_separably, gaussian_window, local_moments

__all__ = ["FusionVIF", "compute_vif"]

_SCALES = 4
_NOISE_VARIANCE = 2.0
_EPSILON = 1e-10


@fusion_metric(min_size=41)
def compute_vif(fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
    r"""The visual information fidelity (in the pixel domain) to either source, summed.

    At each of four scales, under a Gaussian window of 17, 9, 5, 3 pixels (standard deviation a fifth of that), the
    fused image is taken as the source S, attenuated by g, plus noise of variance :math:`\sigma_v^2`; eye noise of
    variance :math:`\sigma_n^2 = 2` is added to both. Between two scales the images are smoothed by the window of the
    coarser one and every other pixel is kept.

    .. math::
        \mathrm{VIF}(F, S) = \frac{\sum \log_{10}(1 + g^2 \sigma_S^2 / (\sigma_v^2 + \sigma_n^2))}
        {\sum \log_{10}(1 + \sigma_S^2 / \sigma_n^2)},\quad g = \sigma_{FS} / \sigma_S^2,\quad
        \sigma_v^2 = \sigma_F^2 - g \sigma_{FS},\quad \mathrm{VIF} = \mathrm{VIF}(F, A) + \mathrm{VIF}(F, B)

    Where g is negative it is 0. H. R. Sheikh and A. C. Bovik, "Image information and visual quality", IEEE
    Transactions on Image Processing 15(2), 2006. The published fusion tables cite Y. Han et al., "A new image fusion
    performance metric based on visual information fidelity", Information Fusion 14(2), 2013, which weighs the sources
    by windows; their numbers come from the plain sum.

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255, at least 41 by 41.
        source_a: the same shape.
        source_b: the same shape.

    Returns:
        ``(N,)``, from 0, no unit; more is better. A perfect copy of a source gives 1 for this source; raised contrast
        gives more than 1. A constant source has no information to be lost: it counts as 1, as in the published program.
    """
    sources = torch.cat([source_a, source_b], dim=1)
    sources = sources - sources.amin(dim=(2, 3), keepdim=True)  # changes no variance; those of a constant are exactly 0
    kept = sources.new_zeros(sources.shape[:2])
    present = sources.new_zeros(sources.shape[:2])
    for scale in range(_SCALES):
        size = 2 ** (_SCALES - scale) + 1
        window = gaussian_window(size, size / 5)
        if scale > 0:
            fused = filter_separably(fused, window, window)[..., ::2, ::2]
            sources = filter_separably(sources, window, window)[..., ::2, ::2]
        _, _, variance_f, variance_s, covariance = local_moments(fused, sources, window)

        flat_s, flat_f = variance_s < _EPSILON, variance_f < _EPSILON
        gain = covariance / (variance_s + _EPSILON)
        noise = variance_f - gain * covariance
        gain, noise = torch.where(flat_s, 0, gain), torch.where(flat_s, variance_f, noise)
        gain, noise = torch.where(flat_f, 0, gain), torch.where(flat_f, 0, noise)
        gain, noise = gain.clamp_min(0), torch.where(gain < 0, variance_f, noise)
        noise = noise.clamp_min(_EPSILON)
        variance_s = torch.where(flat_s, 0, variance_s)
        kept += (gain * gain * variance_s / (noise + _NOISE_VARIANCE)).log1p().sum(dim=(2, 3))
        present += (variance_s / _NOISE_VARIANCE).log1p().sum(dim=(2, 3))
    empty = present == 0
    return torch.where(empty, 1, kept / torch.where(empty, 1, present)).sum(dim=1)


class FusionVIF(FusionMetric):
    """Visual information fidelity summed over the sources, from 0, more is better; see `compute_vif`."""

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_vif(fused, source_a, source_b)
