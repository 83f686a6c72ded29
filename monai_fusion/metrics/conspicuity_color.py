"""The colours of CIELAB, in which the conspicuity benchmark judges the colour output."""

from __future__ import annotations

import torch

from monai_fusion.errors import InputError

__all__ = ["rgb_to_lab"]

#: Linear sRGB to CIE XYZ (IEC 61966-2-1), and the white of D65 under the observer of 2 degrees.
_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)


def rgb_to_lab(rgb: torch.Tensor) -> torch.Tensor:
    """sRGB to CIELAB (CIE 1976, D65), where equal distances look about equally different.

    Args:
        rgb: ``(N, 3, H, W)``, or ``(N, 1, H, W)`` for grey, in [0, 1].

    Returns:
        L* (0 to 100), a*, b* ``(N, 3, H, W)`` float64.

    Raises:
        InputError: another number of channels.
    """
    if rgb.ndim != 4 or rgb.shape[1] not in (1, 3):
        raise InputError(f"a picture of {tuple(rgb.shape)}, not (N, 3, H, W) or (N, 1, H, W)")
    rgb = rgb.double().expand(-1, 3, -1, -1)
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    white = rgb.new_tensor(_WHITE)[:, None, None]
    xyz = torch.einsum("ij,njhw->nihw", rgb.new_tensor(_TO_XYZ), linear) / white
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp_min(1e-9) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
