"""How much of each fused pixel comes from the functional image, as a volume."""

from __future__ import annotations

import numpy as np
import torch

from monai_fusion.networks import FusionStudent, load_checkpoint
from monai_fusion.networks.attribution import attribute_sources
from monai_fusion.slices import SlicePlan
from monai_fusion.workflow import FusionResult, open_bundle

__all__ = ["functional_share"]

_CHUNK = 8


def functional_share(result: FusionResult, slice_axis: int | None) -> np.ndarray:
    """The functional image's share of what both sources contribute to the output, by size: 0 to 255.

    Args:
        result: of a `FusionStudent` with the bundle's weights.
        slice_axis: along which the MRI was acquired, as for `SlicePlan`; None for a picture.

    Returns:
        uint8 of the shape of ``result.fused``; 0 where neither source contributes.
    """
    workflow = open_bundle()
    student = load_checkpoint(workflow.network_def, workflow.parser.get_parsed_content("checkpoint"))
    assert isinstance(student, FusionStudent)
    order = result.report["channel_order"]
    image = torch.stack([torch.from_numpy(result.sources[name]) for name in order])
    if slice_axis is None:
        return _share(student, image[None], order)[0, 0].numpy()
    plan = SlicePlan.for_volume(result.affine, "acquisition", slice_axis)
    share = torch.empty((1, *image.shape[1:]), dtype=torch.uint8)
    count = image.shape[plan.axis + 1]
    for start in range(0, count, _CHUNK):
        slices = plan.take(image, start, min(start + _CHUNK, count)).contiguous()
        plan.put(_share(student, slices, order), share, start)
    return share[0].numpy()


def _share(student: FusionStudent, slices: torch.Tensor, order: list[str]) -> torch.Tensor:
    contributions = attribute_sources(student, slices)[0].abs()
    functional = contributions[:, [order.index("functional")]]
    total = contributions.sum(dim=1, keepdim=True)
    share = torch.where(total > 1e-6, functional / total.clamp_min(1e-6), 0)
    return (share * 255).round_().to(torch.uint8)
