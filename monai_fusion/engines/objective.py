"""What a training step minimises: the comprehensive, the distillation and the refresh loss together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from monai_fusion.engines.refresh_memory import RefreshMemory
from monai_fusion.losses.comprehensive import ComprehensiveLoss
from monai_fusion.losses.distillation import DistillationLoss
from monai_fusion.losses.refresh import RefreshLoss

__all__ = ["DistillationObjective", "Objective", "TargetCache"]

#: From a network (anything that takes images) and a batch with ``image`` ``(N, 2, H, W)`` and ``index`` ``(N,)`` to
#: scalars: ``loss``, which is minimised, and its terms, for the curves.
Objective = Callable[[Callable[..., Any], Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]


class TargetCache:
    """Keeps the features that the perceptual loss wants, by patch index: they never change.

    It spares two of the three VGG passes of a step from the second epoch on, and takes 4 MiB a patch of 128x128 in host
    memory (float16). For small training sets on a CPU.

    Args:
        patches: how many the training set has.
    """

    def __init__(self, patches: int) -> None:
        self.patches = patches
        self.known = torch.zeros(patches, dtype=torch.bool)
        self.taps: list[torch.Tensor] = []

    def __call__(self, index: torch.Tensor, compute: Callable[[], Sequence[torch.Tensor]]) -> list[torch.Tensor]:
        """The features of the patches, computed where one is not known."""
        where, device = index.cpu(), index.device
        if not self.known[where].all():
            taps = compute()
            if not self.taps:
                self.taps = [torch.empty((self.patches, *tap.shape[1:]), dtype=torch.float16) for tap in taps]
            for kept, tap in zip(self.taps, taps, strict=True):
                kept[where] = tap.to("cpu", torch.float16)
            self.known[where] = True
        return [kept[where].to(device, torch.float32) for kept in self.taps]


class DistillationObjective(nn.Module):
    r"""The total loss of teacher and student.

    .. math::
        L_{total} = \theta L_{distill} + \lambda L_{comp} + L_{refresh}

    Deng et al., "MMDRFuse", ACM MM 2024. The teacher is trained without the first term, both with the last.

    Args:
        comprehensive: its loss.
        comprehensive_weight: :math:`\lambda`.
        distillation: its loss; None, or a weight of 0, for none.
        distillation_weight: :math:`\theta`.
        teacher: the trained teacher, needed for distillation; it is frozen.
        refresh: its loss; None for none.
        memory: the records for it.
        target_cache: where the perceptual targets are kept; None computes them anew at every step.
    """

    def __init__(
        self,
        comprehensive: ComprehensiveLoss,
        comprehensive_weight: float = 1.0,
        distillation: DistillationLoss | None = None,
        distillation_weight: float = 0.0,
        teacher: nn.Module | None = None,
        refresh: RefreshLoss | None = None,
        memory: RefreshMemory | None = None,
        target_cache: TargetCache | None = None,
    ) -> None:
        super().__init__()
        self.comprehensive, self.comprehensive_weight = comprehensive, comprehensive_weight
        self.distillation = distillation if distillation_weight and teacher is not None else None
        self.distillation_weight = distillation_weight
        self.teacher = teacher.requires_grad_(False).eval() if teacher is not None else None
        self.refresh, self.memory = refresh, memory
        self.target_cache = target_cache

    def forward(self, network: Callable[..., Any], batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """
        Args:
            network: returns the two stages of `forward_features`; see `monai_fusion.networks.ForwardStages`.
            batch: ``image`` ``(N, 2, H, W)`` in [0, 1], and ``index`` of its patches, ``(N,)``.

        Returns:
            ``loss`` and its unweighted terms, scalars.
        """
        image, index = batch["image"], batch["index"]
        source_a, source_b = image[:, :1], image[:, 1:]
        stages = network(image)
        fused = stages[1]
        perceptual = self.comprehensive.perceptual
        needs_taps = self.refresh is not None or self.comprehensive.weights["perceptual"]
        taps = perceptual.features(fused) if needs_taps else None
        target = None
        if self.target_cache is not None and self.comprehensive.weights["perceptual"]:
            target = self.target_cache(index, lambda: perceptual.target(source_a, source_b))
        terms = self.comprehensive.terms(fused, source_a, source_b, taps=taps, target=target)
        loss = self.comprehensive_weight * self.comprehensive.weigh(terms)
        if self.distillation is not None and self.teacher is not None:
            with torch.no_grad():
                expected = self.teacher.forward_features(image)  # type: ignore[operator]
            terms["distillation"] = self.distillation(stages, expected)
            loss = loss + self.distillation_weight * terms["distillation"]
        if self.refresh is not None and self.memory is not None and taps is not None:
            records = self.memory.refresh(index, fused, source_a, source_b)
            terms["refresh"] = self.refresh(
                fused, taps, records.best_ssim, records.best_gmsd, records.ssim_gap, records.gmsd_gap
            )
            loss = loss + terms["refresh"]
        return {"loss": loss, **terms}
