from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_fusion.data.picture_pairs import PicturePair, find_pairs, gather_pairs, read_pair
from monai_fusion.errors import InputError


def save(path: Path, array: np.ndarray | None = None, **options: object) -> Path:
    """A picture, of noise if nothing else is said; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(path.stem.encode())).integers(0, 256, (40, 50), dtype=np.uint8)
    Image.fromarray(noise if array is None else array).save(path, **options)
    return path


def flat(level: int, shape: tuple[int, int] = (8, 8)) -> np.ndarray:
    """One level, but for a corner."""
    array = np.full(shape, level, dtype=np.uint8)
    array[0, 0] = 255 - level
    return array


# --- Finding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("visible", "infrared"),
    [("visible", "infrared"), ("vis", "ir"), ("vi", "ir"), ("VIS", "IR"), ("visible/train", "infrared/train")],
)
def test_two_subfolders(visible: str, infrared: str, tmp_path: Path) -> None:
    """Matched by the names without suffix, in their order; hidden files, other files and LLVIP's test are not read."""
    for stem in ("b", "a"):
        save(tmp_path / visible / f"{stem}.png")
        save(tmp_path / infrared / f"{stem}.jpg")
    (tmp_path / visible / "notes.txt").touch()
    (tmp_path / visible / "._a.png").touch()
    save(tmp_path / visible.split("/")[0] / "test" / "c.png")
    assert find_pairs(tmp_path) == [
        PicturePair(f"{visible}/{s}.png", tmp_path / visible / f"{s}.png", tmp_path / infrared / f"{s}.jpg")
        for s in ("a", "b")
    ]


def test_named_subfolders(tmp_path: Path) -> None:
    for folder in ("vi", "ir", "crop_visible", "crop_infrared"):
        save(tmp_path / folder / "both.png")
    [pair] = find_pairs(tmp_path, visible="crop_visible", infrared="crop_infrared")
    assert pair == PicturePair(
        "crop_visible/both.png", tmp_path / "crop_visible" / "both.png", tmp_path / "crop_infrared" / "both.png"
    )


def test_side_by_side(tmp_path: Path) -> None:
    """Left visible, right infrared, unless the sides are named."""
    left, right = flat(10), flat(200)
    file = save(tmp_path / "a.png", np.hstack([left, right]))
    [pair] = find_pairs(tmp_path)
    assert pair == PicturePair("a.png", file, file, ("left", "right"))
    np.testing.assert_array_equal(read_pair(pair), [left, right])
    [pair] = find_pairs(tmp_path, visible="right", infrared="left")
    np.testing.assert_array_equal(read_pair(pair), [right, left])


def test_several_sources(tmp_path: Path) -> None:
    for name in ("two/vis/a.png", "two/ir/a.png"):
        save(tmp_path / name)
    save(tmp_path / "one" / "b.png", np.hstack([flat(10), flat(200)]))
    pairs = gather_pairs([str(tmp_path / "two"), tmp_path / "one"])
    assert [pair.name for pair in pairs] == ["vis/a.png", "b.png"]
    assert gather_pairs([pairs, pairs[0]]) == [*pairs, pairs[0]]


def nothing(folder: Path) -> None:
    folder.mkdir()


def two_visible(folder: Path) -> None:
    for name in ("vi", "vis", "ir"):
        save(folder / name / "a.png")


def only_infrared(folder: Path) -> None:
    save(folder / "ir" / "a.png")


def both_layouts(folder: Path) -> None:
    for name in ("vis/a.png", "ir/a.png", "a.png"):
        save(folder / name)


def ordinary_pictures(folder: Path) -> None:
    save(folder / "a.png")


def twice_the_name(folder: Path) -> None:
    for name in ("vis/a.png", "vis/a.jpg", "ir/a.png"):
        save(folder / name)


def pictures_and_train(folder: Path) -> None:
    for name in ("vis/a.png", "vis/train/b.png", "ir/a.png"):
        save(folder / name)


def no_namesakes(folder: Path) -> None:
    for name in ("vis/a.png", "ir/b.png"):
        save(folder / name)


