"""Finding the DICOM series in a folder, and choosing one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import MediaStorageDirectoryStorage

from monai_fusion.errors import InputError

__all__ = ["MODALITIES", "DicomSeries", "choose_series", "find_series"]

#: The DICOM modalities that each of the two sources may be.
MODALITIES = {"mri": ("MR",), "functional": ("PT", "NM")}

_HEADER = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "SeriesNumber",
    "Modality",
]


_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass
class DicomSeries:
    """The files of one series, unsorted, as their headers describe them."""

    uid: str
    modality: str
    description: str
    number: int | None
    files: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.uid} ({self.modality} {self.description!r}, {len(self.files)} files)"


def find_series(path: Path) -> list[DicomSeries]:
    """The series below a folder (subfolders included), or of a single file, sorted by number. Reads no pixels.

    Files that are no DICOM (no ``DICM`` mark) are passed over, unless they are named ``.dcm`` or were asked for.

    Raises:
        InputError: a file cannot be read, or there is no DICOM at all.
    """
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: the folder is empty; name the folder of a DICOM series, a NIfTI file or a picture")
    series: dict[str, DicomSeries] = {}
    for file in files:
        header = _read_header(file, must_be_dicom=file == path or file.suffix.lower() == ".dcm")
        if header is None or header.get("SOPClassUID") == MediaStorageDirectoryStorage:
            continue
        for keyword in _IDENTITY:
            if not header.get(keyword):
                raise InputError(f"{file}: its header has no {keyword}; it is damaged, remove it or send it again")
        uid = str(header.SeriesInstanceUID)
        if uid not in series:
            number = header.get("SeriesNumber")
            series[uid] = DicomSeries(
                uid=uid,
                modality=str(header.get("Modality", "")),
                description=str(header.get("SeriesDescription", "")),
                number=int(number) if isinstance(number, int) else None,
            )
        series[uid].files.append(file)
    if not series:
        raise InputError(f"{path}: none of its {len(files)} files is DICOM; name the folder of a DICOM series")
    return sorted(series.values(), key=lambda s: (s.number is None, s.number or 0, s.uid))


def _read_header(file: Path, must_be_dicom: bool) -> Dataset | None:
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_HEADER)
        for _ in header:  # pydicom decodes a value when it is first asked for
            pass
        return header
    except InvalidDicomError as error:
        if must_be_dicom:
            raise InputError(f"{file}: not a DICOM file; remove it from the folder or send it again") from error
        return None
    except Exception as error:  # pydicom raises many kinds on damaged headers
        raise InputError(f"{file}: a damaged DICOM file ({error}); remove it or send it again") from error


def choose_series(series: Sequence[DicomSeries], wanted: str | None, role: str, name: str) -> DicomSeries:
    """The one series meant.

    Args:
        series: what `find_series` found.
        wanted: a SeriesInstanceUID or a modality (``"MR"``, ``"PT"``, ``"NM"``); None takes the only series there is,
            or else the only one of a modality that fits the role.
        role: ``"mri"`` or ``"functional"``.
        name: the folder, for the message.

    Raises:
        InputError: none fits, or more than one; the message lists what there is.
    """
    if wanted is None and len(series) == 1:
        return series[0]
    if wanted is None:
        modalities: Sequence[str] = MODALITIES[role]
    else:
        modalities = (wanted.upper(),)
        for candidate in series:
            if candidate.uid == wanted:
                return candidate
    fitting = [candidate for candidate in series if candidate.modality in modalities]
    if len(fitting) == 1:
        return fitting[0]
    found = "; ".join(str(candidate) for candidate in series)
    many = f"{len(fitting)} series fit" if fitting else "no series fits"
    option = f"--{role}-series (in the bundle --{role}_series)"
    raise InputError(
        f"{name}: {many} {wanted or ' or '.join(modalities)}; "
        f"choose one with {option} and its SeriesInstanceUID or modality. There is: {found}"
    )
