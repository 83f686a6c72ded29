"""The MMDRFuse student: two convolutions, 113 parameters.

Deng et al., "MMDRFuse: Distilled Mini-Model with Dynamic Refresh for Multi-Modality Image Fusion",
ACM MM 2024, https://doi.org/10.1145/3664647.3681085.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["FusionStudent"]


class FusionStudent(nn.Module):
    """Fuses two registered single-channel images into one.

    3x3 convolution, ReLU, 3x3 convolution, tanh; every convolution sees its input through reflection padding, so
    the output has the size of the input. One multiply-add a weight a pixel: ``27 * hidden_channels``, 108 for the
    four channels of the paper.

    Args:
        hidden_channels: feature maps between the two convolutions. 2, 4 and 6 give the students of 57, 113 and 169
            parameters (0.22, 0.44 and 0.66 KB in float32) of the paper's Table 2.

    Shape:
        Input ``(N, 2, H, W)`` with values in [0, 1] and H, W >= 3, output ``(N, 1, H, W)`` in (-1, 1). Which source
        goes into which channel is a property of the trained weights: see ``channel_def`` in the bundle's metadata.
    """

    def __init__(self, hidden_channels: int = 4) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(2, hidden_channels, kernel_size=3, padding=1, padding_mode="reflect")
        self.output = nn.Conv2d(hidden_channels, 1, kernel_size=3, padding=1, padding_mode="reflect")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_features(x)[1]

    @torch.jit.export
    def forward_features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The two tensors that distillation compares: S1 ``(N, hidden_channels, H, W)`` and the output S2."""
        hidden = torch.relu(self.hidden(x))
        return hidden, torch.tanh(self.output(hidden))
