"""Finding the DICOM series in a folder, a zip or a list of files, from their headers alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import MediaStorageDirectoryStorage
from tqdm import tqdm

from monai_fusion.data.dicom_file import looks_like_dicom, quiet_pydicom, read_dicom
from monai_fusion.data.dicom_plane import PLANE_TAGS, Plane, planes_of, values_of
from monai_fusion.data.dicom_series import DicomSeries
from monai_fusion.data.zip_file import list_files, stamp_of
from monai_fusion.errors import InputError

__all__ = ["find_series"]

_THREADS = 4  # they wait for the disk at the same time; parsing holds Python's lock
_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_TAGS = [  # as keywords pydicom would look them up for each file
    Tag(tag)
    for tag in (
        *_IDENTITY,
        *PLANE_TAGS,
        "AttenuationCorrected",
        "CorrectedImage",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientID",
        "PhotometricInterpretation",
        "SamplesPerPixel",
        "SeriesDate",
        "SeriesDescription",
        "SeriesNumber",
        "SeriesType",
        "StudyDate",
        "VolumeBasedCalculationTechnique",
    )
]


def find_series(
    path: Path | Sequence[Path], progress: bool = False, damaged: list[Path] | None = None
) -> list[DicomSeries]:
    """The series below a folder (subfolders included), in a zip, or of a list of these and of files, sorted by number.

    Reads no pixels. Files that are no DICOM (no ``DICM`` mark) are passed over, unless they are named ``.dcm`` or were
    asked for; so is a DICOMDIR. A second call for the same files, none of them changed, gives the same series at once.

    Args:
        path: where to look.
        progress: show a bar.
        damaged: takes the files that cannot be read, which end it otherwise.

    Raises:
        InputError: a file cannot be read, or there is no DICOM at all.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    found = {each: list_files(each) for each in paths}
    files = [file for each in found.values() for file in each]
    name = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    if not files:
        raise InputError(f"{name}: the folder is empty; name the folder of a DICOM series, a NIfTI file or a picture")
    asked = {each for each in paths if found[each] == [each]}
    state = (files, [stamp_of(file) for file in files], asked)
    if _last.state != state or damaged is not None:
        _last.state, _last.series = None, []
        with quiet_pydicom():
            _last.series = _index(files, asked, progress, damaged)
        _last.state = None if damaged else state
    if not _last.series:
        raise InputError(f"{name}: none of its {len(files)} files is DICOM; name the folder of a DICOM series")
    return list(_last.series)


class _Last(threading.local):
    """The last folder indexed: MRI and PET often lie in one."""

    state: object = None
    series: list[DicomSeries] = []  # noqa: RUF012 - replaced, never changed


_last = _Last()


def _index(files: Sequence[Path], asked: set[Path], progress: bool, damaged: list[Path] | None) -> list[DicomSeries]:
    series: dict[str, DicomSeries] = {}
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        tqdm(total=len(files), desc="indexing", disable=not progress, leave=False) as bar,
    ):
        try:
            for file, header, planes, error in pool.map(lambda file: _try(file, file in asked), files):
                bar.update()
                if error is not None:
                    if damaged is None:
                        raise error
                    damaged.append(file)
                elif header is not None:
                    _add(series, file, header, planes)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(series.values(), key=lambda s: (s.number is None, s.number or 0, s.uid))


def _try(file: Path, must_be_dicom: bool) -> tuple[Path, Dataset | None, list[Plane], InputError | None]:
    try:
        return *_read(file, must_be_dicom), None
    except InputError as error:
        return file, None, [], error


def _read(file: Path, must_be_dicom: bool) -> tuple[Path, Dataset | None, list[Plane]]:
    if not must_be_dicom and not looks_like_dicom(file):
        return file, None, []
    header = read_dicom(file, header_only=True, tags=_TAGS)
    if header.get("SOPClassUID") == MediaStorageDirectoryStorage or file.name == "DICOMDIR":
        return file, None, []
    for keyword in _IDENTITY:
        if not header.get(keyword):
            raise InputError(f"{file}: its header has no {keyword}; it is damaged, remove it or send it again")
    return file, header, planes_of(header, file)


def _add(series: dict[str, DicomSeries], file: Path, header: Dataset, planes: list[Plane]) -> None:
    uid = str(header.SeriesInstanceUID)
    if uid not in series:
        number = header.get("SeriesNumber")
        series[uid] = DicomSeries(
            uid=uid,
            study_uid=str(header.StudyInstanceUID),
            modality=str(header.get("Modality") or ""),
            description=str(header.get("SeriesDescription") or ""),
            number=int(number) if isinstance(number, int) else None,
            date=str(header.get("SeriesDate") or header.get("StudyDate") or ""),
            sop_class_uid=str(header.SOPClassUID),
            image_type=values_of(header, "ImageType"),
            shown_as=values_of(header, "VolumeBasedCalculationTechnique") + values_of(header, "SeriesType"),
            frame_of_reference_uid=str(header.get("FrameOfReferenceUID") or ""),
            patient=(str(header.get("PatientID") or "").strip(), str(header.get("IssuerOfPatientID") or "").strip()),
            birth_date=str(header.get("PatientBirthDate") or ""),
            attenuation_corrected=_attenuation_corrected(header),
        )
    found = series[uid]
    found.files.append(file)
    found.planes += planes
    found.color |= bool(planes) and header.get("SamplesPerPixel", 1) != 1
    found.inverted |= header.get("PhotometricInterpretation") == "MONOCHROME1"


def _attenuation_corrected(header: Dataset) -> bool | None:
    said = header.get("AttenuationCorrected")  # Enhanced PET
    if said:
        return str(said).upper() == "YES"
    terms = values_of(header, "CorrectedImage")
    return "ATTN" in terms if terms else None
