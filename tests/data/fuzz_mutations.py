"""What can be wrong with a file: damage of any bytes, and damage that knows its format.

A mutation takes the files of a series (or the one file) and a random generator, and gives the files back. Beside it
stands what the reader may make of it: ``"any"`` (refused, or something that can be a picture), ``"same"`` (nothing
that matters was touched), ``"refused"``, ``"same or refused"``, and ``"same place"`` (the voxels may be others, the
geometry may not; or refused).
"""

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
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

__all__ = ["mutations_of"]

Files = dict[str, bytes]
Mutation = Callable[[Files, np.random.Generator], Files]
ANY, SAME, REFUSED, SAME_OR_REFUSED, SAME_PLACE = "any", "same", "refused", "same or refused", "same place"


def _one(change: Callable[[bytes, np.random.Generator], bytes]) -> Mutation:
    """A change of one of the files."""

    def mutate(files: Files, rng: np.random.Generator) -> Files:
        name = sorted(files)[rng.integers(len(files))]
        return {**files, name: change(files[name], rng)}

    return mutate


# --- Any bytes ---------------------------------------------------------------------------------------------------


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 9)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    at, size = rng.integers(len(data)), rng.integers(1, 17)
    changed[at : at + size] = rng.bytes(size)[: len(data) - at]
    return bytes(changed)


def _extreme(data: bytes, rng: np.random.Generator) -> bytes:
    """A number at the edge of its type."""
    values = (
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\0\0\0\x80",
        b"\0\0\x80\x7f",
        b"\xff\xff",
        b"\0\0",
    )
    value = values[rng.integers(len(values))]
    at = int(rng.integers(len(data)))
    return (data[:at] + value + data[at + len(value) :])[: len(data)]


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(len(data))]


def _delete(data: bytes, rng: np.random.Generator) -> bytes:
    at = rng.integers(len(data))
    return data[:at] + data[at + rng.integers(1, 100) :]


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    at = rng.integers(len(data))
    return data[:at] + rng.bytes(rng.integers(1, 100)) + data[at:]


def _splice(data: bytes, rng: np.random.Generator) -> bytes:
    source, at, size = rng.integers(len(data)), rng.integers(len(data)), rng.integers(1, 200)
    return data[:at] + data[source : source + size] + data[at:]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    at, size = rng.integers(len(data)), rng.integers(1, 40)
    return data[:at] + data[at : at + size] * int(rng.integers(2, 200)) + data[at + size :]


BYTES: dict[str, tuple[str, Mutation]] = {
    name: (ANY, _one(change))
    for name, change in {
        "bits flipped": _flip,
        "bytes overwritten": _overwrite,
        "extreme number": _extreme,
        "cut short": _truncate,
        "piece taken out": _delete,
        "piece put in": _insert,
        "piece copied": _splice,
        "piece repeated": _repeat,
    }.items()
}


# --- DICOM -------------------------------------------------------------------------------------------------------


def _saved(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=False)
    return stream.getvalue()


def _edited(data: bytes, edit: Callable[[Dataset], None]) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    edit(dataset)
    return _saved(dataset)


def _edit(edit: Callable[[Dataset, np.random.Generator], None], all_files: bool = False) -> Mutation:
    if all_files:
        return lambda files, rng: {
            name: _edited(data, lambda dataset: edit(dataset, rng)) for name, data in files.items()
        }
    return _one(lambda data, rng: _edited(data, lambda dataset: edit(dataset, rng)))


def _raw(dataset: Dataset, keyword: str, text: str) -> None:
    """A value as the file may have it, whatever pydicom thinks of it."""
    if keyword not in dataset:
        dataset.add_new(keyword, pydicom.datadict.dictionary_VR(keyword), "1")
    element = dataset[keyword]
    padded = text.encode() + b" " * (len(text) % 2)
    dataset._dict[element.tag] = pydicom.dataelem.RawDataElement(
        element.tag, element.VR, len(padded), padded, 0, dataset.original_encoding[0], True
    )


def _holder(dataset: Dataset, keyword: str) -> Dataset:
    """Where an attribute of place stands: in the object, its functional groups, or its detector's item."""
    if keyword in dataset:
        return dataset
    for sequence in (
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "DetectorInformationSequence",
    ):
        for item in dataset.get(sequence, []):
            if keyword in item:
                return item
            for element in item:
                if element.VR == "SQ" and element.value and keyword in element.value[0]:
                    return element.value[0]
    return dataset


_BAD_NUMBERS = ("NaN", "inf", "-inf", "1e999", "abc", "", "1,5")


def _bad_place(dataset: Dataset, rng: np.random.Generator) -> None:
    keyword, count = (("PixelSpacing", 2), ("ImagePositionPatient", 3), ("ImageOrientationPatient", 6))[rng.integers(3)]
    values = ["1"] * count
    values[rng.integers(count)] = str(
        rng.choice(_BAD_NUMBERS if keyword != "PixelSpacing" else (*_BAD_NUMBERS, "-1", "0"))
    )
    _raw(_holder(dataset, keyword), keyword, "\\".join(values))


