from __future__ import annotations

import gc
import weakref

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import ConcatItemsd

from monai_fusion.transforms.stack import StackSourcesd


@pytest.mark.parametrize("shape", [(4, 5, 6), (7, 8)])
@pytest.mark.parametrize("order", [["mri", "functional"], ["functional", "mri"]])
def test_as_monai_concatenates(shape: tuple[int, ...], order: list[str]) -> None:
    data = {
        "mri": MetaTensor(torch.rand(1, *shape), meta={"slice_axis": 2}),
        "functional": MetaTensor(torch.rand(1, *shape), meta={"slice_axis": 2}),
        "report": "{}",
    }
    expected = ConcatItemsd(order, "image")(data)["image"]
    found = StackSourcesd(order)(data)
    assert found.keys() == {"image", "report"}
    assert torch.equal(found["image"].as_tensor(), expected.as_tensor())
    assert torch.equal(found["image"].affine, expected.affine)
    assert found["image"].meta["slice_axis"] == 2
    assert found["image"].is_contiguous()


def test_keeps_the_order_in_memory_and_frees_the_sources() -> None:
    """Slice after slice, as the files have it."""
    volumes = [torch.rand(1, 6, 5, 4).permute(0, 3, 2, 1) for _ in range(2)]
    data = {"mri": MetaTensor(volumes[0]), "functional": MetaTensor(volumes[1].contiguous())}
    freed = [weakref.ref(value) for value in data.values()]
    image = StackSourcesd(["mri", "functional"])(data)["image"]
    gc.collect()
    assert [each() for each in freed] == [None, None]
    assert image[0].stride() == image[1].stride() == (1, 4, 20)
    assert torch.equal(image.as_tensor(), torch.cat(volumes))
