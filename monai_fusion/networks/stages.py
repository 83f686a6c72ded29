"""Networks as distillation sees them: both stages as the output, and the student's start from its teacher."""

from __future__ import annotations

import torch
from torch import nn

from monai_fusion.networks.student import FusionStudent
from monai_fusion.networks.teacher import FusionTeacher

__all__ = ["ForwardStages", "start_from_teacher"]


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
