from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import DataLoader
from PIL import Image, ImageFile
from torch.utils.data import DistributedSampler, Subset

from monai_fusion import cli
from monai_fusion.data.patches import PatchPairs, open_patches, pass_batch
from monai_fusion.errors import InputError, OutputError

REFUSED, NOT_WRITTEN = 3, 4


def scene(number: int, shape: tuple[int, int] = (48, 64)) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that say where each pixel comes from: the row in the visible one, the column in the infrared one.

    Both carry the number of the pair in their two upper bits.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return tuple((number * 64 + where).astype(np.uint8) for where in (rows, columns))


def save_pairs(folder: Path, count: int = 3, suffix: str = ".png") -> Path:
    for role, i in (("visible", 0), ("infrared", 1)):
        (folder / role).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(scene(number)[i]).save(folder / role / f"{number}{suffix}")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save_pairs(tmp_path / "pairs")


def places(patches: torch.Tensor) -> list[tuple[int, int, int]]:
    """The pair, row and column of the upper left corner of each patch of `scene`, checked on all its pixels."""
    found = []
    for patch in patches.long():
        number, top, left = patch[0, 0, 0] // 64, patch[0, 0, 0] % 64, patch[1, 0, 0] % 64
        rows, columns = torch.meshgrid(*(torch.arange(n) for n in patch.shape[1:]), indexing="ij")
        assert torch.equal(patch, torch.stack([number * 64 + top + rows, number * 64 + left + columns]))
        found.append((int(number), int(top), int(left)))
    return found


# --- On a grid ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "stride", "tops", "lefts"),
    [
        (16, None, (0, 16, 32), (0, 16, 32, 48)),
        (16, 24, (0, 24), (0, 24, 48)),
        (20, 10, (0, 10, 20), (0, 10, 20, 30, 40)),
        (48, 16, (0,), (0, 16)),
        (48, None, (0,), (0,)),
    ],
)
def test_grid(size: int, stride: int | None, tops: tuple[int, ...], lefts: tuple[int, ...], source: Path) -> None:
    patches = PatchPairs.grid(source, size, stride)
    assert places(patches.patches) == [(number, top, left) for number in range(3) for top in tops for left in lefts]
    assert patches.patches.shape[1:] == (2, size, size)
    assert patches.facts["stride"] == (stride or size)


def test_limit_is_spread_evenly(tmp_path: Path) -> None:
    """Not the first ones, which are of one scene; the same half of the pixels for all, as four pairs carry numbers."""
    save_pairs(tmp_path / "four", 4)
    for limit, numbers in ((1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])):
        patches = PatchPairs.grid(tmp_path / "four", 48, limit=limit)
        assert [number for number, _, _ in places(patches.patches)] == numbers
        assert patches.facts["pairs"] == len(numbers)


@pytest.mark.parametrize("bad", [{"size": 0}, {"stride": 0}, {"limit": 0}])
def test_grid_numbers_are_positive(bad: dict[str, int], source: Path) -> None:
    with pytest.raises(InputError, match=f"{next(iter(bad))} is 0"):
        PatchPairs.grid(source, **bad)


def test_shared_layouts(shared: Path) -> None:
    """32 pairs of 10 x 8 patches; two by two of a 256x256 half. 200 pairs of the first are the paper's 16,000."""
    folder = shared / "data" / "ivif_train"
    full = PatchPairs.grid(folder / "llvip_full")
    assert len(full) == 32 * 10 * 8
    assert full.facts["pairs"] * 16000 == 200 * len(full)
    assert len(PatchPairs.grid(folder / "llvip_256", limit=20)) == 20 * 4
    assert len(PatchPairs.grid([folder / "llvip_full", folder / "roadscene"], limit=10)) > 10


# --- At random ---------------------------------------------------------------------------------------------------


