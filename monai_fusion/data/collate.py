"""A batch of one study, without a copy of its images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.data.utils import list_data_collate

__all__ = ["collate_study"]


def collate_study(batch: Sequence[Mapping[Hashable, Any]]) -> dict[Hashable, Any]:
    """As MONAI's `list_data_collate`, but the images of a batch of one are not copied: they get a batch axis.

    Args:
        batch: what the dataset gave. Several studies, which must be of one size, are copied as usual.

    Returns:
        Each `MetaTensor` ``(C, ...)`` as ``(N, C, ...)`` with the metadata collated.
    """
    if len(batch) > 1:
        return dict(list_data_collate(batch))
    [study] = batch
    images = {key: value for key, value in study.items() if isinstance(value, MetaTensor)}
    metadata = {key: _without_voxels(image) for key, image in images.items()}
    collated: dict[Hashable, Any] = dict(list_data_collate([{**study, **metadata}]))
    for key, image in images.items():
        collated[key] = MetaTensor(image.as_tensor()[None]).copy_meta_from(collated[key], copy_attr=False)
    return collated


def _without_voxels(image: MetaTensor) -> MetaTensor:
    """An image of the same number of axes and the same metadata that holds one voxel."""
    return MetaTensor(torch.zeros([1] * image.ndim), meta=image.meta, applied_operations=image.applied_operations)
