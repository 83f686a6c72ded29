"""Opening one DICOM file: wherever it lies, and whatever was done to it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_objects import VOLUME, classic, compressed, edit, enhanced, gated, nm, several, without_preamble, zipped

from monai_fusion.data.dicom_file import looks_like_dicom, read_dicom, read_dicom_and_hash
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.source import hash_files
from monai_fusion.errors import InputError


@pytest.mark.parametrize("packed", [False, True])
def test_a_file(packed: bool, tmp_path: Path) -> None:
    folder = classic(tmp_path / "s")
    expected = pydicom.dcmread(folder / "3.dcm")
    file = zipped(folder) / "s" / "3.dcm" if packed else folder / "3.dcm"
    assert looks_like_dicom(file)
    assert read_dicom(file) == expected
    assert "PixelData" not in read_dicom(file, header_only=True)
    some = read_dicom(str(file), header_only=True, tags=["Modality", "Rows"])
    assert (some.Modality, some.Rows) == ("MR", VOLUME.shape[1])
    assert "PatientName" not in some
    dataset, digest = read_dicom_and_hash(file)
    assert dataset == expected
    assert digest == hash_files([file])
    assert np.array_equal(dataset.pixel_array, expected.pixel_array)


def test_without_preamble(tmp_path: Path) -> None:
    file = next(without_preamble(tmp_path / "s").iterdir())
    dataset = read_dicom(file)
    assert dataset.Modality == "MR"
    assert dataset.pixel_array.shape == VOLUME.shape[1::-1]


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", b"\x08\x00\x16\x00no image", b"\x08\x00" + bytes(300), bytes(131), b"\x89PNG" + bytes(300)],
    ids=["empty", "text", "text like an element", "zeros like an element", "short", "picture"],
)
def test_no_dicom(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(content)
    (tmp_path / "x").write_bytes(content)
    assert not looks_like_dicom(tmp_path / "x")
    with pytest.raises(InputError, match=r"x\.dcm: (not|a damaged) "):
        read_dicom(tmp_path / "x.dcm")


def test_a_missing_codec_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder
    from pydicom.uid import JPEG2000Lossless

    folder = compressed(tmp_path / "s", JPEG2000Lossless)
    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    with pytest.raises(InputError, match=r"compressed \(JPEG 2000.*pip install 'monai-fusion\[codecs\]'"):
        SourceReader("mri").get_data(folder)


def test_a_syntax_that_nothing_reads(tmp_path: Path) -> None:
    folder = classic(tmp_path / "s")
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
        dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0"])
        dataset["PixelData"].VR = "OB"
        dataset.save_as(file)
    with pytest.raises(InputError, match=r"stored as MPEG2.*cannot be read"):
        SourceReader("mri").get_data(folder)


@pytest.mark.parametrize("vr", ["LO", "OB"])
def test_a_syntax_that_is_no_uid(vr: str, tmp_path: Path) -> None:
    """Of another VR it comes as a text or as bytes."""
    file = next(classic(tmp_path).iterdir())
    content = file.read_bytes()
    at = content.index(b"\x02\x00\x10\x00UI") + 4
    length = content[at + 2 : at + 4]
    head_of = vr.encode() + (b"\0\0" + length + b"\0\0" if vr == "OB" else length)
    file.write_bytes(content[:at] + head_of + content[at + 4 :])
    with pytest.raises(InputError, match=rf"{file.name}: does not say how its pixels are stored|damaged"):
        SourceReader("mri").read_source(tmp_path)


def _damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut short, with bytes changed, or with a piece taken out."""
    kind = rng.integers(3)
    if kind == 0:
        return content[: rng.integers(len(content))]
    data = bytearray(content)
    if kind == 1:
        for at in rng.integers(132, min(len(data), 3000), rng.integers(1, 12)):
            data[at] = rng.integers(256)
    else:
        at = rng.integers(132, len(data))
        del data[at : at + rng.integers(1, 200)]
    return bytes(data)


def test_damaged_files_are_refused_or_read(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """240 of them: what comes is an `InputError` or a volume, never anything else, and no warning quotes a header."""
    rng = np.random.default_rng(5)
    inputs = [
        classic(tmp_path / "mr"),
        several(tmp_path / "echoes", [{"EchoTime": 1.0}, {"EchoTime": 2.0}]),
        edit(classic(tmp_path / "pet", modality="PT"), RescaleSlope=2),
        enhanced(tmp_path / "enhanced" / "0.dcm").parent,
        nm(tmp_path / "nm" / "0.dcm").parent,
        gated(tmp_path / "gated" / "0.dcm").parent,
    ]
    outcomes = {"refused": 0, "read": 0}
    for number in range(240):
        folder = inputs[number % len(inputs)]
        file = sorted(folder.iterdir())[0]
        sound = file.read_bytes()
        file.write_bytes(_damaged(sound, rng))
        try:
            array, meta = SourceReader("mri", frame=0).get_data(folder)
            assert array.shape[:2] == VOLUME.shape[:2]
            assert np.isfinite(meta["affine"]).all()
            outcomes["read"] += 1
        except InputError:
            outcomes["refused"] += 1
        file.write_bytes(sound)
    assert not list(recwarn)
    assert outcomes["refused"] > 100
    assert outcomes["read"] > 20


def test_a_damaged_zip_member_is_named(tmp_path: Path) -> None:
    folder = classic(tmp_path / "s")
    archive = tmp_path / "s.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.iterdir()):
            file.write(path, path.name)
    content = bytearray(archive.read_bytes())
    content[content.index(b"DICM") + 1500] ^= 255
    archive.write_bytes(content)
    with pytest.raises(
        InputError, match=r"s\.zip/0\.dcm: a damaged DICOM file \(Bad CRC|s\.zip/0\.dcm: cannot be read"
    ):
        SourceReader("mri").get_data(archive)
