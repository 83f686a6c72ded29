from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_dataset import SHAPE, write_dataset

from monai_fusion.errors import InputError
from monai_fusion.evaluation.pairs import PairFolder


@pytest.mark.parametrize(
    ("folders", "first", "medical"),
    [
        (("PET", "mri"), "mri", True),
        (("CT", "MR"), "MR", True),
        (("ir", "vi"), "vi", False),
        (("infrared", "Visible"), "Visible", False),
        (("b", "A"), "A", True),
    ],
    ids=str,
)
def test_which_source_is_the_first(tmp_path: Path, folders: tuple[str, str], first: str, medical: bool) -> None:
    pairs = PairFolder(write_dataset(tmp_path, ["x"], folders))
    assert pairs.sources[0] == first
    assert set(pairs.sources) == set(folders)
    assert pairs.is_medical is medical
    stated = PairFolder(tmp_path, [pairs.sources[1], pairs.sources[0]])
    for image, other in zip(pairs.read("x"), reversed(stated.read("x"))):
        assert torch.equal(image, other)


def test_reading(tmp_path: Path) -> None:
    pairs = PairFolder(write_dataset(tmp_path / "some" / "set"))
    assert (pairs.names, pairs.title) == (["a", "b", "c"], "set")
    first, second = pairs.read("b")
    assert first.shape == second.shape == (1, 1, *SHAPE)
    assert first.dtype == torch.float32
    stored = np.asarray(Image.open(tmp_path / "some" / "set" / "MRI" / "b.png"))
    np.testing.assert_array_equal((first[0, 0] * 255).round().numpy(), stored)


def test_matched_by_stem_in_any_format(tmp_path: Path) -> None:
    write_dataset(tmp_path, ["x", "y"])
    Image.open(tmp_path / "PET" / "x.png").save(tmp_path / "PET" / "x.JPG")
    (tmp_path / "PET" / "x.png").unlink()
    (tmp_path / "MRI" / "notes.txt").write_text("no picture")
    (tmp_path / "MRI" / ".hidden.png").write_text("no picture")
    pairs = PairFolder(tmp_path)
    assert pairs.names == ["x", "y"]
    pairs.read("x")


def test_broken_pairs(tmp_path: Path) -> None:
    names = ["cut", "doubled", "lonely", "small", "wide"]
    write_dataset(tmp_path, names)
    whole = tmp_path / "PET" / "cut.png"
    whole.write_bytes(whole.read_bytes()[:500])
    Image.open(tmp_path / "PET" / "doubled.png").save(tmp_path / "PET" / "doubled.jpg")
    (tmp_path / "MRI" / "lonely.png").unlink()
    for source in ("MRI", "PET"):
        Image.new("L", (40, 90)).save(tmp_path / source / "small.png")
    Image.new("L", (80, 64)).save(tmp_path / "MRI" / "wide.png")
    pairs = PairFolder(tmp_path)
    assert pairs.names == names
    for name, says in {
        "cut": r"cut\.png: not a readable picture",
        "doubled": r"PET: not one picture called doubled \(found: doubled\.jpg, doubled\.png\)",
        "lonely": r"MRI: not one picture called lonely \(found: none\)",
        "small": "small is 40x90; the metrics need 41x41",
        "wide": "wide is 80x64 in MRI, 75x64 in PET",
    }.items():
        with pytest.raises(InputError, match=says):
            pairs.read(name)


def test_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        PairFolder(tmp_path / "nowhere")
    (tmp_path / "MRI").mkdir()
    with pytest.raises(InputError, match=r"1 subfolders \(MRI\), not one for each of two sources; name the two"):
        PairFolder(tmp_path)
    for name in ("PET", "SPECT"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=r"3 subfolders \(MRI, PET, SPECT\)"):
        PairFolder(tmp_path)
    with pytest.raises(InputError, match=r"no picture \(\.png.*\) in MRI and PET"):
        PairFolder(tmp_path, ["MRI", "PET"])
    with pytest.raises(InputError, match="CT: no such folder"):
        PairFolder(tmp_path, ["MRI", "CT"])
    for sources in (["MRI"], ["MRI", "MRI"], "MR"):
        with pytest.raises(InputError, match="name two subfolders"):
            PairFolder(tmp_path, sources)
