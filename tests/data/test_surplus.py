"""Files that hold more than their header says: a decoder would leave the rest out and bend the picture."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from conftest import AFFINE, head, save_dicom, save_nifti
from PIL import Image

from monai_fusion.archive.settings import read_settings
from monai_fusion.data.dicom_file import read_dicom
from monai_fusion.data.nifti import read_nifti
from monai_fusion.data.picture import read_picture
from monai_fusion.data.reader import SourceReader
from monai_fusion.errors import InputError
from monai_fusion.viewer.session_file import read_session_file
from monai_fusion.viewer.uploads import save_uploads


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_dicom_smaller_than_its_pixels(tmp_path: Path, keyword: str) -> None:
    folder = save_dicom(tmp_path / "mri", head()[0], AFFINE, "MR", "mri")
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        setattr(dataset, keyword, getattr(dataset, keyword) // 2)
        dataset.save_as(file)
    with pytest.raises(InputError, match="more pixels than its Rows, Columns"):
        SourceReader("mri").read_source(folder)


def test_dicom_with_padding_is_read(tmp_path: Path) -> None:
    folder = save_dicom(tmp_path / "mri", head()[0], AFFINE, "MR", "mri")
    expected = SourceReader("mri").read_source(folder).array
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.PixelData += bytes(64)
        dataset.save_as(file)
    np.testing.assert_array_equal(SourceReader("mri").read_source(folder).array, expected)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_smaller_than_its_voxels(tmp_path: Path, suffix: str) -> None:
    path = save_nifti(tmp_path / f"mri{suffix}", head()[0])
    opened = gzip.open if suffix.endswith("gz") else open
    with opened(path, "rb") as stream:
        content = bytearray(stream.read())
    header = nib.Nifti1Header(bytes(content[:348]))
    header["dim"][1] -= 1
    content[:348] = header.binaryblock
    with opened(path, "wb") as stream:
        stream.write(content)
    with pytest.raises(InputError, match="more voxels than its header says"):
        read_nifti(path)


def test_nifti_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """What follows is no gzip at all: reached only by one who unpacks all of the gigabyte before it."""
    path = save_nifti(tmp_path / "mri.nii.gz", head()[0])
    with gzip.open(path) as stream:
        content = stream.read()
    zeros = gzip.compress(bytes(1 << 24), 1)
    path.write_bytes(gzip.compress(content) + zeros * 64 + b"no gzip")
    with pytest.raises(InputError, match="more voxels than its header says"):
        read_nifti(path)


def test_other_format_under_a_pictures_name(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.gif")
    (tmp_path / "a.gif").rename(tmp_path / "a.png")
    with pytest.raises(InputError, match="not a readable picture"):
        read_picture(tmp_path / "a.png")


def test_zip_with_damaged_stream(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", np.random.default_rng(0).integers(0, 9, 4000).astype(np.uint8).tobytes())
    content = bytearray(stream.getvalue())
    content[35 : 35 + 64] = b"\xff" * 64  # right after the first header: no deflate block begins like this
    folder = tmp_path / "uploads"
    folder.mkdir()
    with pytest.raises(InputError, match="damaged zip"):
        save_uploads([("study.zip", io.BytesIO(bytes(content)))], folder)
    (tmp_path / "study.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"damaged DICOM file|copy it again"):
        read_dicom(tmp_path / "study.zip" / "a.dcm")


def test_deep_nesting(tmp_path: Path) -> None:
    (tmp_path / "archives.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(InputError):
        read_settings("pacs", tmp_path / "archives.toml")
    with pytest.raises(InputError):
        read_session_file(b"[" * 100_000)


def test_session_with_a_number_that_is_too_large() -> None:
    images = {role: {"series": None, "name": role, "sha256": "0" * 64} for role in ("mri", "functional")}
    windows = {"mri": [0, 10**400]}
    content = {
        "monai_fusion_view": 1,
        "images": images,
        "place": {},
        "nudge": {},
        "corrections": {},
        "windows": windows,
    }
    with pytest.raises(InputError, match=r"the session file: windows.mri.1: "):
        read_session_file(json.dumps({**content, "state": {}}).encode())
    content["windows"] = {"mri": [0, 10**40]}
    assert read_session_file(json.dumps({**content, "state": {}}).encode()).choice["windows"] == {"mri": (0.0, 1e40)}
