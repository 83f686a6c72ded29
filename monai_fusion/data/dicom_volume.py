"""Reading the files of one DICOM series as one volume, or refusing with the file named.

Slices are ordered by ImagePositionPatient along their normal, never by InstanceNumber, SliceLocation or file name.
highdicom decodes and scales them (per slice and per frame, real-world values first), ITK reads NM tomograms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from pydicom.dataset import Dataset

from monai_fusion.data.dicom_series import DicomSeries
from monai_fusion.data.pet_header import read_pet_header
from monai_fusion.data.source import LPS_TO_RAS, Source, hash_files
from monai_fusion.errors import InputError
from monai_fusion.slices import slice_axis_of

__all__ = ["read_series"]

_POSITION_TOLERANCE_MM = 0.1
_POSITION_TOLERANCE = 0.01
_ORIENTATION_TOLERANCE = 1e-4
_UNIT_TOLERANCE = 1e-2

#: What places a slice in the patient, and how many numbers each is.
_PLACE = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
_HEADER = (
    "Columns",
    "FrameOfReferenceUID",
    "ImageType",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "RescaleSlope",
    "Rows",
    "SamplesPerPixel",
    "StudyInstanceUID",
    "Units",
)


def read_series(series: DicomSeries) -> Source:
    """Reads a series as float32 voxels indexed (column, row, slice) in the unit that its rescale gives.

    Raises:
        InputError: the series is no single evenly spaced scalar volume, or a file is damaged.
    """
    datasets = [_read(file) for file in series.files]
    first = datasets[0]
    image_type = [str(value).upper() for value in first.get("ImageType", [])]
    if "LOCALIZER" in image_type:
        raise InputError(f"{series}: a localiser, not a volume; choose another series")
    for file, dataset in zip(series.files, datasets):
        if "PixelData" not in dataset:
            raise InputError(f"{file}: a DICOM object without pixels; choose another series")
        if dataset.get("SamplesPerPixel", 1) != 1:
            raise InputError(f"{file}: a colour image; a volume must have one value a voxel")
        if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
            raise InputError(f"{file}: an inverted grey scale (MONOCHROME1); convert the series to MONOCHROME2")

    slice_axis: int | None = 2
    if series.modality == "NM":
        array, affine = _read_nm(series, image_type)
        slice_axis = slice_axis_of(LPS_TO_RAS @ affine)
        files = series.files
    elif int(first.get("NumberOfFrames", 1)) > 1:
        array, affine = _read_multiframe(series, first)
        files = series.files
    else:
        array, affine, files = _read_classic(series, datasets)

    facts: dict[str, Any] = {
        "kind": "dicom",
        "sha256": hash_files(series.files),
        "modality": series.modality,
        "units": str(first.get("Units", "")),
        "study_uid": str(first.get("StudyInstanceUID", "")),
        "series_uid": series.uid,
        "frame_of_reference_uid": str(first.get("FrameOfReferenceUID", "")),
        "files": [str(file) for file in files],
        "warnings": [],
    }
    if series.modality == "PT":
        by_file = dict(zip(series.files, datasets))
        facts["pet"] = read_pet_header([by_file[file] for file in files])
    return Source(array, LPS_TO_RAS @ affine, slice_axis, facts)


def _read(file: Path) -> Dataset:
    try:
        dataset = pydicom.dcmread(file)
        for keyword in _HEADER:  # pydicom decodes a value when it is first asked for
            dataset.get(keyword)
        return dataset
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise InputError(f"{file}: a damaged DICOM file ({error}); remove it or send it again") from error


def _read_classic(series: DicomSeries, datasets: list[Dataset]) -> tuple[np.ndarray, np.ndarray, list[Path]]:
    """Voxels (column, row, slice), affine to LPS, and the files in the order of the slices."""
    order = _check_geometry(series, datasets)
    for file, dataset in zip(series.files, datasets):
        try:
            stored = dataset.pixel_array  # kept by pydicom: decoded here, so that a damaged file can be named
        except Exception as error:  # the decoders raise many kinds
            raise InputError(
                f"{file}: its pixels cannot be decoded, or the file is cut short ({error}); send it again"
            ) from error
        if dataset.get("RescaleSlope") == 0 and stored.any():  # highdicom takes it for 1
            raise InputError(f"{file}: its RescaleSlope is zero; repair the header")
    try:
        volume = highdicom.get_volume_from_series(
            [datasets[i] for i in order],
            dtype=np.float32,
            atol=max(_POSITION_TOLERANCE_MM, _POSITION_TOLERANCE * float(datasets[0].PixelSpacing[0])),
            orientation_tol=_ORIENTATION_TOLERANCE,
        )
    except Exception as error:  # highdicom raises many kinds
        raise InputError(
            f"{series}: cannot be read as one volume ({error}); send it again or choose another"
        ) from error
    files = [series.files[i] for i in order]
    ascending = np.dot(volume.affine[:3, 0], _position(datasets[order[1]]) - _position(datasets[order[0]])) > 0
    array, affine = _to_column_row_slice(volume)
    return array, affine, files if ascending else files[::-1]


def _position(dataset: Dataset) -> np.ndarray:
    return np.array([float(v) for v in dataset.ImagePositionPatient])


def _place(file: Path, dataset: Dataset) -> tuple[np.ndarray, ...]:
    """The values of `_PLACE`; refuses a slice whose place is not known."""
    values = []
    for keyword, count in _PLACE.items():
        try:
            numbers = np.array([float(v) for v in dataset[keyword].value])
        except Exception:  # pydicom raises many kinds on damaged values
            numbers = np.empty(0)
        if len(numbers) != count or not np.isfinite(numbers).all():
            raise InputError(
                f"{file}: has no {keyword} of {count} numbers, so its place in the patient is unknown; "
                "choose another series"
            )
        values.append(numbers)
    for keyword in ("FrameOfReferenceUID", "Rows", "Columns"):
        if not dataset.get(keyword):
            raise InputError(f"{file}: has no {keyword}; choose another series, or send this one again")
    axes, spacing = values[1].reshape(2, 3), values[2]
    if spacing.min() <= 0:
        raise InputError(f"{file}: its PixelSpacing is zero; repair the header")
    if not np.allclose(axes @ axes.T, np.eye(2), atol=_UNIT_TOLERANCE):
        raise InputError(
            f"{file}: its ImageOrientationPatient is no pair of perpendicular directions; repair the header"
        )
    return tuple(values)


def _check_geometry(series: DicomSeries, datasets: list[Dataset]) -> list[int]:
    """The order of the slices along their normal; refuses what is no evenly spaced stack, naming the file."""
    first_file, first = series.files[0], datasets[0]
    places = [_place(file, dataset) for file, dataset in zip(series.files, datasets)]
    positions, orientations, spacings = (np.array(values) for values in zip(*places))
    for file, dataset, orientation, spacing in zip(series.files, datasets, orientations, spacings):
        if (dataset.Rows, dataset.Columns) != (first.Rows, first.Columns):
            raise InputError(
                f"{file}: another matrix size than {first_file.name}; take the stray images out of the series"
            )
        if not np.allclose(spacing, spacings[0], rtol=1e-4):
            raise InputError(
                f"{file}: another PixelSpacing than {first_file.name}; take the stray images out of the series"
            )
        if not np.allclose(orientation, orientations[0], atol=_ORIENTATION_TOLERANCE):
            raise InputError(
                f"{file}: another orientation than {first_file.name}; "
                "the series mixes orientations (a localiser?), split it or choose another"
            )
        if dataset.FrameOfReferenceUID != first.FrameOfReferenceUID:
            raise InputError(f"{file}: another frame of reference than {first_file.name}; split the series")
    if len(datasets) < 2:
        raise InputError(f"{first_file}: a single slice; name the folder that holds the whole series")

    normal = np.cross(*orientations[0].reshape(2, 3))
    depths = positions @ normal
    order = np.argsort(depths, kind="stable")
    gaps = np.diff(depths[order])
    usual = float(np.median(gaps))
    tolerance = max(_POSITION_TOLERANCE_MM, _POSITION_TOLERANCE * usual)
    for i, gap in enumerate(gaps):
        before, after = (series.files[k].name for k in order[i : i + 2])
        if gap < min(tolerance, 0.5 * usual) or gap < 1e-3:
            raise InputError(
                f"{series}: {before} and {after} lie at the same place (a duplicate, or several time points or echoes "
                "in one series); take one of them out"
            )
        if abs(gap - usual) > tolerance:
            raise InputError(
                f"{series}: {gap:.3f} mm between {before} and {after} where {usual:.3f} mm is usual; "
                "a slice is missing, send the series again"
            )
    sideways = positions[order] - positions[order[0]]
    sideways = sideways - np.outer(sideways @ normal, normal)
    if np.abs(sideways).max() > tolerance:
        raise InputError(f"{series}: its slices are not stacked along their normal (gantry tilt); resample it first")
    return [int(i) for i in order]


def _read_multiframe(series: DicomSeries, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """An Enhanced MR, PET or CT object: voxels (column, row, slice) and affine to LPS."""
    if len(series.files) > 1:
        raise InputError(f"{series}: several multi-frame objects; name the file of the one to fuse")
    try:
        volume = highdicom.Image.from_dataset(dataset, copy=False).get_volume(dtype=np.float32)
    except Exception as error:  # highdicom and the decoders raise many kinds
        raise InputError(
            f"{series}: its frames are no single evenly spaced volume ({error}); choose another"
        ) from error
    return _to_column_row_slice(volume)


def _to_column_row_slice(volume: highdicom.Volume) -> tuple[np.ndarray, np.ndarray]:
    """highdicom's (slice, row, column) turned into (column, row, slice)."""
    return volume.array.transpose(2, 1, 0), volume.affine[:, [2, 1, 0, 3]]


def _read_nm(series: DicomSeries, image_type: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """A reconstructed SPECT: voxels (column, row, slice) and affine to LPS, as ITK places it."""
    if len(series.files) > 1:
        raise InputError(f"{series}: several NM objects; name the file of the one to fuse")
    if not {"RECON TOMO", "RECON GATED TOMO"} & set(image_type):
        kind = image_type[2] if len(image_type) > 2 else "of unknown type"
        raise InputError(f"{series}: NM {kind} is no volume; choose the reconstructed tomogram (RECON TOMO)")
    import SimpleITK as sitk  # half a second that only a SPECT should pay

    try:
        image = sitk.ReadImage(str(series.files[0]), sitk.sitkFloat32)
    except RuntimeError as error:
        raise InputError(f"{series}: its pixels cannot be read; send it again") from error
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0), affine
