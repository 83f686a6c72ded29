"""SSIM: the structural similarity of the fused image to its sources."""

from __future__ import annotations

import torch
from monai.utils import MetricReduction

from monai_fusion.metrics.base import FusionMetric, fusion_metric
from monai_fusion.metrics.windows import local_moments

__all__ = ["FusionSSIM", "compute_ssim"]

_SIZE = 7
_UNBIASED = _SIZE**2 / (_SIZE**2 - 1)


@fusion_metric(min_size=_SIZE)
def compute_ssim(
    fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor, data_range: float = 255.0
) -> torch.Tensor:
    r"""The structural similarity to either source, summed.

    Under a uniform window of 7 by 7 pixels that lies within the image, with unbiased variances and covariances, as
    scikit-image's `structural_similarity` has it by default:

    .. math::
        \mathrm{SSIM}(F, S) = \mathrm{mean} \frac{(2 \mu_F \mu_S + c_1)(2 \sigma_{FS} + c_2)}
        {(\mu_F^2 + \mu_S^2 + c_1)(\sigma_F^2 + \sigma_S^2 + c_2)},\quad
        c_1 = (0.01 L)^2,\; c_2 = (0.03 L)^2,\quad \mathrm{SSIM} = \mathrm{SSIM}(F, A) + \mathrm{SSIM}(F, B)

    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE Transactions on
    Image Processing 13(4), 2004. The published fusion tables have L = 2 (a default of scikit-image for floats), which
    makes noise in the black background count as much as tissue; right for 8-bit images is L = 255.

    MONAI's `compute_ssim_and_cs` gives the same at L = 255 but for its biased variances (0.04 %), not at L = 2: it
    computes in float32, in which :math:`c_2 = .0036` drowns in the rounding errors of :math:`\sigma^2` (0.5 % in the
    result for some pairs of the published MRI-PET test set).

    Args:
        fused: ``(N, 1, H, W)``, grey levels of 0 to 255, at least 7 by 7.
        source_a: the same shape.
        source_b: the same shape.
        data_range: L.

    Returns:
        ``(N,)``, -2 to 2 (a copy of both sources), no unit; more is better. Constant images are no special case.
    """
    moments = local_moments(fused, torch.cat([source_a, source_b], dim=1), [1 / _SIZE] * _SIZE)
    mean_f, mean_s, variance_f, variance_s, covariance = moments
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_f * mean_s + c1) / (mean_f * mean_f + mean_s * mean_s + c1)
    structure = (2 * _UNBIASED * covariance + c2) / (_UNBIASED * (variance_f + variance_s) + c2)
    return (luminance * structure).mean(dim=(2, 3)).sum(dim=1)


class FusionSSIM(FusionMetric):
    """Structural similarity summed over the sources, -2 to 2, more is better; see `compute_ssim` and `FusionMetric`.

    Args:
        data_range: 255, or 2 for the values of the published tables.
        protocol: see `FusionMetric`.
        reduction: see `FusionMetric`.
        get_not_nans: see `FusionMetric`.
    """

    def __init__(
        self,
        data_range: float = 255.0,
        protocol: str = "none",
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
    ) -> None:
        super().__init__(protocol=protocol, reduction=reduction, get_not_nans=get_not_nans)
        self.data_range = data_range

    def measure(self, fused: torch.Tensor, source_a: torch.Tensor, source_b: torch.Tensor) -> torch.Tensor:
        return compute_ssim(fused, source_a, source_b, data_range=self.data_range)
