"""Fusion by wavelets."""

from __future__ import annotations

import numpy as np
import torch
from monai.utils import optional_import

from monai_fusion.errors import InputError

__all__ = ["fuse_wavelet"]

_WAVELET, _LEVELS = "sym4", 4


def fuse_wavelet(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Fuses two images in the wavelet domain: of every detail the stronger, of the approximation the mean.

    H. Li, B. S. Manjunath and S. K. Mitra, "Multisensor image fusion using the wavelet transform", Graphical Models and
    Image Processing 57(3), 1995, with the plain maximum of the absolute values. Symlets of four vanishing moments, four
    levels or as many as the size allows, symmetric ends. Two equal sources come out as they went in; of equally strong
    details the first source's is taken. Computed on the CPU by PyWavelets.

    Args:
        a: ``(N, 1, H, W)``, values in [0, 1].
        b: the same shape.

    Returns:
        The same shape, device and precision, clipped to [0, 1]: details of two images added to a mean may leave it.

    Raises:
        InputError: PyWavelets is not installed.
    """
    pywt, installed = optional_import("pywt")
    if not installed:
        raise InputError("wavelet fusion: PyWavelets is not installed; pip install 'monai-fusion[evaluate]'")
    height, width = a.shape[-2:]
    levels = min(_LEVELS, pywt.dwt_max_level(min(height, width), _WAVELET))
    bands_a, bands_b = (
        pywt.wavedec2(image.detach().cpu().numpy(), _WAVELET, level=levels, axes=(-2, -1)) for image in (a, b)
    )
    fused = [(bands_a[0] + bands_b[0]) / 2]
    for details_a, details_b in zip(bands_a[1:], bands_b[1:]):
        fused.append(tuple(np.where(abs(p) >= abs(q), p, q) for p, q in zip(details_a, details_b)))
    image = pywt.waverec2(fused, _WAVELET, axes=(-2, -1))[..., :height, :width]  # odd sizes come back one larger
    return torch.from_numpy(np.ascontiguousarray(image)).to(a).clamp(0, 1)
