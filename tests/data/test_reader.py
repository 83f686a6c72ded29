"""The reader within MONAI, and on real series."""

from __future__ import annotations

import json
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from dicom_objects import ECHOES, SHAPE, VOLUME, classic, several, zipped
from monai.transforms import Compose, LoadImaged
from test_dicom_cases import LPS_TO_RAS, assert_same, by_highdicom, by_itk

from monai_fusion.data.dicom_index import find_series
from monai_fusion.data.reader import SourceReader
from monai_fusion.errors import InputError


def test_in_load_imaged(tmp_path: Path) -> None:
    """A folder, its zip, its files: the same tensor."""
    folder = classic(tmp_path / "s")
    inputs = [folder, zipped(folder), sorted(folder.iterdir())]
    load = Compose([LoadImaged("mri", reader=SourceReader("mri"), ensure_channel_first=True)])
    first, *others = [load({"mri": each})["mri"] for each in inputs]
    assert first.shape == (1, *SHAPE)
    for other in others:
        assert np.array_equal(first, other)
        assert np.array_equal(first.affine, other.affine)
    facts = [json.loads(each.meta["source"]) for each in (first, *others)]
    assert len({fact["sha256"] for fact in facts}) == 1
    assert facts[1]["files"][0].startswith(f"{tmp_path}/study.zip/s/")


def test_files_are_in_the_order_of_the_slices(tmp_path: Path) -> None:
    import pydicom

    array, meta = SourceReader("mri").get_data(classic(tmp_path / "s"))
    files = json.loads(meta["source"])["files"]
    for k, file in enumerate(files):
        assert np.array_equal(array[:, :, k].T, pydicom.dcmread(file).pixel_array)


def test_a_refusal_reaches_the_user(tmp_path: Path) -> None:
    """MONAI's own readers would read it, wrongly."""
    load = LoadImaged("mri", reader=SourceReader("mri"))
    with pytest.raises(InputError, match="choose one with --mri-frame"):
        load({"mri": several(tmp_path / "s", ECHOES)})


@pytest.mark.parametrize("uneven", ["interpolate", None])
def test_an_unknown_way_with_uneven_slices(uneven: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose refuse or resample"):
        SourceReader("mri", uneven=uneven).get_data(classic(tmp_path / "s"))


def test_memory(tmp_path: Path) -> None:
    """Not more than twice the float32 volume, whatever the number of volumes in the series."""
    volume = np.tile(VOLUME, (7, 7, 8)).astype(np.int16)
    for number in range(3):
        classic(tmp_path / "s", volume, name=f"v{number}_", EchoTime=number)
    find_series(tmp_path / "s")
    reader = SourceReader("mri", frame=1)
    tracemalloc.start()
    array, _ = reader.get_data(tmp_path / "s")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * array.nbytes + 2e6


def test_siemens(shared: Path) -> None:
    """A sagittal T1: as ITK and highdicom read it."""
    path = shared / "data" / "dicom" / "siemens_prisma_t1_sag"
    voxels, meta = SourceReader("mri").get_data(path)
    array = voxels.numpy()
    affine = LPS_TO_RAS @ meta["affine"]
    assert array.shape == (256, 256, 35)
    for other, other_affine in (by_itk(path), by_highdicom(path)):
        assert_same(array, affine, other, other_affine)
    [series] = find_series(path)
    assert (series.orientation, series.spacing, series.notes) == ("sagittal", (1.0156, 1.0156, 4.8), [])


def test_ibsi(shared: Path, tmp_path: Path) -> None:
    """Twelve PET series in one folder: each is found and read as highdicom does, slope by slope."""
    with tarfile.open(shared / "data" / "dicom" / "ibsi_suv_dro.tar.xz") as archive:
        archive.extractall(tmp_path)
    series = find_series(tmp_path)
    assert [s.modality for s in series] == ["PT"] * 12
    assert {tuple(s.notes) for s in series} == {()}
    for each in series[::4]:
        reader = SourceReader("functional", series=each.uid)
        voxels, meta = reader.get_data(tmp_path)
        array = voxels.numpy()
        folder = tmp_path / each.uid
        folder.mkdir()
        for number, file in enumerate(each.files):
            (folder / f"{number}.dcm").symlink_to(file)
        assert_same(array, LPS_TO_RAS @ meta["affine"], *by_highdicom(folder))
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
