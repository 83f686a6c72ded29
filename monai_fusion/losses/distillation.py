"""Digestible distillation: the student's last two stages against the teacher's."""

from __future__ import annotations

import torch
from torch import nn

from monai_fusion.errors import InputError

__all__ = ["DistillationLoss"]

Stages = tuple[torch.Tensor, torch.Tensor]


class DistillationLoss(nn.Module):
    r"""Distance between the attention maps of teacher and student, of their features and of their outputs.

    .. math::
        L_{distill} = \frac12 \sum_{i=1}^2 \left\lVert \frac{\mathrm{vec} F(T_i)}{\lVert \mathrm{vec} F(T_i) \rVert_2} -
        \frac{\mathrm{vec} F(S_i)}{\lVert \mathrm{vec} F(S_i) \rVert_2} \right\rVert_2,\quad F(X) = \sum_c x_c

    with T1, S1 the four maps before the last convolution and T2, S2 the outputs. Deng et al., "MMDRFuse", ACM MM 2024,
    after S. Zagoruyko and N. Komodakis, "Paying more attention to attention", ICLR 2017.

    Args:
        norm: ``"sample"``, the paper's: each image by itself, mean over the batch. ``"batch"``, the published
            program's: the squared norm of the whole batch as one vector; depends on the batch size.
        digestible: False compares the outputs and the four maps themselves, mean squared differences without sum over
            channels and without norm: the paper's ablation "no digestible distillation", which it does not define.

    Shape:
        Twice the pair ``(N, C, H, W)``, ``(N, 1, H, W)`` of `forward_features`; output: a scalar. A map that is zero
        everywhere counts as a zero vector.
    """

    def __init__(self, norm: str = "sample", digestible: bool = True) -> None:
        super().__init__()
        if norm not in ("sample", "batch"):
            raise InputError(f"norm={norm!r} of the distillation: choose sample or batch")
        self.norm, self.digestible = norm, digestible

    def forward(self, student: Stages, teacher: Stages) -> torch.Tensor:
        return torch.stack([self._distance(s, t.detach()) for s, t in zip(student, teacher, strict=True)]).mean()

    def _distance(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        if not self.digestible:
            return (student - teacher).square().mean()
        difference = self._attention(student) - self._attention(teacher)
        if self.norm == "batch":
            return difference.square().sum()
        return torch.linalg.vector_norm(difference, dim=1).mean()

    def _attention(self, maps: torch.Tensor) -> torch.Tensor:
        """The sum over channels as unit vectors: ``(N, H * W)``, or ``(1, N * H * W)`` of the whole batch."""
        summed = maps.sum(dim=1).flatten(1 if self.norm == "sample" else 0)
        return nn.functional.normalize(summed if self.norm == "sample" else summed[None], dim=1)
