"""What a header claims is held against the bytes that are there, before memory or time is spent on it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from conftest import save_nifti
from dicom_objects import classic, compress, enhanced, nm
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from monai_fusion.data.dicom_codestream import check_codestream
from monai_fusion.data.dicom_file import read_dicom
from monai_fusion.data.nifti import read_nifti
from monai_fusion.data.picture import read_picture
from monai_fusion.data.reader import SourceReader
from monai_fusion.errors import InputError

KINDS: dict[str, Callable[[Path], object]] = {
    "classic": classic,
    "enhanced": lambda folder: enhanced(folder / "1.dcm"),
    "nm": lambda folder: nm(folder / "1.dcm"),
}


def changed(path: Path, **tags: object) -> None:
    for file in [path] if path.is_file() else path.iterdir():
        dataset = pydicom.dcmread(file)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)


@pytest.mark.parametrize("count", [2**31 - 1, 1_000_000, -5])
@pytest.mark.parametrize("kind", KINDS)
def test_more_frames_than_bytes(kind: str, count: int, tmp_path: Path) -> None:
    KINDS[kind](tmp_path)
    for file in list(tmp_path.iterdir())[1:]:
        changed(file)
    changed(next(tmp_path.iterdir()), NumberOfFrames=count)
    with pytest.raises(InputError, match=f"it cannot hold the {count} frames"):
        SourceReader("mri").read_source(tmp_path)


@pytest.mark.parametrize("slice_number", [0, 5])
def test_header_that_ends_before_the_image(slice_number: int, tmp_path: Path) -> None:
    """The series must not lose its first or last slice for that: no gap would tell."""
    classic(tmp_path)
    place = {file: pydicom.dcmread(file).ImagePositionPatient[2] for file in tmp_path.iterdir()}
    file = sorted(place, key=lambda one: place[one])[slice_number]
    content = file.read_bytes()
    file.write_bytes(content[: content.index(b"\x20\x00\x32\x00DS")])
    with pytest.raises(InputError, match=f"{file.name}: an image without Rows and Columns"):
        SourceReader("mri").read_source(tmp_path)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("kind", KINDS)
def test_more_pixels_than_bytes(kind: str, syntax: pydicom.uid.UID | None, tmp_path: Path) -> None:
    """Each plane of 17 GB: nothing of that size is allocated."""
    KINDS[kind](tmp_path)
    for file in tmp_path.iterdir():
        if syntax is not None:
            compress(file, syntax)
    changed(tmp_path, Rows=65535, Columns=65535)
    with pytest.raises(InputError, match="are not to be trusted"):
        SourceReader("mri").read_source(tmp_path)


def test_deflated_bomb(tmp_path: Path) -> None:
    """Half a gigabyte of zeros, and what is no deflate stream behind: reached only by one who unpacks it all."""
    classic(tmp_path, syntax=DeflatedExplicitVRLittleEndian)
    file = next(tmp_path.iterdir())
    content = file.read_bytes()
    begin = 144 + int.from_bytes(content[140:144], "little")
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = squeezer.compress(bytes(1 << 24)) + squeezer.flush(zlib.Z_FULL_FLUSH)
    file.write_bytes(content[:begin] + zeros * 32 + b"\xff" * 16)
    with pytest.raises(InputError, match="unpacks to more than can be trusted"):
        read_dicom(file)


def test_large_deflated_file_is_read(tmp_path: Path) -> None:
    """One that is large enough to be looked through."""
    volume = np.random.default_rng(0).integers(0, 2000, (400, 500, 2)).astype(np.int16)
    classic(tmp_path, volume, syntax=DeflatedExplicitVRLittleEndian)
    assert min(file.stat().st_size for file in tmp_path.iterdir()) > 260_000
    array = SourceReader("mri").read_source(tmp_path).array
    np.testing.assert_array_equal(array[..., 0] * 1.0, volume[..., 0])


def jpeg(file: Path) -> None:
    """Baseline, by Pillow."""
    dataset = pydicom.dcmread(file)
    Image.fromarray((dataset.pixel_array >> 3).astype(np.uint8)).save(file.with_suffix(".jpg"))
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = encapsulate([file.with_suffix(".jpg").read_bytes()])
    file.with_suffix(".jpg").unlink()
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(file)


COMPRESSED: dict[str, Callable[[Path], object]] = {
    "JPEG": jpeg,
    "JPEG-LS": lambda file: compress(file, JPEGLSLossless),
    "JPEG 2000": lambda file: compress(file, JPEG2000Lossless),
}


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_image_cut_short(kind: str, share: float, tmp_path: Path) -> None:
    """The decoders would fill in what is missing."""
    for file in classic(tmp_path).iterdir():
        COMPRESSED[kind](file)
    assert SourceReader("mri").read_source(tmp_path).array.any()
    dataset = pydicom.dcmread(file)
    [frame] = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame[: 2 * int(share * len(frame) / 2)]])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(file)
    with pytest.raises(InputError, match=f"{file.name}: its compressed pixels are damaged"):
        SourceReader("mri").read_source(tmp_path)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_codestream_of_another_size(kind: str, tmp_path: Path) -> None:
    file = next(classic(tmp_path).iterdir())
    COMPRESSED[kind](file)
    dataset = pydicom.dcmread(file)
    [frame] = generate_frames(dataset.PixelData, number_of_frames=1)
    syntax, size = dataset.file_meta.TransferSyntaxUID, (dataset.Rows, dataset.Columns)
    check_codestream(frame + b"\0\0", syntax, *size)
    for wrong in ((size[0] + 1, size[1]), (size[0], size[1] - 1), size[::-1]):
        with pytest.raises(ValueError, match="another size"):
            check_codestream(frame, syntax, *wrong)
    for strange in (b"", frame[:10], b"\0" + frame, b"\xff\xd8" + b"\xff" * 8):
        with pytest.raises(ValueError, match="no codestream"):
            check_codestream(strange, syntax, *size)


@pytest.mark.parametrize("slope", [np.nan, np.inf, -np.inf])
def test_nifti_slope_is_no_number(slope: float, tmp_path: Path) -> None:
    """nibabel would leave the voxels unscaled."""
    path = save_nifti(tmp_path / "t1.nii", np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    content = bytearray(path.read_bytes())
    content[112:116] = np.float32(slope).tobytes()
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"scl_slope.*repair the header"):
        read_nifti(path)


@pytest.mark.parametrize("spacing", [0, -2, np.nan, np.inf])
def test_nifti_spacing_is_no_length(spacing: float, tmp_path: Path) -> None:
    """Also where the sform says another: one of the two is damaged."""
    path = save_nifti(tmp_path / "t1.nii", np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    content = bytearray(path.read_bytes())
    content[84:88] = np.float32(spacing).tobytes()
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"a voxel spacing .pixdim. is {spacing:g} mm"):
        read_nifti(path)


def test_nifti_of_more_voxels_than_it_can_unpack_to(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "t1.nii.gz", np.zeros((3, 4, 5), np.float32))
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[42:48] = np.full(3, 1024, np.int16).tobytes()  # dim
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(InputError, match="1024x1024x1024 voxels, too many for its size"):
        read_nifti(path)


@pytest.mark.filterwarnings("ignore:Image size")
def test_picture_of_more_pixels_than_it_can_unpack_to(tmp_path: Path) -> None:
    Image.new("RGB", (9400, 9600)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="9400x9600 pixels"):
        read_picture(tmp_path / "a.png")


def test_out_of_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_nifti(tmp_path / "t1.nii", np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    monkeypatch.setattr(SourceReader, "read_source", lambda self, path: np.empty(1 << 50, np.uint8))
    with pytest.raises(InputError, match=r"t1\.nii: needs more memory than there is"):
        SourceReader("mri").get_data(path)