def _bad_rescale(dataset: Dataset, rng: np.random.Generator) -> None:
    keyword = ("RescaleSlope", "RescaleIntercept")[rng.integers(2)]
    bad = ("NaN", "inf", "-inf", "abc", "1e300", "1,5")
    _raw(dataset, keyword, str(rng.choice(bad if keyword == "RescaleIntercept" else (*bad, "0"))))


def _huge(dataset: Dataset, rng: np.random.Generator) -> None:
    kind = rng.integers(4)
    if kind in (0, 3):
        dataset.Rows = 65535
    if kind in (1, 3):
        dataset.Columns = 65535
    if kind in (2, 3):
        dataset.NumberOfFrames = int(rng.choice([2**31 - 1, 10**6, -5]))


def _smaller(dataset: Dataset, rng: np.random.Generator) -> None:
    if rng.integers(2):
        dataset.Rows -= int(rng.integers(1, dataset.Rows - 3))
    else:
        dataset.Columns -= int(rng.integers(1, dataset.Columns - 3))


def _unused_text(dataset: Dataset, rng: np.random.Generator) -> None:
    dataset.PatientComments = "x" * int(rng.integers(0, 60))
    dataset.OperatorsName = "y" * int(rng.integers(0, 60))
    dataset.private_block(0x0029, "SOMEBODY", create=True).add_new(1, "UN", rng.bytes(2 * rng.integers(0, 50)))


def _pixels(dataset: Dataset, rng: np.random.Generator) -> None:
    content = bytearray(dataset.PixelData)
    for at in rng.integers(len(content), size=rng.integers(1, 20)):
        content[at] ^= 1 << rng.integers(8)
    dataset.PixelData = bytes(content)


