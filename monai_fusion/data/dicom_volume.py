"""Reading the files of one DICOM series as one volume, or refusing with the file named."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from monai_fusion.data.dicom_file import quiet_pydicom, read_dicom_and_hash
from monai_fusion.data.dicom_pixels import Scaling, decode_frames
from monai_fusion.data.dicom_plane import Plane
from monai_fusion.data.dicom_series import DicomSeries
from monai_fusion.data.dicom_stack import Stack, check_planes, group_planes, stack_planes
from monai_fusion.data.pet_header import read_pet_header
from monai_fusion.data.source import LPS_TO_RAS, Source, join_hashes
from monai_fusion.data.unpacking import is_bomb
from monai_fusion.data.zip_file import size_of
from monai_fusion.errors import InputError
from monai_fusion.slices import slice_axis_of

__all__ = ["UNEVEN", "read_series"]

#: What to do about slices at uneven distances.
UNEVEN = ("refuse", "resample")

_THREADS = min(4, os.cpu_count() or 1)
_LISTED = 20


def read_series(series: DicomSeries, role: str = "mri", frame: int | None = None, uneven: str = "refuse") -> Source:
    """Reads a series as float32 voxels indexed (column, row, slice) in the unit that its rescale gives.

    Args:
        series: what to read.
        role: ``"mri"`` or ``"functional"``, for messages.
        frame: which volume of a series that holds several (echoes, b-values, time points, gates), counted from 0.
        uneven: see `stack_planes`.

    Raises:
        InputError: the series is no single evenly spaced scalar volume, or a file is damaged.
    """
    _refuse_no_volume(series)
    label, planes = _choose_volume(series, role, frame)
    stack = stack_planes(planes, str(series), role, uneven)
    _refuse_bomb(stack, str(series))
    with quiet_pydicom():
        volume, slices = _read_pixels(stack)
    warnings = []
    if stack.resampled:
        volume = _interpolate(volume, stack)
        warnings.append("its slices are unevenly spaced: it was interpolated along their normal onto an even grid")
    affine = LPS_TO_RAS @ stack.affine

    scalings = [slices[id(plane)].scaling for plane in stack.planes]
    several_frames = len({plane.file for plane in stack.planes}) < len(stack.planes)
    files = [plane.file for plane in stack.nearest]
    facts: dict[str, Any] = {
        "kind": "dicom",
        "sha256": join_hashes(list({plane.file: slices[id(plane)].sha256 for plane in stack.planes}.values())),
        "modality": series.modality,
        "units": scalings[0].unit,
        "study_uid": series.study_uid,
        "series_uid": series.uid,
        "frame_of_reference_uid": stack.planes[0].frame_of_reference,
        "files": [str(file) for file in (dict.fromkeys(files) if several_frames else files)],
        "warnings": warnings + _check_scalings(series, scalings),
    }
    if label:
        facts["frame"], facts["frame_label"] = frame, label
    if scalings[0].maps:
        facts["real_world_value_map"] = scalings[0].maps[0]
    if series.modality == "PT":
        facts["pet"] = read_pet_header([slices[id(plane)].header for plane in stack.nearest])
    return Source(
        array=volume.transpose(2, 1, 0),
        affine=affine,
        slice_axis=slice_axis_of(affine) if series.modality == "NM" else 2,
        facts=facts,
    )


def _refuse_no_volume(series: DicomSeries) -> None:
    """Refuses by name what never was a volume; what else is wrong is found with its file named."""
    if not series.planes:
        raise InputError(f"{series}: holds no images; choose another series")
    if series.kind is not None:
        other = "the reconstructed tomogram (RECON TOMO)" if series.modality == "NM" else "another series"
        raise InputError(f"{series}: {series.kind} is no volume; choose {other}")


def _refuse_bomb(stack: Stack, name: str) -> None:
    """Compares what the headers say with what is there, before memory is taken for it."""
    voxels = len(stack.planes) * math.prod(stack.planes[0].shape)
    packed = sum(map(size_of, {plane.file for plane in stack.planes}))
    if is_bomb(packed, voxels * np.dtype(np.float32).itemsize):
        raise InputError(f"{name}: {packed} bytes that claim {voxels} voxels are not to be trusted; send it again")


def _choose_volume(series: DicomSeries, role: str, frame: int | None) -> tuple[str, list[Plane]]:
    """The planes of the volume meant, and what tells it from the others."""
    check_planes(series.planes)
    volumes = group_planes(series.planes)
    if len(volumes) == 1:
        if frame not in (None, 0):
            raise InputError(f"{series}: holds one volume, there is no frame {frame}; leave out --{role}-frame {frame}")
        return volumes[0]
    listed = ", ".join(f"{k}: {label} ({len(planes)} slices)" for k, (label, planes) in enumerate(volumes[:_LISTED]))
    if len(volumes) > _LISTED:
        listed += f", … {len(volumes) - 1}"
    if frame is None:
        raise InputError(f"{series}: holds {len(volumes)} volumes; choose one with --{role}-frame N: {listed}")
    if not 0 <= frame < len(volumes):
        raise InputError(f"{series}: there is no frame {frame}; choose another with --{role}-frame N: {listed}")
    return volumes[frame]


@dataclass(frozen=True)
class _Slice:
    """What is kept of a slice beside its voxels."""

    header: Dataset
    scaling: Scaling
    sha256: str


def _read_pixels(stack: Stack) -> tuple[np.ndarray, dict[int, _Slice]]:
    """Reads each file once, several at a time.

    Returns:
        ``(plane, row, column)`` float32, and what else is known of each plane, by its `id`.
    """
    volume = np.empty((len(stack.planes), *stack.planes[0].shape), np.float32)
    by_file: dict[Path, list[int]] = defaultdict(list)
    for number, plane in enumerate(stack.planes):
        by_file[plane.file].append(number)

    def read(file: Path, numbers: Sequence[int]) -> dict[int, _Slice]:
        dataset, digest = read_dicom_and_hash(file)
        frames = [stack.planes[number].frame for number in numbers]
        scalings = []
        for number, (values, scaling) in zip(numbers, decode_frames(dataset, file, frames)):
            if values.shape != volume.shape[1:]:
                raise InputError(f"{file}: its pixels are not of the size that its header says; send it again")
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
                volume[number] = values
            scalings.append(scaling)
        dataset.pop("PixelData")
        headers = [_header_of(dataset, frame) for frame in frames]
        parts = zip(numbers, headers, scalings)
        return {id(stack.planes[number]): _Slice(header, scaling, digest) for number, header, scaling in parts}

    slices: dict[int, _Slice] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for found in pool.map(read, by_file, by_file.values()):
                slices |= found
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return volume, slices


def _header_of(dataset: Dataset, frame: int | None) -> Dataset:
    """The header of one slice: of a multi-frame object a copy that describes this frame alone."""
    if frame is None:
        return dataset
    header = Dataset(dict(dataset.items()))
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    if frames:
        del header.PerFrameFunctionalGroupsSequence  # the element is the object's own: replaced here, not changed
        header.PerFrameFunctionalGroupsSequence = DicomSequence([frames[frame]])
    return header


def _check_scalings(series: DicomSeries, scalings: Sequence[Scaling]) -> list[str]:
    """Refuses slices in different units; warns of a choice among several real-world value maps."""
    units = sorted({scaling.unit or "none" for scaling in scalings})
    if len(units) > 1:
        raise InputError(f"{series}: its slices are in different units ({', '.join(units)}); choose another series")
    maps = scalings[0].maps
    if len(maps) > 1:
        return [f"it has {len(maps)} real-world value maps; the first was used, in {units[0]}"]
    return []


def _interpolate(volume: np.ndarray, stack: Stack) -> np.ndarray:
    """Planes interpolated along axis 0 onto the stack's grid."""
    result = np.empty((len(stack.lower), *volume.shape[1:]), np.float32)
    for k, (lower, weight) in enumerate(zip(stack.lower, stack.weight)):
        result[k] = (1 - weight) * volume[lower] + weight * volume[lower + 1]
    return result
