"""What can be wrong with a file of each format: damage of any bytes, and damage that knows the format."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import nibabel as nib
import numpy as np
from fuzz_bytes import ANY, BYTES, REFUSED, SAME, SAME_OR_REFUSED, Mutation, one
from fuzz_dicom import DEFLATED, DICOM, ENCAPSULATED, SLICES, UNPACKED

__all__ = ["mutations_of"]


# --- NIfTI -------------------------------------------------------------------------------------------------------


def _nifti(change: Callable[[nib.Nifti1Header, np.random.Generator], None]) -> Mutation:
    def mutate(data: bytes, rng: np.random.Generator) -> bytes:
        packed = data[:2] == b"\x1f\x8b"
        content = gzip.decompress(data) if packed else data
        header = nib.Nifti1Header(content[:348], check=False)
        change(header, rng)
        content = header.binaryblock + content[348:]
        return gzip.compress(content, 1) if packed else content

    return one(mutate)


def _field(name: str, *values: Any) -> Callable[[nib.Nifti1Header, np.random.Generator], None]:
    def change(header: nib.Nifti1Header, rng: np.random.Generator) -> None:
        header[name] = values[rng.integers(len(values))]

    return change


def _dims(header: nib.Nifti1Header, rng: np.random.Generator) -> None:
    header["dim"][rng.integers(0, 4)] = rng.choice([32767, -1, 0, -32768, 8])


def _dims_all(header: nib.Nifti1Header, rng: np.random.Generator) -> None:
    header["dim"][1:4] = 32767


def _dims_less(header: nib.Nifti1Header, rng: np.random.Generator) -> None:
    axis = rng.integers(1, 4)
    header["dim"][axis] -= rng.integers(1, header["dim"][axis] - 2)


def _sform(header: nib.Nifti1Header, rng: np.random.Generator) -> None:
    row = f"srow_{'xyz'[rng.integers(3)]}"
    header[row] = [np.zeros(4), np.full(4, np.nan), np.full(4, np.inf)][rng.integers(3)]


def _pixdim(header: nib.Nifti1Header, rng: np.random.Generator) -> None:
    header["pixdim"][rng.integers(1, 4)] = rng.choice([0, -1, np.nan, np.inf, -np.inf])


def _extension(data: bytes, rng: np.random.Generator) -> bytes:
    packed = data[:2] == b"\x1f\x8b"
    content = gzip.decompress(data) if packed else data
    size = struct.pack("<i", int(rng.choice([-1, 0, 7, 15, 1 << 20, 2**31 - 1])))
    content = content[:352] + size + content[356:]
    return gzip.compress(content, 1) if packed else content


@lru_cache(maxsize=1)
def _zeros_gzipped() -> bytes:
    return gzip.compress(bytes(64 << 20), 9)


def _gzip_bomb(data: bytes, rng: np.random.Generator) -> bytes:
    """A header, and gigabytes of zeros that it really has room for."""
    header = nib.Nifti1Header(gzip.decompress(data)[:348], check=False)
    blocks = int(rng.choice([24, 60]))
    header["dim"][1:4] = 1024, 1024, blocks * 32
    header["vox_offset"] = 352
    return gzip.compress(header.binaryblock + bytes(4)) + _zeros_gzipped() * blocks


NIFTI: dict[str, tuple[str, Mutation]] = {
    "unused fields": (SAME, _nifti(_field("descrip", b"x", b"y" * 79))),
    "dims": (REFUSED, _nifti(_dims)),
    "dims, all": (REFUSED, _nifti(_dims_all)),
    "dims smaller than the voxels": (REFUSED, _nifti(_dims_less)),
    "vox_offset": (REFUSED, _nifti(_field("vox_offset", 0, 16, 336, 370, -1, 1e9, 1e30, np.nan, np.inf))),
    "scl_slope": (REFUSED, _nifti(_field("scl_slope", np.nan, np.inf, -np.inf))),
    "scl_slope 0": (SAME, _nifti(_field("scl_slope", 0))),  # NIfTI's word for unscaled
    "sform": (REFUSED, _nifti(_sform)),
    "pixdim": (REFUSED, _nifti(_pixdim)),
    "datatype": (REFUSED, _nifti(_field("datatype", 0, 1, 3, 9999, -1, 128, 32, 2048))),
    "extension": (SAME_OR_REFUSED, one(_extension)),
}


# --- Pictures, zips, text ----------------------------------------------------------------------------------------


def _png_size(data: bytes, rng: np.random.Generator) -> bytes:
    """Another size in the header, with the right checksum."""
    head = struct.pack(">II", *(int(n) for n in rng.choice([0, 1, 12_000, 60_000, 2**31 - 1], 2))) + data[24:29]
    return data[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + data[33:]


@lru_cache(maxsize=2)
def _png_bomb_of(side: int) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    squeezer, row = zlib.compressobj(9), bytes(1 + 3 * side)
    pixels = b"".join(squeezer.compress(row) for _ in range(side)) + squeezer.flush()
    chunks = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _png_bomb(data: bytes, rng: np.random.Generator) -> bytes:
    return _png_bomb_of(int(rng.choice([9_400, 13_000])))


def _other_picture(data: bytes, rng: np.random.Generator) -> bytes:
    """A format that Pillow hands to another program or that nobody expects under this name."""
    kinds = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 16\n%%EndComments\nshowpage\n",
        b"GIF89a\x10\x00\x10\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x10\x00\x10\x00\x00\x02\x0e\x84\x8f"
        b"\xa9\xcb\xed\x0f\xa3\x9c\xb4\xda\x8b\xb3\x3e\x05\x00;",
        b"P5\n20 16\n255\n" + bytes(range(160)) * 2,
        b"BM" + rng.bytes(200),
    )
    return kinds[rng.integers(len(kinds))]


def _zip_bomb(data: bytes, rng: np.random.Generator) -> bytes:
    return _zip_with_zeros(data, int(rng.choice([20, 40])))


@lru_cache(maxsize=2)
def _zip_with_zeros(data: bytes, blocks: int) -> bytes:
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("study/bomb.dcm", "w") as member:
        for _ in range(blocks):
            member.write(bytes(16 << 20))
    return stream.getvalue()


def _zip_names(data: bytes, rng: np.random.Generator) -> bytes:
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a") as archive:
        names = ("../out.dcm", "/tmp/out.dcm", "a/../../out.dcm", "..\\out.dcm", "C:\\out.dcm")
        archive.writestr(names[rng.integers(len(names))], b"x")
    return stream.getvalue()


_TEXT_NUMBERS = (b"nan", b"inf", b"-inf", b"1e400", b"1e300", b"abc", b"", b"0" * 5000)


def _text_number(data: bytes, rng: np.random.Generator) -> bytes:
    """One of the words of a text file replaced."""
    words = data.split(b" ")
    words[rng.integers(len(words))] = _TEXT_NUMBERS[rng.integers(len(_TEXT_NUMBERS))]
    return b" ".join(words)


def _json_value(data: bytes, rng: np.random.Generator) -> bytes:
    """One value of a JSON file replaced, at any depth."""
    content = json.loads(data)
    values = (None, True, -1, 1e308, "x" * 100, [], {}, [[]], "NaN", float("nan"), float("inf"), 10**400, {"a": {}})
    holder: Any = content
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[rng.integers(len(keys))]
        if not isinstance(holder[key], (dict, list)) or not holder[key] or rng.integers(4) == 0:
            break
        holder = holder[key]
    holder[key] = values[rng.integers(len(values))]
    return json.dumps(content).encode()


def _json_deep(data: bytes, rng: np.random.Generator) -> bytes:
    depth = int(rng.choice([900, 5000, 200_000]))
    pair = (b"[", b"]") if rng.integers(2) else (b'{"a":', b"}")
    return data.rstrip()[:-1] + b',"z":' + pair[0] * depth + b"0" + pair[1] * depth + b"}"


def _toml_deep(data: bytes, rng: np.random.Generator) -> bytes:
    depth = int(rng.choice([900, 5000, 200_000]))
    return data + b"z = " + b"[" * depth + b"]" * depth + b"\n"


def mutations_of(name: str) -> dict[str, tuple[str, Mutation]]:
    """The mutations of a format, by name: what may come of each, and how it is made."""
    special: dict[str, tuple[str, Mutation]] = {}
    if name.startswith("dicom"):
        special |= DICOM
        special |= ENCAPSULATED if name in ("dicom-rle", "dicom-jpeg", "dicom-jpegls", "dicom-jpeg2000") else UNPACKED
        if name not in ("dicom-enhanced", "dicom-nm", "dicom-gated"):
            special |= SLICES
        if name == "dicom-deflated":
            special |= DEFLATED
    elif name.startswith("nifti"):
        special |= NIFTI
        if name == "nifti-gz":
            special["gzip bomb"] = (REFUSED, one(_gzip_bomb))
    elif name == "png":
        special["size"] = (REFUSED, one(_png_size))
        special["bomb"] = (REFUSED, one(_png_bomb))
        special["another format"] = (REFUSED, one(_other_picture))
    elif name in ("zip", "upload"):
        special["bomb"] = (REFUSED, one(_zip_bomb))
        special["names that lead out"] = (REFUSED, one(_zip_names))
    elif name == "transform-tfm":
        special["number"] = (ANY, one(_text_number))
    elif name == "session":
        special["value"] = (ANY, one(_json_value))
        special["deep"] = (SAME_OR_REFUSED, one(_json_deep))
    elif name == "archives":
        special["deep"] = (SAME_OR_REFUSED, one(_toml_deep))
    return {**BYTES, **special}