def _pixels_cut(dataset: Dataset, rng: np.random.Generator) -> None:
    size = int(rng.integers(0, len(dataset.PixelData) // 2 - 1)) * 2
    dataset.PixelData = dataset.PixelData[:size]


def _fragments(dataset: Dataset, change: Callable[[bytes], bytes]) -> None:
    frames = list(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([change(frame) for frame in frames])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True


def _fragment_cut(dataset: Dataset, rng: np.random.Generator) -> None:
    _fragments(dataset, lambda frame: frame[: 2 * int(rng.integers(1, len(frame) // 2))])


def _fragment_flipped(dataset: Dataset, rng: np.random.Generator) -> None:
    _fragments(dataset, lambda frame: _extreme(frame, rng) if rng.integers(2) else _flip(frame, rng))


def _codestream_header(dataset: Dataset, rng: np.random.Generator) -> None:
    """A codestream that says that it is larger than the object does."""

    def change(frame: bytes) -> bytes:
        head, rest = bytearray(frame[:64]), frame[64:]
        for _ in range(int(rng.integers(1, 4))):
            head[rng.integers(len(head))] = int(rng.choice([0, 1, 0x7F, 0xFF]))
        return bytes(head) + rest

    _fragments(dataset, change)


def _other_syntax(dataset: Dataset, rng: np.random.Generator) -> None:
    syntaxes = ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"]
    syntaxes += [f"1.2.840.10008.1.2.4.{n}" for n in (50, 57, 70, 80, 81, 90, 91, 100, 202)] + [
        "1.2.840.10008.1.2.5",
        "1.2",
    ]
    dataset.file_meta.TransferSyntaxUID = UID(str(rng.choice(syntaxes)))


def _wrong_syntax(data: bytes, rng: np.random.Generator) -> bytes:
    """The name of another transfer syntax before unchanged content."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    begin = 144 + int.from_bytes(data[140:144], "little")
    _other_syntax(dataset, rng)
    stream = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(stream, dataset.file_meta, enforce_standard=False)
    return b"\0" * 128 + b"DICM" + stream.getvalue() + data[begin:]


_VRS = (b"AE AS CS DA DS DT FD FL IS LO LT OB OW PN SH SL SQ SS ST TM UI UL UN US UT XX").split()


def _elements(data: bytes) -> list[int]:
    """Where elements with an explicit VR begin, about."""
    return [at for at in range(132, len(data) - 8) if data[at + 4 : at + 6] in _VRS]


def _wrong_vr(data: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.choice(_elements(data) or [132])) + 4
    return data[:at] + _VRS[rng.integers(len(_VRS))] + data[at + 2 :]


def _undefined_length(data: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.choice(_elements(data) or [132]))
    size = 8 if data[at + 4 : at + 6] in (b"SQ", b"OB", b"OW", b"UN", b"UT") else 6
    width = 4 if size == 8 else 2
    return data[: at + size] + b"\xff" * width + data[at + size + width :]


def _deep(data: bytes, rng: np.random.Generator) -> bytes:
    """Thousands of sequences in each other, of undefined length, in an attribute that is read."""
    depth = int(rng.choice([50, 900, 5000, 100_000]))
    tag = struct.pack("<HH", *((0x5200, 0x9229), (0x0054, 0x0022), (0x0040, 0xA730))[rng.integers(3)])
    begin = 144 + int.from_bytes(data[140:144], "little")
    implicit = pydicom.dcmread(io.BytesIO(data)).original_encoding[0]
    unknown = b"\xff" * 4
    opened = (tag + (b"" if implicit else b"SQ\0\0") + unknown + b"\xfe\xff\x00\xe0" + unknown) * depth
    closed = (b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)) * depth
    return data[:begin] + opened + closed + data[begin:]


@lru_cache(maxsize=1)
def _zeros_deflated() -> bytes:
    """Sixteen MB of zeros; deflate streams that were flushed can be put in a row."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeezer.compress(bytes(16 << 20)) + squeezer.flush(zlib.Z_FULL_FLUSH)


def _deflate_bomb(data: bytes, rng: np.random.Generator) -> bytes:
    """A private element of gigabytes of zeros before the rest."""
    begin = 144 + int.from_bytes(data[140:144], "little")
    blocks = int(rng.choice([60, 200, 250]))
    head = struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, blocks << 24)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = squeezer.compress(head) + squeezer.flush(zlib.Z_FULL_FLUSH)
    return data[:begin] + start + _zeros_deflated() * blocks + data[begin:]


def _slice_missing(files: Files, rng: np.random.Generator) -> Files:
    by_place = sorted(files, key=lambda name: float(pydicom.dcmread(io.BytesIO(files[name])).ImagePositionPatient[2]))
    gone = by_place[rng.integers(1, len(by_place) - 1)]
    return {name: data for name, data in files.items() if name != gone}


def _slice_twice(files: Files, rng: np.random.Generator) -> Files:
    data = files[sorted(files)[rng.integers(len(files))]]
    return {
        **files,
        "again.dcm": _edited(data, lambda dataset: setattr(dataset, "SOPInstanceUID", f"1.2.{rng.integers(99)}")),
    }


DICOM: dict[str, tuple[str, Mutation]] = {
    "unused attributes": (SAME, _edit(_unused_text)),
    "place is no number": (REFUSED, _edit(_bad_place)),
    "place is no number, all": (REFUSED, _edit(_bad_place, all_files=True)),
    "huge size": (REFUSED, _edit(_huge)),
    "huge size, all": (REFUSED, _edit(_huge, all_files=True)),
    "deep sequences": (SAME_OR_REFUSED, _one(_deep)),
    "wrong transfer syntax": (SAME_OR_REFUSED, _one(_wrong_syntax)),
    "wrong VR": (ANY, _one(_wrong_vr)),
    "undefined length": (ANY, _one(_undefined_length)),
}
UNPACKED: dict[str, tuple[str, Mutation]] = {
    "pixels changed": (SAME_PLACE, _edit(_pixels)),
    "pixels cut": (REFUSED, _edit(_pixels_cut)),
    "smaller than its pixels": (REFUSED, _edit(_smaller, all_files=True)),
}
ENCAPSULATED: dict[str, tuple[str, Mutation]] = {
    "fragment cut": (SAME_OR_REFUSED, _edit(_fragment_cut)),
    "fragment changed": (SAME_PLACE, _edit(_fragment_flipped)),
    "codestream's header": (SAME_PLACE, _edit(_codestream_header)),
    "smaller than its pixels": (REFUSED, _edit(_smaller, all_files=True)),
}
SLICES: dict[str, tuple[str, Mutation]] = {
    "slice missing": (REFUSED, _slice_missing),
    "slice twice": (REFUSED, _slice_twice),
    "rescale is no number": (REFUSED, _edit(_bad_rescale)),
}
DEFLATED: dict[str, tuple[str, Mutation]] = {"deflate bomb": (SAME_OR_REFUSED, _one(_deflate_bomb))}


# --- NIfTI -------------------------------------------------------------------------------------------------------


def _nifti(change: Callable[[nib.Nifti1Header, np.random.Generator], None]) -> Mutation:
    def mutate(data: bytes, rng: np.random.Generator) -> bytes:
        packed = data[:2] == b"\x1f\x8b"
        content = gzip.decompress(data) if packed else data
        header = nib.Nifti1Header(content[:348], check=False)
        change(header, rng)
        content = header.binaryblock + content[348:]
        return gzip.compress(content, 1) if packed else content

    return _one(mutate)


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
    "extension": (SAME_OR_REFUSED, _one(_extension)),
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
            special["gzip bomb"] = (REFUSED, _one(_gzip_bomb))
    elif name == "png":
        special["size"] = (REFUSED, _one(_png_size))
        special["bomb"] = (REFUSED, _one(_png_bomb))
        special["another format"] = (REFUSED, _one(_other_picture))
    elif name in ("zip", "upload"):
        special["bomb"] = (REFUSED, _one(_zip_bomb))
        special["names that lead out"] = (REFUSED, _one(_zip_names))
    elif name == "transform-tfm":
        special["number"] = (ANY, _one(_text_number))
    elif name == "session":
        special["value"] = (ANY, _one(_json_value))
        special["deep"] = (SAME_OR_REFUSED, _one(_json_deep))
    elif name == "archives":
        special["deep"] = (SAME_OR_REFUSED, _one(_toml_deep))
    return {**BYTES, **special}
