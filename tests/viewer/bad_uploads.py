"""What must not be taken from a browser: zips that are not to be trusted, and images of which no pair can be made."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import numpy as np
import pydicom
from conftest import save_dicom
from pydicom.uid import NuclearMedicineImageStorage
from viewer_pair import MRI_AFFINE, volumes, write_pair


def zipped(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    stream.seek(0)
    return stream


def zipped_folder(folder: Path) -> bytes:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return zipped({str(file.relative_to(folder)): file.read_bytes() for file in files}).getvalue()


def encrypted() -> io.BytesIO:
    """A zip whose entry says that it is encrypted: bit 0 of the flags, in both headers (APPNOTE 4.4.4)."""
    content = bytearray(zipped({"a.dcm": b"secret"}).getvalue())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return io.BytesIO(bytes(content))


def with_link() -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("passwd")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    stream.seek(0)
    return stream


def lying() -> io.BytesIO:
    """A zip whose directory says 10 bytes where a megabyte comes out."""
    content = bytearray(zipped({"a.dcm": bytes(1 << 20)}).getvalue())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    return io.BytesIO(bytes(content))


#: Zips that are refused unopened, and what the refusal says.
BAD_ZIPS = {
    "a path that leads out": (lambda: zipped({"../../evil.dcm": b"x"}), "leads out"),
    "a path with backslashes": (lambda: zipped({"..\\evil.dcm": b"x"}), "leads out"),
    "an absolute path": (lambda: zipped({"/etc/evil": b"x"}), "leads out"),
    "a drive": (lambda: zipped({"C:/evil": b"x"}), "leads out"),
    "a link": (with_link, "link"),
    "encrypted": (encrypted, "is encrypted"),
    "a bomb": (lambda: zipped({"a": bytes(300 << 20)}), "zip bomb"),
    "a lying directory": (lying, "damaged zip"),
    "cut short": (lambda: io.BytesIO(zipped({"a": bytes(range(256)) * 64}).getvalue()[30:]), "damaged zip"),
}


def without_pixels(folder: Path) -> bytes:
    """A pair, zipped, whose MRI has headers alone."""
    mri, _ = write_pair(folder)
    for file in mri.iterdir():
        header = pydicom.dcmread(file)
        del header.PixelData
        header.save_as(file)
    return zipped_folder(folder)


def no_volume(folder: Path) -> bytes:
    """An MRI and a dynamic NM study of twelve frames, zipped: frames over time, not over space."""
    _, pet = write_pair(folder)
    first, *others = (pydicom.dcmread(file) for file in sorted(pet.iterdir()))
    for file in pet.iterdir():
        file.unlink()
    first.Modality, first.SOPClassUID = "NM", NuclearMedicineImageStorage
    first.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    first.ImageType = ["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"]
    frames = [first.pixel_array, *(other.pixel_array for other in others[:11])]
    first.NumberOfFrames, first.FrameIncrementPointer = len(frames), [0x00540100]  # time slices
    first.TimeSliceVector = list(range(1, len(frames) + 1))
    first.PixelData = np.stack(frames).tobytes()
    first.save_as(pet / "dynamic.dcm")
    return zipped_folder(folder)


def two_mri(folder: Path) -> bytes:
    """Two MRI of one head, zipped."""
    _, pet = write_pair(folder)
    for file in pet.iterdir():
        file.unlink()
    save_dicom(pet, volumes()[0], MRI_AFFINE, "MR", "another MRI")
    return zipped_folder(folder)
