from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, DistributedSampler

from monai_fusion import cli
from monai_fusion.data import streamed_patches
from monai_fusion.data.cutting import read_and_cut
from monai_fusion.data.patches import PatchPairs, open_patches, pass_batch
from monai_fusion.data.picture_pairs import gather_pairs
from monai_fusion.data.streamed_patches import StreamedPatches
from monai_fusion.errors import InputError, OutputError

zarr = pytest.importorskip("zarr", minversion="3", reason="Zarr 3 is not installed")

NOT_WRITTEN = 4


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs of 64x48: twelve patches of 16x16 each."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for role in ("visible", "infrared"):
        (folder / role).mkdir()
        for number in range(3):
            grey = rng.integers(0, 256, (48, 64), dtype=np.uint8)
            Image.fromarray(grey).save(folder / role / f"{number}.png")
    return folder


@pytest.fixture
def store(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """36 patches, eight a file: the last file is half full."""
    monkeypatch.setattr(streamed_patches, "_SHARD", 8)
    StreamedPatches.write_grid(tmp_path / "patches.zarr", source, 16)
    return tmp_path / "patches.zarr"


def shards(store: Path) -> list[Path]:
    return sorted(path for path in (store / "patches" / "c").rglob("*") if path.is_file())


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_pictures(workers: int, source: Path, store: Path) -> None:
    """In every epoch's order, and in worker processes that were forked after the store was read."""
    epochs = []
    for patches in (PatchPairs.grid(source, 16), StreamedPatches(store)):
        patches[0]
        sampler = DistributedSampler(patches, num_replicas=1, rank=0, seed=3, drop_last=True)
        loader = DataLoader(patches, 5, sampler=sampler, drop_last=True, collate_fn=pass_batch, num_workers=workers)
        epochs.append([])
        for epoch in (1, 2):
            sampler.set_epoch(epoch)
            epochs[-1] += list(loader)
    assert len(epochs[0]) == len(epochs[1]) == 2 * (36 // 5)
    for held, streamed in zip(*epochs):
        assert held.keys() == streamed.keys()
        assert all(torch.equal(held[name], streamed[name]) for name in held)
        assert all(held[name].dtype == streamed[name].dtype for name in held)


def test_items_and_repeated_indices(source: Path, store: Path) -> None:
    held, streamed = PatchPairs.grid(source, 16), StreamedPatches(store)
    assert len(streamed) == 36
    assert torch.equal(streamed[-1]["image"], held[35]["image"])
    assert streamed[-1]["index"] == 35
    assert torch.equal(streamed.__getitems__([9, 3, 9])["image"], held.__getitems__([9, 3, 9])["image"])
    with pytest.raises(IndexError):
        streamed[36]


def test_the_store_is_plain_zarr(source: Path, store: Path) -> None:
    group = zarr.open_group(str(store), mode="r")
    np.testing.assert_array_equal(group["patches"][:], PatchPairs.grid(source, 16).patches)
    assert group["patches"].chunks == (1, 2, 16, 16)
    assert len(shards(store)) == 5  # 36 patches, eight a file
    facts = {"layout": "grid", "size": 16, "stride": 16, "pairs": 3, "skipped": []}
    assert dict(group.attrs) == {
        **facts,
        "channels": ["visible", "infrared"],
        "monai_fusion": cli.monai_fusion.__version__,
    }
    assert not any(str(store.parent).encode() in path.read_bytes() for path in store.rglob("zarr.json"))


def test_a_missing_or_damaged_patch_is_named_never_black(store: Path) -> None:
    whole = shards(store)[1].read_bytes()
    flipped = bytearray(whole)
    flipped[100] ^= 1
    for content in (None, b"", whole[:40], bytes(flipped)):
        if content is None:
            shards(store)[1].unlink()
        else:
            (shards(store)[0].parents[3] / "1" / "0" / "0" / "0").write_bytes(content)
        patches = StreamedPatches(store)
        assert patches.__getitems__([0, 7])["image"].shape == (2, 2, 16, 16)
        with pytest.raises(InputError, match=r"patches\.zarr: (cannot be read|patch \d+ is missing or damaged)"):
            patches.__getitems__(list(range(8, 16)))


def test_what_is_no_store(store: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("text")
    other = {"patches": np.zeros((3, 3, 4, 4), np.uint8), "crc32": np.zeros(3, np.uint32)}
    for name, array in other.items():
        zarr.open_group(str(tmp_path / "other.zarr"), mode="a").create_array(name, data=array)
    shutil.copytree(store, tmp_path / "turned.zarr")
    zarr.open_group(str(tmp_path / "turned.zarr"), mode="a").attrs["channels"] = ["infrared", "visible"]
    shutil.copytree(store, tmp_path / "unsummed.zarr")
    shutil.rmtree(tmp_path / "unsummed.zarr" / "crc32")
    for name in ("none", "empty", "file", "other", "turned", "unsummed"):
        with pytest.raises(InputError, match=rf"{name}\.zarr: not a (whole )?store of"):
            StreamedPatches(tmp_path / f"{name}.zarr")
    with pytest.raises(InputError, match=r"patches\.zarr: its patches are 16x16, not 128x128"):
        open_patches(store)


def test_an_address_that_fsspec_opens(source: Path, store: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").put(str(store), "/bucket/patches.zarr", recursive=True)
    try:
        patches = open_patches("memory://bucket/patches.zarr", 16)
        expected = PatchPairs.grid(source, 16).__getitems__([30, 2])
        assert torch.equal(patches.__getitems__([30, 2])["image"], expected["image"])
    finally:
        fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_prepare_writes_it_once(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "patches.zarr"
    command = ["prepare", str(source), "-o", str(out), "--size", "20", "--stride", "10", "--limit", "2"]
    assert cli.main(command) == 0
    assert capfd.readouterr().out == f"30 patches of 2 pairs are in {out}\n"
    expected = PatchPairs.grid(source, 20, 10, limit=2)
    assert torch.equal(StreamedPatches(out).__getitems__(range(30))["image"], expected.__getitems__(range(30))["image"])
    assert cli.main(command) == NOT_WRITTEN
    assert "is there already" in capfd.readouterr().err


def test_a_damaged_picture(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "pairs")
    picture = tmp_path / "pairs" / "infrared" / "1.png"
    picture.write_bytes(picture.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"1\.png"):
        StreamedPatches.write_grid(tmp_path / "a.zarr", tmp_path / "pairs", 16)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs"]
    with pytest.warns(UserWarning, match=r"1\.png.*left out"):
        left = StreamedPatches.write_grid(tmp_path / "a.zarr", tmp_path / "pairs", 16, on_damaged="skip")
    assert left.facts["skipped"] == ["visible/1.png"]
    assert len(left) == 24
    assert torch.equal(left[12]["image"], PatchPairs.grid(source, 16)[24]["image"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_on_a_full_disk_nothing_is_left(source: Path, tmp_path: Path) -> None:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    program = "import sys; from monai_fusion.cli import main; sys.exit(main(sys.argv[1:]))"
    out = tmp_path / "patches.zarr"
    command = [sys.executable, "-c", program, "prepare", str(source), "-o", str(out), "--size", "16"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=limit, check=False)
    assert done.returncode == NOT_WRITTEN, done.stderr
    assert f"{out}: cannot be written" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"patches\.zarr: cannot be made"):
        StreamedPatches.write_grid(tmp_path / "file" / "patches.zarr", source, 16)


def test_many_pictures_need_no_more_memory_than_a_few(source: Path) -> None:
    """However slowly they are taken, few cut pairs wait."""
    pairs = gather_pairs(source) * 50
    cut_so_far, waiting = [], []

    def cut(number: int, picture: torch.Tensor) -> torch.Tensor:
        cut_so_far.append(number)
        return picture[None, :, :16, :16]

    def take(number: int, patches: torch.Tensor) -> None:
        waiting.append(len(cut_so_far) - number)

    assert read_and_cut(pairs, 16, cut, take, "raise", False) == []
    assert len(waiting) == 150
    assert max(waiting) <= 33


def test_without_zarr(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=r"monai-fusion\[train\]"):
            StreamedPatches.write_grid(tmp_path / "patches.zarr", source, 16)
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_format_2_is_not_opened(tmp_path):
    """Its codecs may unpickle: what a chunk holds would run."""
    folder = tmp_path / "old.zarr"
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    group.create_array("patches", shape=(1, 2, 8, 8), chunks=(1, 2, 8, 8), dtype=np.uint8)
    group.create_array("crc32", shape=(1,), chunks=(1,), dtype=np.uint32)
    crc32 = json.loads((folder / "crc32" / ".zarray").read_text())
    crc32["compressor"] = {"id": "pickle", "protocol": 5}
    (folder / "crc32" / ".zarray").write_text(json.dumps(crc32))
    (folder / "crc32" / "0").write_bytes(pickle.dumps(_Proof(tmp_path / "PROOF")))
    with pytest.raises(InputError, match="not a store of patches"):
        StreamedPatches(folder)
    assert not (tmp_path / "PROOF").exists()


class _Proof:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)
