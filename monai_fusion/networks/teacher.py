"""The MMDRFuse teacher: a dense encoder and decoder, 556,489 parameters.

Deng et al., "MMDRFuse: Distilled Mini-Model with Dynamic Refresh for Multi-Modality Image Fusion",
ACM MM 2024, https://doi.org/10.1145/3664647.3681085.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["FusionTeacher"]


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, padding_mode="reflect")


class FusionTeacher(nn.Module):
    """Fuses two registered single-channel images into one; distilled into the student.

    Six encoder convolutions (the third with stride 2) whose outputs are concatenated densely, and a mirrored decoder
    with skip connections and one bicubic upsampling. ReLU after every convolution but the last, tanh after that.

    Shape:
        Input ``(N, 2, H, W)`` with values in [0, 1] and any H, W >= 3 (odd sizes are padded by reflection for the
        stride and cropped back), output ``(N, 1, H, W)`` in (-1, 1).
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder1 = _conv(2, 32)
        self.encoder2 = _conv(32, 32)
        self.encoder3 = _conv(64, 64, stride=2)
        self.encoder4 = _conv(64, 64)
        self.encoder5 = _conv(128, 64)
        self.encoder6 = _conv(192, 64)
        self.decoder6 = _conv(64, 64)
        self.decoder5 = _conv(128, 64)
        self.decoder4 = _conv(128, 64)
        self.decoder3 = _conv(128, 64)
        self.decoder2 = _conv(96, 32)
        self.decoder1 = _conv(64, 4)
        self.output = _conv(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_features(x)[1]

    @torch.jit.export
    def forward_features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The two tensors that distillation compares: T1 ``(N, 4, H, W)`` and the output T2 ``(N, 1, H, W)``."""
        height, width = x.shape[-2], x.shape[-1]
        x = F.pad(x, [0, width % 2, 0, height % 2], mode="reflect")

        c1 = torch.relu(self.encoder1(x))
        c2 = torch.relu(self.encoder2(c1))
        c3 = torch.relu(self.encoder3(torch.cat([c1, c2], dim=1)))
        c4 = torch.relu(self.encoder4(c3))
        c5 = torch.relu(self.encoder5(torch.cat([c3, c4], dim=1)))
        c6 = torch.relu(self.encoder6(torch.cat([c3, c4, c5], dim=1)))

        d6 = torch.relu(self.decoder6(c6))
        d5 = torch.relu(self.decoder5(torch.cat([c5, d6], dim=1)))
        d4 = torch.relu(self.decoder4(torch.cat([c4, d5], dim=1)))
        d3 = torch.relu(self.decoder3(torch.cat([c3, d4], dim=1)))
        up = F.interpolate(d3, scale_factor=2.0, mode="bicubic", align_corners=False)
        d2 = torch.relu(self.decoder2(torch.cat([c2, up], dim=1)))
        d1 = torch.relu(self.decoder1(torch.cat([c1, d2], dim=1)))
        fused = torch.tanh(self.output(d1))
        return d1[..., :height, :width], fused[..., :height, :width]