def empty_subfolder(folder: Path) -> None:
    save(folder / "vis" / "a.png")
    (folder / "ir").mkdir()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (nothing, r"not clear \(found: neither\); name the two subfolders"),
        (two_visible, r"not clear \(found: vi, vis, ir\)"),
        (only_infrared, r"not clear \(found: ir\)"),
        (both_layouts, r"not clear \(found: vis, ir, pictures\)"),
        (ordinary_pictures, r"not clear \(found: pictures\)"),
        (twice_the_name, r"a\.png: a\.jpg has the same name"),
        (pictures_and_train, r"vis: pictures are both in it and in its train"),
        (no_namesakes, r"a\.png: there is no infrared picture a in .*ir; add it"),
        (empty_subfolder, r"ir: pictures are neither in it"),
        (lambda folder: None, r"no such folder"),
    ],
)
def test_refused_rather_than_guessed(make: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    make(tmp_path / "source")
    with pytest.raises(InputError, match=says):
        find_pairs(tmp_path / "source")


def test_one_role_is_not_enough(tmp_path: Path) -> None:
    two_visible(tmp_path)
    for names in ({"visible": "vis"}, {"infrared": "ir"}, {"visible": "ir", "infrared": "ir"}):
        with pytest.raises(InputError, match="name both of the two or neither"):
            find_pairs(tmp_path, **names)


def test_missing_partner(tmp_path: Path) -> None:
    for name in ("vis/a.png", "vis/b.png", "ir/b.png", "ir/c.png"):
        save(tmp_path / name)
    with pytest.raises(InputError, match=r"vis/a\.png: there is no infrared picture a"):
        find_pairs(tmp_path)
    with pytest.warns(UserWarning, match="left out") as warned:
        assert [pair.name for pair in find_pairs(tmp_path, on_damaged="skip")] == ["vis/b.png"]
    assert ["a.png" in str(w.message) or "c.png" in str(w.message) for w in warned] == [True, True]
    (tmp_path / "vis" / "b.png").unlink()
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(InputError, match="no picture in vis has a namesake in ir"),
    ):
        find_pairs(tmp_path, on_damaged="skip")


# --- Reading -----------------------------------------------------------------------------------------------------


def test_colour_becomes_grey_by_the_luma(tmp_path: Path) -> None:
    """0.299, 0.587 and 0.114 of 255, as OpenCV has them."""
    rgb = np.zeros((4, 4, 3), dtype=np.uint8)
    rgb[0, 0], rgb[0, 1], rgb[0, 2], rgb[1:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), 255
    pair = PicturePair("a", save(tmp_path / "vis.png", rgb), save(tmp_path / "ir.png", flat(7, (4, 4))))
    picture = read_pair(pair)
    assert picture.dtype == torch.uint8
    assert picture[0, 0].tolist() == [76, 149, 29, 0]
    assert picture[1, 1].tolist() == [7, 7, 7, 7]


def test_different_sizes(tmp_path: Path) -> None:
    pair = PicturePair("a", save(tmp_path / "vis.png", flat(1, (6, 8))), save(tmp_path / "ir.png", flat(1, (8, 6))))
    with pytest.raises(InputError, match=r"vis\.png is 8x6, but .*ir\.png is 6x8; register"):
        read_pair(pair)


def test_one_grey_level_is_no_picture(tmp_path: Path) -> None:
    black = save(tmp_path / "ir.png", np.zeros((8, 8), dtype=np.uint8))
    with pytest.raises(InputError, match=r"ir\.png: the infrared picture is 0 everywhere"):
        read_pair(PicturePair("a", save(tmp_path / "vis.png", flat(1)), black))
    half = save(tmp_path / "both.png", np.hstack([np.full((8, 8), 9, dtype=np.uint8), flat(1)]))
    with pytest.raises(InputError, match=r"both\.png: the visible picture is 9 everywhere"):
        read_pair(PicturePair("a", half, half, ("left", "right")))


def test_odd_width_has_no_halves(tmp_path: Path) -> None:
    odd = save(tmp_path / "a.png", flat(1, (8, 15)))
    with pytest.raises(InputError, match=r"a\.png: 15 pixels across are not two pictures"):
        read_pair(PicturePair("a", odd, odd, ("left", "right")))


# --- Real data ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("llvip_full", 32), ("llvip_256", 1152), ("roadscene", 171)])
def test_shared_pairs_are_found(name: str, count: int, shared: Path) -> None:
    """As many as `shared/README.md` counts."""
    assert len(find_pairs(shared / "data" / "ivif_train" / name)) == count


def test_the_sides_are_not_mixed_up(shared: Path) -> None:
    """`llvip_256` holds the pairs of `llvip_full` in small: each half must look like the picture of that role."""
    full = {pair.visible.stem: pair for pair in find_pairs(shared / "data" / "ivif_train" / "llvip_full")}
    small = {pair.visible.stem: pair for pair in find_pairs(shared / "data" / "ivif_train" / "llvip_256")}
    for stem in sorted(full)[::8]:
        halves = read_pair(small[stem]).numpy()
        for i, picture in enumerate(read_pair(full[stem]).numpy()):
            shrunk = np.asarray(Image.fromarray(picture).resize((256, 256), Image.Resampling.BOX))
            same, other = (np.corrcoef(shrunk.ravel(), half.ravel())[0, 1] for half in (halves[i], halves[1 - i]))
            assert same > 0.98 > other
