"""Where each image of a DICOM object lies in the patient, and what tells it from others at the same place.

The three ways of saying it (a classic slice, the functional groups of an enhanced multi-frame object, the vectors of
NM) are read here and nowhere else; what comes after sees `Plane` alone. Works on headers, pixels are not needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from monai_fusion.data.zip_file import size_of
from monai_fusion.errors import InputError

__all__ = ["PLANE_TAGS", "Plane", "frame_groups", "planes_of", "values_of"]

_UNIT_TOLERANCE = 1e-2
_FRAME_BYTES = 8  # what one takes at least: nine pixels, or the head of a fragment
_SIEMENS_B_VALUE = "0019100C"  # of scanners before XA, which write no (0018,9087)


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice or frame.

    Args:
        file: where it is stored.
        frame: which frame of the file, from 0; None where the file holds one image.
        position: ImagePositionPatient, LPS in mm, the centre of the first voxel; None where it is not said.
        orientation: ImageOrientationPatient: the directions along a row and down a column.
        spacing: PixelSpacing: between rows, between columns, in mm.
        shape: rows and columns.
        frame_of_reference: FrameOfReferenceUID, empty where there is none.
        marks: what may tell it from another plane at the same place, by the names of `_MARKS`.
        problem: why it cannot be placed: which attribute is missing or wrong.
    """

    file: Path
    frame: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    shape: tuple[int, int]
    frame_of_reference: str
    marks: dict[str, Any]
    problem: str | None = None

    def __str__(self) -> str:
        return self.file.name if self.frame is None else f"{self.file.name} frame {self.frame + 1}"


def _number(value: Any) -> float | None:
    try:
        number = float(value[0] if isinstance(value, (list, tuple)) or hasattr(value, "__iter__") else value)
    except (TypeError, ValueError, LookupError):
        return None
    return round(number, 4) if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None


def _vector(value: Any) -> tuple[float, ...] | None:
    try:
        return tuple(round(float(v), 4) for v in value)
    except (TypeError, ValueError):
        return None


