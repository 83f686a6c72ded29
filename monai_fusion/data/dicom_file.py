"""Opening one DICOM file, wherever it lies: every module that reads DICOM does it here."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, UID_dictionary

from monai_fusion.data.dicom_deflated import refuse_deflated_bomb
from monai_fusion.data.zip_file import open_file, size_of
from monai_fusion.errors import InputError

__all__ = ["looks_like_dicom", "quiet_pydicom", "read_dicom", "read_dicom_and_hash"]

_PREAMBLE, _MARK = 128, b"DICM"
#: What a DICOM file without preamble begins with: an element of group 2 or 8 with a number below 256, little endian.
_BARE_GROUPS = (b"\x02\x00", b"\x08\x00")


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silences pydicom for a while: its warnings quote values, which may be the patient's.

    What is wrong with a file is raised.
    """
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pydicom")
            yield
    finally:
        logger.setLevel(level)


def looks_like_dicom(file: Path) -> bool:
    """Whether a file has the mark of a DICOM file, or is called ``.dcm``; reads 132 bytes.

    Raises:
        InputError: it cannot be read.
    """
    if file.suffix.lower() == ".dcm":
        return True
    with open_file(file) as stream:
        return stream.read(_PREAMBLE + len(_MARK)).endswith(_MARK)


def read_dicom(file: str | Path, header_only: bool = False, tags: Sequence[str | int] | None = None) -> Dataset:
    """Reads a DICOM file, also one within a zip (``/x/study.zip/sub/0001.dcm``).

    Args:
        file: the file.
        header_only: leave out the pixels and what follows them.
        tags: read these attributes alone, by keyword or number; they are decoded here, so that a damaged one is named.

    Raises:
        InputError: no DICOM file, or a damaged one. pydicom decodes a value when it is first asked for: what is damaged
            in an attribute that is not among `tags` shows only then.
    """
    with open_file(file) as stream:
        return _parse(stream, file, size_of(Path(file)), header_only, tags)


def read_dicom_and_hash(file: str | Path) -> tuple[Dataset, str]:
    """Reads a whole DICOM file and its SHA-256, as `hash_files` gives it, in one pass over the disk.

    Raises:
        InputError: as `read_dicom`.
    """
    with open_file(file) as stream:
        content = stream.read()
    return _parse(io.BytesIO(content), file, len(content), False, None), hashlib.sha256(content).hexdigest()


def _parse(
    stream: IO[bytes], file: str | Path, size: int, header_only: bool, tags: Sequence[str | int] | None
) -> Dataset:
    try:
        bare = _is_bare(stream)
        if not bare:
            refuse_deflated_bomb(stream, size)
        wanted = None if tags is None else [Tag(tag) for tag in (*tags, "SOPClassUID")]
        dataset = pydicom.dcmread(stream, stop_before_pixels=header_only, specific_tags=wanted, force=bare)
        if tags is not None:
            for _ in dataset:
                pass
        if bare:
            _complete(dataset)
    except InvalidDicomError as error:
        raise InputError(f"{file}: not a DICOM file; remove it from the folder or send it again") from error
    except InputError:
        raise
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise InputError(f"{file}: a damaged DICOM file ({error}); remove it or send it again") from error
    dataset.filename, dataset.buffer = str(file), None  # pydicom would keep the whole stream
    return dataset


def _is_bare(stream: IO[bytes]) -> bool:
    """Whether a file may be DICOM without the preamble and its mark, as old archives write it."""
    start = stream.read(_PREAMBLE + len(_MARK))
    stream.seek(0)
    return not start.endswith(_MARK) and start[:2] in _BARE_GROUPS and start[3:4] == b"\x00"


def _complete(dataset: Dataset) -> None:
    """Gives a file without preamble the transfer syntax that pydicom found it to have; refuses what is no DICOM."""
    if dataset.get("SOPClassUID") not in UID_dictionary:
        raise InvalidDicomError
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