def test_random_crops_do_not_depend_on_count(source: Path) -> None:
    many = PatchPairs.random_crops(source, 16, 100, seed=5)
    assert torch.equal(PatchPairs.random_crops(source, 16, 31, seed=5).patches, many.patches[:31])
    assert torch.equal(PatchPairs.random_crops(source, 16, 2, seed=5).patches, many.patches[:2])
    assert not torch.equal(PatchPairs.random_crops(source, 16, 100, seed=6).patches, many.patches)


def test_random_crops_are_everywhere(source: Path) -> None:
    found = places(PatchPairs.random_crops(source, 16, 900, seed=0).patches)
    assert [sum(number == n for number, _, _ in found) for n in range(3)] == [300, 300, 300]
    assert {top for _, top, _ in found} == set(range(48 - 16 + 1))
    assert {left for _, _, left in found} == set(range(64 - 16 + 1))


def test_variation_belongs_to_the_index(source: Path) -> None:
    """Whatever thread makes a crop, and however many there are."""

    def gain(crop: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return crop * (0.5 + torch.rand(1, generator=generator))

    plain = PatchPairs.random_crops(source, 16, 60, seed=5)
    varied = PatchPairs.random_crops(source, 16, 60, seed=5, vary=gain)
    again = PatchPairs.random_crops(source, 16, 20, seed=5, vary=gain)
    assert torch.equal(again.patches, varied.patches[:20])
    bright = [(a, b) for a, b in zip(plain.patches.float(), varied.patches.float()) if a.min() > 64 and b.max() < 255]
    gains = [float((b / a).mean()) for a, b in bright]
    assert len(gains) > 10
    assert all(0.49 < g < 1.51 for g in gains)
    assert np.std(gains) > 0.1
    for (a, b), g in zip(bright, gains):
        assert (a * g - b).abs().max() < 1.5
    assert varied.facts["vary"].endswith("gain")


def test_variation_is_clipped_and_rounded(source: Path) -> None:
    plain = PatchPairs.random_crops(source, 16, 9, seed=5).patches.double()
    varied = PatchPairs.random_crops(source, 16, 9, seed=5, vary=lambda crop, _: 2.5 * crop - 0.25).patches
    assert torch.equal(varied.double(), (2.5 * plain - 63.75).round().clamp(0, 255))
    for wrong in (lambda crop, _: crop[:1], lambda crop, _: crop / 0):
        with pytest.raises(ValueError, match="or values that are not finite"):
            PatchPairs.random_crops(source, 16, 9, seed=5, vary=wrong)


# --- Damage ------------------------------------------------------------------------------------------------------


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def no_picture(file: Path) -> None:
    file.write_text("not found")


def another_size(file: Path) -> None:
    Image.fromarray(np.hstack(scene(1))).save(file)


def too_small(file: Path) -> None:
    for role in ("visible", "infrared"):
        Image.fromarray(scene(1)[0][:10]).save(file.parents[1] / role / file.name)


def black(file: Path) -> None:
    Image.new("L", (64, 48)).save(file)


def missing(file: Path) -> None:
    file.unlink()


DAMAGE = [cut_short, empty, no_picture, another_size, too_small, black, missing]
Cut = Callable[..., PatchPairs]
CUTS: list[Cut] = [
    lambda source, **policy: PatchPairs.grid(source, 16, **policy),
    lambda source, **policy: PatchPairs.random_crops(source, 16, 30, seed=0, **policy),
]


@pytest.mark.parametrize("role", ["visible", "infrared"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(damage: Callable[[Path], None], suffix: str, role: str, tmp_path: Path) -> None:
    """Refused or left out; what is left is what the sound pairs alone give, even if Pillow was told to pad."""
    source = save_pairs(tmp_path / "pairs", suffix=suffix)
    sound = PatchPairs.grid(source, 16).patches.view(3, 12, 2, 16, 16)[[0, 2]].flatten(0, 1)
    damage(source / role / f"1{suffix}")
    for lenient in (False, True):
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
        try:
            with pytest.raises(InputError, match=rf"1{suffix}.*skip damaged pairs"):
                PatchPairs.grid(source, 16)
            with pytest.warns(UserWarning, match=rf"1{suffix}.*left out") as warned:
                left = PatchPairs.grid(source, 16, on_damaged="skip")
            assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        assert len(warned) == 1
        assert torch.equal(left.patches, sound)
        assert left.facts["pairs"] == 2
        assert left.facts["skipped"] == ([] if damage is missing else [f"visible/1{suffix}"])


def test_other_crops_stay_when_a_pair_is_skipped(source: Path) -> None:
    sound = places(PatchPairs.random_crops(source, 16, 31, seed=0).patches)
    cut_short(source / "visible" / "1.png")
    with pytest.raises(InputError, match=r"1\.png"):
        PatchPairs.random_crops(source, 16, 31, seed=0)
    with pytest.warns(UserWarning, match=r"1\.png.*left out"):
        left = PatchPairs.random_crops(source, 16, 31, seed=0, on_damaged="skip")
    assert places(left.patches) == [place for place in sound if place[0] != 1]


def test_nothing_sound(source: Path) -> None:
    for file in (source / "visible").iterdir():
        cut_short(file)
    for cut in CUTS:
        with pytest.warns(UserWarning, match="left out"), pytest.raises(InputError, match="none of 3 pairs"):
            cut(source, on_damaged="skip")
        with pytest.raises(InputError, match="none of 0 pairs"):
            cut([])


# --- A file ------------------------------------------------------------------------------------------------------


def test_file_round_trip(source: Path, tmp_path: Path) -> None:
    made = PatchPairs.random_crops(source, 16, 30, seed=0)
    made.save(tmp_path / "out" / "patches.npy")
    loaded = PatchPairs.load(tmp_path / "out" / "patches.npy")
    assert torch.equal(loaded.patches, made.patches)
    assert loaded.facts == {
        **{"layout": "random crops", "size": 16, "seed": 0, "vary": None, "pairs": 3, "skipped": []},
        **{"channels": ["visible", "infrared"], "shape": [30, 2, 16, 16], "monai_fusion": cli.monai_fusion.__version__},
    }
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "patches.npy"), made.patches)
    assert str(tmp_path) not in (tmp_path / "out" / "patches.json").read_text()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["patches.json", "patches.npy"]
    (tmp_path / "out" / "patches.json").unlink()
    assert PatchPairs.load(tmp_path / "out" / "patches.npy").facts == {}


def test_a_loaded_file_is_not_changed(source: Path, tmp_path: Path) -> None:
    PatchPairs.grid(source, 16).save(tmp_path / "patches.npy")
    before = (tmp_path / "patches.npy").read_bytes()
    PatchPairs.load(tmp_path / "patches.npy").patches.zero_()
    assert (tmp_path / "patches.npy").read_bytes() == before


def test_bad_files(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "patches.npy"
    patches = PatchPairs.grid(source, 16)
    patches.save(file)
    whole = file.read_bytes()
    strange = [io.BytesIO() for _ in range(3)]
    np.save(strange[0], np.zeros((3, 2, 4, 4), dtype=np.float32))
    np.save(strange[1], np.zeros((3, 3, 4, 4), dtype=np.uint8))
    np.save(strange[2], np.array([{"a": 1}]), allow_pickle=True)
    for content in (b"", b"text", whole[:100], whole[:-1], *(s.getvalue() for s in strange)):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"patches\.npy: not a file of patches"):
            PatchPairs.load(file)
    file.write_bytes(whole)
    for facts in ("", "[]", "{}", json.dumps({**patches.facts, "channels": ["infrared", "visible"]})):
        file.with_suffix(".json").write_text(facts)
        with pytest.raises(InputError, match=r"patches\.json: is not about the patches in patches\.npy"):
            PatchPairs.load(file)
    for do in (PatchPairs.load, patches.save):
        with pytest.raises(InputError, match=r"ends in \.npy"):
            do(tmp_path / "patches.pt")
    with pytest.raises(InputError, match=r"none\.npy"):
        PatchPairs.load(tmp_path / "none.npy")


def test_earlier_file_stays_when_the_new_one_cannot_be_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    PatchPairs.grid(source, 16).save(out / "patches.npy")
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(file: Path, array: np.ndarray) -> None:
        file.write_bytes(array.tobytes()[:100])
        raise OSError("7 requested and 3 written")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match=r"patches\.npy: cannot be written"):
        PatchPairs.grid(source, 24).save(out / "patches.npy")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# --- Loading -----------------------------------------------------------------------------------------------------


