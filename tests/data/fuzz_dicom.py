"""Damage that knows DICOM."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pydicom
from fuzz_bytes import ANY, REFUSED, SAME, SAME_OR_REFUSED, SAME_PLACE, Files, Mutation, extreme, flip, one
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID


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
    return one(lambda data, rng: _edited(data, lambda dataset: edit(dataset, rng)))


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
    _fragments(dataset, lambda frame: extreme(frame, rng) if rng.integers(2) else flip(frame, rng))


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
    "deep sequences": (SAME_OR_REFUSED, one(_deep)),
    "wrong transfer syntax": (SAME_OR_REFUSED, one(_wrong_syntax)),
    "wrong VR": (ANY, one(_wrong_vr)),
    "undefined length": (ANY, one(_undefined_length)),
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
DEFLATED: dict[str, tuple[str, Mutation]] = {"deflate bomb": (SAME_OR_REFUSED, one(_deflate_bomb))}