def _b_value(value: Any) -> float | None:
    """Siemens writes text, and pydicom gives bytes where the file does not say so."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").strip(" \0")
    return _number([value])


#: What may tell planes at one place apart, the most telling first: name, attributes that say it, and how it is read.
_MARKS: tuple[tuple[str, tuple[str, ...], Callable[[Any], Any]], ...] = (
    ("echo time", ("EffectiveEchoTime", "EchoTime"), _number),
    ("b-value", ("DiffusionBValue", _SIEMENS_B_VALUE), _b_value),
    ("gradient direction", ("DiffusionGradientOrientation",), _vector),
    ("inversion time", ("InversionTimes", "InversionTime"), _number),
    ("flip angle", ("FlipAngle",), _number),
    ("temporal position", ("TemporalPositionIndex", "TemporalPositionIdentifier"), _number),
    ("frame reference time", ("FrameReferenceTime",), _number),
    ("cardiac phase", ("NominalPercentageOfCardiacPhase",), _number),
    ("trigger time", ("NominalCardiacTriggerDelayTime", "TriggerTime"), _number),
    ("echo number", ("EchoNumbers",), _number),
    ("acquisition", ("FrameAcquisitionNumber", "AcquisitionNumber"), _number),
    ("acquisition time", ("FrameAcquisitionDateTime", "AcquisitionDateTime", "AcquisitionTime"), _text),
)
_NM_MARKS = (
    ("energy window", "EnergyWindowVector"),
    ("R-R interval", "RRIntervalVector"),
    ("time slot", "TimeSlotVector"),
    ("phase", "PhaseVector"),
    ("detector", "DetectorVector"),
)
_FRAME_TYPES = ("MRImageFrameTypeSequence", "PETFrameTypeSequence", "CTImageFrameTypeSequence")
_NO_PLACE = "so the place of its slices is unknown; choose another series"
_PLACE = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}

#: The attributes that `planes_of` reads, for `read_dicom`.
PLANE_TAGS = [
    *_PLACE,
    *(keyword for _, keywords, _ in _MARKS for keyword in keywords),
    *(keyword for _, keyword in _NM_MARKS),
    "Columns",
    "ComplexImageComponent",
    "DetectorInformationSequence",
    "DimensionIndexSequence",
    "FrameOfReferenceUID",
    "ImageType",
    "Modality",
    "NumberOfFrames",
    "PerFrameFunctionalGroupsSequence",
    "Rows",
    "SharedFunctionalGroupsSequence",
    "SliceVector",
    "SpacingBetweenSlices",
]


def values_of(header: Dataset, keyword: str) -> list[str]:
    """An attribute of code strings in capitals, however many values it has."""
    value = header.get(keyword) or []
    return [str(v).upper() for v in ([value] if isinstance(value, str) else value)]


def planes_of(header: Dataset, file: Path) -> list[Plane]:
    """The planes that a file holds, in the order in which it stores them; none where it is no image.

    Raises:
        InputError: its frames do not agree with its description of them, or its header ends before them.
    """
    if "Rows" not in header and "Columns" not in header and "ImagePositionPatient" not in header:
        if UID(str(header.get("SOPClassUID"))).keyword.endswith("ImageStorage"):
            raise InputError(f"{file}: an image without Rows and Columns; it is damaged, remove it or send it again")
        return []
    try:
        if header.get("Modality") == "NM":
            return list(_nm_planes(header, file))
        if "PerFrameFunctionalGroupsSequence" in header:
            return list(_enhanced_planes(header, file))
        frames = _frame_count(header, file)
        plane = _plane(file, None, [header], header, _marks([header], values_of(header, "ImageType")[2:]))
        return [plane] if frames == 1 else [replace(plane, frame=k) for k in range(frames)]
    except InputError:
        raise
    except Exception as error:  # pydicom raises many kinds on damaged values
        raise InputError(f"{file}: a damaged DICOM header ({error}); remove it or send it again") from error


def _frame_count(header: Dataset, file: Path) -> int:
    """How many frames there are, but not more than the file can hold."""
    count = int(header.get("NumberOfFrames") or 1)
    if count < 1 or (count > 1 and count * _FRAME_BYTES > size_of(file)):
        raise InputError(f"{file}: it cannot hold the {count} frames that its header says; send it again")
    return count


def frame_groups(dataset: Dataset, frame: int | None) -> list[Dataset]:
    """Where an attribute of a frame may stand, the nearest first: its functional groups, the shared ones, the object.

    Args:
        dataset: any image.
        frame: from 0; None for an image of one frame.
    """
    found: list[Dataset] = []
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    groups = [frames[frame or 0]] if (frame or 0) < len(frames) else []
    for group in [*groups, *(dataset.get("SharedFunctionalGroupsSequence") or [])]:
        found.append(group)
        found += [element.value[0] for element in group if element.VR == "SQ" and element.value]
    return [*found, dataset]


def _find(groups: Sequence[Dataset], keyword: str) -> Any:
    for group in groups:
        value = group.get(int(keyword, 16) if keyword[0] == "0" else keyword)
        if value is not None and keyword[0] == "0":
            value = value.value
        if value is not None and value != "":
            return value
    return None


def _marks(groups: Sequence[Dataset], image_type: list[str]) -> dict[str, Any]:
    marks: dict[str, Any] = {}
    if image_type:
        marks["image type"] = " ".join(image_type)
    for name, keywords, read in _MARKS:
        for keyword in keywords:
            value = _find(groups, keyword)
            if value is not None and (mark := read(value)) is not None:
                marks[name] = mark
                break
    return marks


def _plane(file: Path, frame: int | None, groups: Sequence[Dataset], top: Dataset, marks: dict[str, Any]) -> Plane:
    """A plane, with what is wrong with its place: the first file that has something wrong is named by the reader."""
    values: list[tuple[float, ...] | None] = []
    problem = None
    for keyword, count in _PLACE.items():
        try:
            numbers = tuple(float(v) for v in _find(groups, keyword))
        except Exception:  # there is none, or pydicom raises one of many kinds on a damaged value
            numbers = ()
        right = len(numbers) == count and all(map(math.isfinite, numbers))
        if not right and problem is None:
            problem = (
                f"has no {keyword} of {count} numbers, so its place in the patient is unknown; choose another series"
            )
        values.append(numbers if right else None)
    for keyword in ("FrameOfReferenceUID", "Rows", "Columns"):
        if problem is None and not top.get(keyword):
            problem = f"has no {keyword}; choose another series, or send this one again"
    position, orientation, spacing = values
    if problem is None and spacing is not None and min(spacing) <= 0:
        problem = "its PixelSpacing is zero; repair the header"
    if problem is None and orientation is not None:
        row, column = orientation[:3], orientation[3:]
        products = (_dot(row, row) - 1, _dot(row, column), _dot(column, column) - 1)
        if max(map(abs, products)) > _UNIT_TOLERANCE:
            problem = "its ImageOrientationPatient is no pair of perpendicular directions; repair the header"
    shape = (int(top.get("Rows") or 0), int(top.get("Columns") or 0))
    reference = str(top.get("FrameOfReferenceUID") or "")
    return Plane(file, frame, position, orientation, spacing, shape, reference, marks, problem)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other))  # NumPy takes longer for three numbers, and there are many slices


def _enhanced_planes(header: Dataset, file: Path) -> Iterator[Plane]:
    """The frames of an Enhanced MR, PET or CT object, also a legacy-converted one."""
    frames = header.PerFrameFunctionalGroupsSequence
    count = _frame_count(header, file)
    if len(frames) != count:
        raise InputError(f"{file}: describes {len(frames)} frames and holds {count}; it is damaged, send it again")
    places = [i for i, p in enumerate(_dimensions(header)) if p not in _SPATIAL_DIMENSIONS]
    for k in range(count):
        groups = frame_groups(header, k)
        image_type = values_of(header, "ImageType")[2:]
        for keyword in _FRAME_TYPES:
            frame_type = _find(groups, keyword)
            if frame_type:
                item = frame_type[0]
                image_type = values_of(item, "FrameType")[2:] + values_of(item, "ComplexImageComponent")
        marks = _marks(groups, image_type)
        index = _find(groups, "DimensionIndexValues")
        if places and index is not None and not isinstance(index, int) and len(index) > max(places):
            marks["dimension index"] = tuple(int(index[i]) for i in places)
        yield _plane(file, k, groups, header, marks)


#: Dimensions along which frames of one volume follow each other: position, its index and its name.
_SPATIAL_DIMENSIONS = (0x00200032, 0x00209057, 0x00209056, 0x0020930D)


def _dimensions(header: Dataset) -> list[int]:
    return [int(item.DimensionIndexPointer) for item in header.get("DimensionIndexSequence") or []]


def _nm_planes(header: Dataset, file: Path) -> Iterator[Plane]:
    """The frames of an NM object.

    A reconstruction gives the place of its first frame in DetectorInformationSequence (or in the object itself); the
    others follow along the normal at SpacingBetweenSlices, backwards where it is negative (PS3.3 C.8.4.15).
    """
    count = _frame_count(header, file)
    groups = [*(header.get("DetectorInformationSequence") or [])[:1], header]
    vectors = {name: _vector_of(header, keyword, count, file) for name, keyword in _NM_MARKS}
    slices = _vector_of(header, "SliceVector", count, file) if count > 1 else []
    numbers = slices or list(range(1, count + 1))
    between = _number(header.get("SpacingBetweenSlices"))
    first = _plane(file, 0, groups, header, {})
    if first.problem is None and count > 1:
        if not between:
            first = replace(first, problem=f"has no SpacingBetweenSlices, {_NO_PLACE}")
        elif list(dict.fromkeys(numbers)) != list(range(1, max(numbers) + 1)):
            first = replace(first, problem=f"its SliceVector does not count from 1 upwards, {_NO_PLACE}")
    step = None
    if first.problem is None and first.orientation is not None:
        step = (between or 0.0) * np.cross(first.orientation[:3], first.orientation[3:])
    for k in range(count):
        position = first.position
        if position is not None and step is not None:
            position = tuple((np.array(position) + (numbers[k] - 1) * step).tolist())
        marks = {name: vector[k] for name, vector in vectors.items() if vector}
        yield replace(first, frame=k, position=position, marks=marks)


def _vector_of(header: Dataset, keyword: str, count: int, file: Path) -> list[int]:
    """One number a frame, or none at all."""
    value = header.get(keyword)
    numbers = [] if value is None else [int(v) for v in ([value] if isinstance(value, int) else value)]
    if numbers and len(numbers) != count:
        raise InputError(f"{file}: its {keyword} names {len(numbers)} frames, it holds {count}; send it again")
    return numbers
