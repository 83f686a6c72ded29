"""Properties of the readers, for inputs that hypothesis thinks of: what goes in comes out, and nothing else happens."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_objects import classic
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.datadict import tag_for_keyword
from scipy.spatial.transform import Rotation

from monai_fusion.data.dicom_plane import PLANE_TAGS
from monai_fusion.data.nifti import read_nifti, write_nifti
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.data.zip_file import list_files, open_file
from monai_fusion.errors import InputError
from monai_fusion.viewer.uploads import save_uploads

#: The same examples in each run; no time limit, for the machine may be busy.
few = settings(max_examples=25, deadline=None, derandomize=True, database=None)

mm = st.floats(0.3, 8).map(lambda value: round(value, 3))
places = st.tuples(*[st.floats(-500, 500).map(lambda value: round(value, 3))] * 3)
turns = st.tuples(*[st.floats(-180, 180)] * 3)
voxels = arrays(np.int16, st.tuples(*[st.integers(3, 6)] * 3), elements=st.integers(-32768, 32767), fill=st.nothing())


@st.composite
def grids(draw: st.DrawFn) -> np.ndarray:
    """Voxel index to mm: any position, orientation and spacing, right-handed."""
    grid = np.eye(4)
    grid[:3, :3] = Rotation.from_euler("xyz", draw(turns), degrees=True).as_matrix() * draw(st.tuples(mm, mm, mm))
    grid[:3, 3] = draw(places)
    return grid


@few
@given(voxels, grids(), st.booleans(), st.sampled_from([np.int16, np.int32, np.float32, np.float64]))
def test_nifti_round_trip(array: np.ndarray, affine: np.ndarray, mirrored: bool, kind: type) -> None:
    if mirrored:
        affine = affine @ np.diag([-1, 1, 1, 1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nii.gz"
        image = nib.Nifti1Image(array.astype(kind), affine)
        nib.save(image, path)
        source = read_nifti(path)
        np.testing.assert_array_equal(source.array, array)
        np.testing.assert_allclose(source.affine, affine, rtol=1e-6, atol=1e-4)
        write_nifti(path, source.array, source.affine, source.facts)
        again = read_nifti(path)
    np.testing.assert_array_equal(again.array, array)
    np.testing.assert_allclose(again.affine, affine, rtol=1e-6, atol=1e-4)


@few
@given(voxels, grids(), st.sampled_from([1.0, 0.25, 2.5, 1e-3]), st.integers(-1000, 1000))
def test_dicom_round_trip(array: np.ndarray, grid: np.ndarray, slope: float, intercept: int) -> None:
    """Stored values by their rescale, and the grid as PS3.3 C.7.6.2.1.1 has it, RAS."""
    array[0, 0, 0] = array[0, 0, 1] - np.sign(array[0, 0, 1] or 1)  # one value alone is nothing to fuse
    with tempfile.TemporaryDirectory() as folder:
        classic(Path(folder), array, grid, RescaleSlope=slope, RescaleIntercept=intercept)
        voxels, meta = SourceReader("mri").get_data(Path(folder))
    np.testing.assert_allclose(voxels, array * slope + intercept, rtol=1e-6)
    np.testing.assert_allclose(meta["affine"], LPS_TO_RAS @ grid, atol=2e-3)


_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
_VRS = sorted(pydicom.valuerep.VR)
_READ = [tag for tag in PLANE_TAGS if tag.isalpha()]
_READ += ["BitsAllocated", "BitsStored", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "SeriesNumber"]
_READ += ["SeriesDescription", "SpecificCharacterSet", "RealWorldValueMappingSequence"]


def element(keyword: str, vr: str, value: bytes) -> bytes:
    """One with an explicit VR, whatever the dictionary says of it."""
    tag = tag_for_keyword(keyword) or 0
    padded = value + b" " * (len(value) % 2)
    long = vr.encode() in _LONG or vr in ("OD", "OF", "OL", "OV", "SV", "UC", "UR", "UV")
    length = b"\0\0" + struct.pack("<I", len(padded)) if long else struct.pack("<H", len(padded))
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode() + length + padded


def with_elements(data: bytes, added: bytes) -> bytes:
    """A file with elements before its others; where one comes twice, the later counts."""
    begin = 144 + int.from_bytes(data[140:144], "little")
    return data[:begin] + added + data[begin:]


def without(data: bytes, keywords: set[str]) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    for keyword in keywords & set(dataset.dir()):
        delattr(dataset, keyword)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def read_or_refuse(folder: Path) -> dict[str, Any] | None:
    """What is read, None where it is refused in one line; anything else is a failure."""
    try:
        array, meta = SourceReader("mri").get_data(folder)
    except InputError as error:
        return None if len(str(error).splitlines()) == 1 else pytest.fail(str(error))
    assert np.isfinite(array).all()
    assert np.isfinite(meta["affine"]).all()
    return {"array": array, "affine": meta["affine"]}


numbers = st.sampled_from([b"0", b"-1", b"1e308", b"NaN", b"1\\2\\3", b"99999999999", b"\xff\xff", b"\0" * 8])
headers = st.lists(
    st.tuples(st.sampled_from(_READ), st.sampled_from(_VRS), st.one_of(numbers, st.binary(max_size=40))),
    min_size=1,
    max_size=3,
)


@settings(few, max_examples=60)
@given(headers)
def test_any_header(elements: list[tuple[str, str, bytes]]) -> None:
    """Attributes that are read, with any VR and any value: refused or read, and finite."""
    with tempfile.TemporaryDirectory() as folder:
        for file in classic(Path(folder), np.arange(120, dtype=np.int16).reshape(5, 6, 4)).iterdir():
            added = b"".join(element(*one) for one in elements)
            file.write_bytes(with_elements(without(file.read_bytes(), {one[0] for one in elements}), added))
        read_or_refuse(Path(folder))


def nested(depth: int, tag: tuple[int, int], defined: bool) -> bytes:
    """Sequences in each other, of defined or undefined length."""
    head = struct.pack("<HH2sH", *tag, b"SQ", 0)
    content = b""
    for _ in range(depth):
        if defined:
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content
            content = head + struct.pack("<I", len(item)) + item
        else:
            content = (
                head + b"\xff" * 4 + b"\xfe\xff\x00\xe0" + b"\xff" * 4 + content
                + b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
            )  # fmt: skip
    return content


@few
@given(
    st.sampled_from([1, 3, 40, 400, 3000]),
    st.sampled_from([(0x5200, 0x9229), (0x0054, 0x0022), (0x0040, 0x9096), (0x0009, 0x1010)]),
    st.booleans(),
)
def test_recursive_sequences(depth: int, tag: tuple[int, int], defined: bool) -> None:
    """The same volume, or a refusal: pydicom recurses as deep as the file does."""
    array = np.arange(120, dtype=np.int16).reshape(5, 6, 4)
    with tempfile.TemporaryDirectory() as folder:
        classic(Path(folder), array)
        file = sorted(Path(folder).iterdir())[0]
        file.write_bytes(with_elements(file.read_bytes(), nested(depth, tag, defined)))
        found = read_or_refuse(Path(folder))
    if found is not None:
        np.testing.assert_array_equal(found["array"], array)


names = st.lists(
    st.lists(st.sampled_from(["a", "b", "..", ".", "", "C:", "~", "a b", "\u00e4"]), min_size=1, max_size=4).map(
        "/".join
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


@few
@given(names, st.sampled_from(["/", "\\"]))
def test_a_zip_stays_within_itself(members: list[str], separator: str) -> None:
    """Whatever its files are called: read within the zip and unpacked below the folder, or refused."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, name in enumerate(members):
            archive.writestr(zipfile.ZipInfo(name.replace("/", separator) or "x"), bytes([number]))
    with tempfile.TemporaryDirectory() as folder:
        packed, upload = Path(folder) / "outside" / "s.zip", Path(folder) / "outside" / "upload"
        upload.mkdir(parents=True)
        packed.write_bytes(stream.getvalue())
        try:
            for file in list_files(packed):
                assert packed in file.parents
                with open_file(file) as content:
                    assert len(content.read()) == 1
        except InputError:
            pass
        try:
            save_uploads([("s.zip", io.BytesIO(stream.getvalue()))], upload)
        except InputError:
            assert list(upload.iterdir()) == []
        outside = [path for path in Path(folder).rglob("*") if path.is_file() and upload not in path.parents]
        assert outside == [packed]