def numbered(count: int) -> PatchPairs:
    """Patches of one pixel that hold their own index."""
    index = np.arange(count, dtype=np.uint16)
    return PatchPairs(torch.from_numpy(np.stack([index // 256, index % 256], 1).astype(np.uint8))[..., None, None])


def loader(patches: PatchPairs, batch: int, rank: int = 0, ranks: int = 1, **options: object) -> DataLoader:
    sampler = DistributedSampler(patches, num_replicas=ranks, rank=rank, seed=3, drop_last=True)
    return DataLoader(patches, batch_size=batch, sampler=sampler, drop_last=True, collate_fn=pass_batch, **options)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_their_items(workers: int) -> None:
    """Divided by 255 as float32 divides; through a loader, a subset and one by one."""
    patches = numbered(300)
    for batch in loader(patches, 7, num_workers=workers):
        assert batch["image"].dtype == torch.float32
        assert batch["index"].dtype == torch.int64
        levels = (batch["image"] * 255).round().long().flatten(1)
        assert torch.equal(levels[:, 0] * 256 + levels[:, 1], batch["index"])
        for i, image in zip(batch["index"], batch["image"]):
            item = patches[int(i)]
            assert torch.equal(item["image"], image)
            assert item["index"] == i
            assert np.array_equal(image, patches.patches[i].numpy() / np.float32(255))
    [batch] = DataLoader(Subset(patches, [5, 299]), batch_size=2, collate_fn=pass_batch)
    assert batch["index"].tolist() == [5, 299]
    assert patches[-1]["index"] == 299
    assert [int(item["index"]) for item in patches] == list(range(300))


def epochs(*loaders: DataLoader) -> Iterator[list[list[int]]]:
    """The indices of every step of all loaders together, for three epochs."""
    for epoch in (1, 2, 3):
        for one in loaders:
            one.sampler.set_epoch(epoch)
        steps = [[batch["index"].tolist() for batch in one] for one in loaders]
        assert len({len(one) for one in steps}) == 1
        yield [sorted(chain.from_iterable(step)) for step in zip(*steps)]


@pytest.mark.parametrize("count", [104, 107, 130, 260])
def test_two_ranks_see_what_one_process_sees(count: int) -> None:
    """Each step, with half the batch; and the order is another in every epoch."""
    patches = numbered(count)
    one = list(epochs(loader(patches, 26)))
    assert list(epochs(*(loader(patches, 13, rank, 2) for rank in (0, 1)))) == one
    assert [len(steps) for steps in one] == [count // 26] * 3
    assert one[0] != one[1] != one[2]


def test_order_depends_on_seed_and_epoch_alone() -> None:
    """So that a run that is resumed goes on as it would have."""
    torch.manual_seed(1)
    straight = list(epochs(loader(numbered(100), 10)))
    torch.manual_seed(2)
    resumed = loader(numbered(100), 10)
    resumed.sampler.set_epoch(3)
    assert [sorted(batch["index"].tolist()) for batch in resumed] == straight[2]


def test_as_a_configuration(source: Path, tmp_path: Path) -> None:
    PatchPairs.grid(source, 16).save(tmp_path / "patches.npy")
    config = {
        "dataset": {"_target_": "monai_fusion.data.patches.open_patches", "source": "", "size": 16},
        "sampler": {
            "_target_": "torch.utils.data.DistributedSampler",
            "dataset": "@dataset",
            "num_replicas": 1,
            "rank": 0,
            "drop_last": True,
        },
        "loader": {
            "_target_": "monai.data.DataLoader",
            "dataset": "@dataset",
            "batch_size": 7,
            "sampler": "@sampler",
            "drop_last": True,
            "collate_fn": {"_target_": "monai_fusion.data.patches.pass_batch", "_mode_": "callable"},
        },
    }
    for name in (str(source), [str(source)], str(tmp_path / "patches.npy")):
        parser = ConfigParser(config)
        parser["dataset#source"] = name
        batches = list(parser.get_parsed_content("loader"))
        assert [batch["image"].shape for batch in batches] == [(7, 2, 16, 16)] * (36 // 7)
    with pytest.raises(InputError, match=r"patches\.npy: its patches are 16x16, not 128x128"):
        open_patches(tmp_path / "patches.npy")


def test_needs_no_reader_of_medical_images() -> None:
    """On a GPU machine that has none of them."""
    program = """if True:
        import sys
        for name in ("nibabel", "itk", "SimpleITK", "pydicom", "highdicom", "tqdm"):
            sys.modules[name] = None
        from monai_fusion.data.patches import PatchPairs
        """
    subprocess.run([sys.executable, "-c", program], check=True)


# --- The command -------------------------------------------------------------------------------------------------


@pytest.fixture
def prepare(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, list[str]]]:
    """Runs ``monai-fusion prepare``; gives the exit code, what it printed, and the lines on stderr."""

    def run(*arguments: object) -> tuple[int, str, list[str]]:
        code = cli.main(["prepare", *map(str, arguments)])
        printed = capfd.readouterr()
        return code, printed.out, printed.err.splitlines()

    return run


Prepare = Callable[..., tuple[int, str, list[str]]]


def test_prepare(prepare: Prepare, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "patches.npy"
    code, said, complaints = prepare(source, source, "-o", out, "--size", 20, "--stride", 10, "--limit", 4)
    assert (code, complaints) == (0, [])
    assert said == f"60 patches of 4 pairs are in {out}\n"
    assert torch.equal(PatchPairs.load(out).patches, PatchPairs.grid([source, source], 20, 10, limit=4).patches)
    assert prepare(source, "-o", out, "--size", 16, "--visible", "infrared", "--infrared", "visible")[0] == 0
    assert torch.equal(PatchPairs.load(out).patches, PatchPairs.grid(source, 16).patches.flip(1))


def test_prepare_with_damage(prepare: Prepare, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "patches.npy"
    cut_short(source / "visible" / "1.png")
    (source / "infrared" / "2.png").unlink()
    code, _, [line] = prepare(source, "-o", out, "--size", 16)
    assert code == REFUSED
    assert "2.png: there is no infrared picture 2" in line
    assert not out.parent.exists()
    code, said, lines = prepare(source, "-o", out, "--size", 16, "--skip-damaged")
    assert code == 0
    assert [line.startswith("warning: ") and line.endswith("left out") for line in lines] == [True, True]
    assert "2.png" in lines[0]
    assert "1.png" in lines[1]
    assert "12 patches of 1 pairs" in said


def test_prepare_cannot_write(prepare: Prepare, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken.npy").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for out, says, expected in (
        (tmp_path / "file" / "patches.npy", "cannot be written", NOT_WRITTEN),
        (tmp_path / "taken.npy", "cannot be written", NOT_WRITTEN),
        (tmp_path / "patches", "ends in .npy", REFUSED),
    ):
        code, _, [line] = prepare(source, "-o", out, "--size", 16)
        assert (code, line[:14]) == (expected, "monai-fusion: ")
        assert says in line
        assert str(out.with_suffix("")) in line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_prepare_on_a_full_disk(source: Path, tmp_path: Path) -> None:
    """A file that grows too large fails as on a full disk; the earlier one stays."""
    out = tmp_path / "patches.npy"
    PatchPairs.grid(source, 48).save(out)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    program = "import sys; from monai_fusion.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "prepare", str(source), "-o", str(out), "--size", "16"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=limit, check=False)
    assert done.returncode == NOT_WRITTEN, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"{out}: cannot be written" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
