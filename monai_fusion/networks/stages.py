"""Networks as training sees them: both stages as the output, and what a student starts from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_fusion.networks.student import FusionStudent
from monai_fusion.networks.teacher import FusionTeacher

__all__ = ["ForwardStages", "start_from_screen", "start_from_sum", "start_from_teacher"]


class ForwardStages(nn.Module):
    """A network whose ``forward`` returns the two stages of its `forward_features`.

    `DistributedDataParallel` and `torch.compile` see nothing but ``forward``.

    Args:
        network: a `FusionStudent` or `FusionTeacher`; its parameters are shared, not copied.
    """

    def __init__(self, network: FusionStudent | FusionTeacher) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.network.forward_features(x)


def start_from_teacher(student: FusionStudent, teacher: FusionTeacher) -> FusionStudent:
    """Gives the student's last convolution the weights of the teacher's, which has the same four input maps.

    The published program does so; the paper does not say. A student of another width keeps its own.
    """
    if student.output.weight.shape == teacher.output.weight.shape:
        student.output.load_state_dict(teacher.output.state_dict())
    return student


def start_from_screen(student: FusionStudent) -> FusionStudent:
    r"""Gives the student weights with which its last layer's sum is nearly `screen`, :math:`a + b - ab`.

    The product lies between the Fréchet-Hoeffding bounds :math:`\max(0, a + b - 1) \le ab \le \min(a, b)`; their mean
    is within 1/16 of it, and three ReLUs make it, pixel by pixel:

    .. math::
        a + b - ab \approx \mathrm{relu}(a / 2 + b) + \mathrm{relu}(a - b) / 2 - \mathrm{relu}(a + b - 1) / 2

    All other weights become a twentieth of what they were, all other biases 0: small and unlike each other, so that
    they can be trained. The output's calibration is to be ``"inverse_tanh"``.

    Args:
        student: of 3 hidden channels or more.

    Returns:
        The same student.
    """
    return _start_from(student, 0.05, [(0.5, 1, 0, 1), (1, -1, 0, 0.5), (1, 1, -1, -0.5)])


def start_from_sum(student: FusionStudent) -> FusionStudent:
    r"""Gives the student weights with which its last layer's sum is nearly a sum of its sources that bends once.

    .. math::
        0.85 a + 0.85 b - 0.3\, \mathrm{relu}(0.85 a + 0.85 b - 0.9)

    All other weights become a tenth of what they were, all other biases 0. The output's calibration is to be
    ``"soft_clip"``.

    Args:
        student: of 4 hidden channels or more.

    Returns:
        The same student.
    """
    return _start_from(student, 0.1, [(0.85, 0, 0, 1), (0, 0.85, 0, 1), (0.85, 0.85, -0.9, -0.3), (0.5, 0.5, 0, 0)])


@torch.no_grad()
def _start_from(
    student: FusionStudent, rest: float, units: Sequence[tuple[float, float, float, float]]
) -> FusionStudent:
    """Hidden channel i becomes relu(of_a a + of_b b + bias) at the pixel itself, and its share of the last sum.

    Args:
        student: of as many hidden channels or more.
        rest: what all weights are multiplied with before.
        units: ``(of_a, of_b, bias, share)`` of each channel.
    """
    hidden_bias, output_bias = student.hidden.bias, student.output.bias
    assert hidden_bias is not None
    assert output_bias is not None
    for weight in (student.hidden.weight, student.output.weight):
        weight.mul_(rest)
    for values in (hidden_bias, output_bias):
        values.zero_()
    for channel, (of_a, of_b, bias, share) in enumerate(units):
        student.hidden.weight[channel, :, 1, 1] += torch.tensor([of_a, of_b])
        hidden_bias[channel] = bias
        student.output.weight[0, channel, 1, 1] += share
    return student
