"""Networks as training sees them: both stages as the output, and what a student starts from."""

from __future__ import annotations

import torch
from torch import nn

from monai_fusion.networks.student import FusionStudent
from monai_fusion.networks.teacher import FusionTeacher

__all__ = ["ForwardStages", "start_from_screen", "start_from_teacher"]


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


@torch.no_grad()
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
    hidden_bias, output_bias = student.hidden.bias, student.output.bias
    assert hidden_bias is not None
    assert output_bias is not None
    for weight in (student.hidden.weight, student.output.weight):
        weight.mul_(0.05)
    for values in (hidden_bias, output_bias):
        values.zero_()
    for channel, (of_a, of_b, bias, share) in enumerate([(0.5, 1, 0, 1), (1, -1, 0, 0.5), (1, 1, -1, -0.5)]):
        student.hidden.weight[channel, :, 1, 1] += torch.tensor([of_a, of_b])
        hidden_bias[channel] = bias
        student.output.weight[0, channel, 1, 1] += share
    return student
