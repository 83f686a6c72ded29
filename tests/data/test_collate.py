from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor, decollate_batch
from monai.data.utils import list_data_collate

from monai_fusion.data.collate import collate_study


def study(seed: int) -> dict[str, object]:
    affine = torch.diag(torch.tensor([1.0, 2, 3, 1], dtype=torch.float64))
    voxels = torch.rand(2, 4, 5, 6, generator=torch.Generator().manual_seed(seed))
    image = MetaTensor(voxels, meta={"affine": affine, "slice_axis": 2, "source": "a"}, applied_operations=[{"id": 1}])
    return {"image": image, "report": "{}", "plain": torch.ones(3), "number": 4.5}


@pytest.mark.parametrize("count", [1, 2])
def test_as_monai(count: int) -> None:
    batch = [study(i) for i in range(count)]
    ours, monai = collate_study(batch), list_data_collate(batch)
    assert ours.keys() == monai.keys()
    assert type(ours["image"]) is MetaTensor
    assert torch.equal(ours["image"].as_tensor(), monai["image"].as_tensor())
    assert repr(ours["image"].__dict__) == repr(monai["image"].__dict__)
    for key in ("report", "plain", "number"):
        assert repr(ours[key]) == repr(monai[key])
    for back, item in zip(decollate_batch(ours), batch):
        assert back["image"].meta["source"] == "a"
        assert torch.equal(back["image"].affine, item["image"].affine)
        assert torch.equal(back["image"].as_tensor(), item["image"].as_tensor())


def test_one_study_is_not_copied() -> None:
    batch = [study(0)]
    collated = collate_study(batch)["image"]
    assert collated.shape == (1, 2, 4, 5, 6)
    assert collated.data_ptr() == batch[0]["image"].data_ptr()
    assert decollate_batch(collated)[0].data_ptr() == collated.data_ptr()
