"""Writing DICOM files: what the objects of a series share is encoded once."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import IO

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO, DicomIO
from pydicom.filewriter import correct_ambiguous_vr_element, write_data_element, write_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import AMBIGUOUS_VR

__all__ = ["DicomWriter"]

_PIXELS = 0x7FE0
_PREAMBLE = b"\0" * 128 + b"DICM"


class DicomWriter:
    """Writes objects as DICOM files, explicit little endian: byte for byte what pydicom's `save_as` gives.

    Of two objects that follow each other, an element that is one Python object in both (as `Dataset.update` makes it)
    is encoded once: it must not be changed between them.
    """

    def __init__(self) -> None:
        self._encoded: dict[int, tuple[DataElement, bytes]] = {}  # of the object before; the element keeps its id taken

    def write(self, instance: Dataset, path: Path) -> None:
        """Writes one object; the folder is made if it is not there.

        Args:
            instance: without file meta information.
            path: the file.
        """
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = instance.SOPClassUID, instance.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        head = _buffer()
        write_file_meta_info(head, meta)
        charset = instance.get("SpecificCharacterSet")
        encoded = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(_PREAMBLE + head.getvalue())
            for tag in sorted(instance.keys()):
                element = instance[tag]
                if tag.group == _PIXELS:
                    _write_pixels(element, instance, file)
                    continue
                known = self._encoded.get(id(element))
                content = _encode(element, instance, charset) if known is None else known[1]
                encoded[id(element)] = (element, content)
                file.write(content)
        self._encoded = encoded


def _encode(element: DataElement, instance: Dataset, charset: str | list[str] | None) -> bytes:
    if element.VR in AMBIGUOUS_VR:
        correct_ambiguous_vr_element(element, instance, True)  # in place
    buffer = _buffer()
    write_data_element(buffer, element, charset)
    return buffer.getvalue()


def _write_pixels(element: DataElement, instance: Dataset, file: IO[bytes]) -> None:
    """Writes what may be large as a stream, which pydicom does not copy."""
    correct_ambiguous_vr_element(element, instance, True)  # in place
    output = DicomIO(file)
    output.is_little_endian, output.is_implicit_VR = True, False
    value = element.value if element.is_buffered else BytesIO(element.value)
    write_data_element(output, DataElement(element.tag, element.VR, value))


def _buffer() -> DicomBytesIO:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    return buffer
