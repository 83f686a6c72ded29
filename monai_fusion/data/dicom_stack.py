"""From the planes of a series to one volume: which belong together, in what order, on what grid; or a refusal.

Slices are ordered by ImagePositionPatient along their normal, never by InstanceNumber, SliceLocation or file name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from monai_fusion.data.dicom_plane import Plane
from monai_fusion.errors import InputError

__all__ = ["Stack", "check_planes", "group_planes", "stack_planes"]

_POSITION_TOLERANCE_MM = 0.1
_POSITION_TOLERANCE = 0.01
_SAME_PLACE_MM = 1e-2
_ORIENTATION_TOLERANCE = 1e-4
_LARGEST_HOLE = 4  # grid spacings that may be interpolated over: three slices that are missing in a row

#: Marks that differ from slice to slice, so that their order at one place counts, and not their value.
_RISING = ("trigger time", "acquisition time")
#: Marks that one volume has one value of; two stacks that interleave would be taken for one of half the distance.
_STEADY = ("echo time", "b-value", "inversion time", "energy window", "R-R interval", "time slot", "phase")
_STEADY_TOLERANCE = 0.01
_UNITS = {"echo time": "ms", "inversion time": "ms", "trigger time": "ms", "frame reference time": "ms"}
_UNITS |= {"b-value": "s/mm2", "flip angle": "degrees", "cardiac phase": "%"}


@dataclass(frozen=True)
class Stack:
    """The planes of one volume, and the grid it is read onto.

    Args:
        planes: along their normal, the cross product of the directions along a row and down a column.
        affine: 4x4, (column, row, slice) indices of the grid to LPS in mm.
        lower: for each slice of the grid the number of the plane at or below it.
        weight: for each slice the share of the plane above; all 0 where the planes are the grid.
    """

    planes: list[Plane]
    affine: np.ndarray
    lower: np.ndarray
    weight: np.ndarray

    @property
    def resampled(self) -> bool:
        return bool(self.weight.any()) or len(self.lower) != len(self.planes)

    @property
    def nearest(self) -> list[Plane]:
        """For each slice of the grid the plane that lies nearest."""
        return [self.planes[int(i) + (w > 0.5)] for i, w in zip(self.lower, self.weight)]


def check_planes(planes: Sequence[Plane]) -> None:
    """Refuses planes that are no stack of one size and orientation, with the file named.

    Raises:
        InputError: a plane has no place, or another matrix, spacing, orientation or frame of reference than the first.
    """
    first = planes[0]
    for plane in planes:
        if plane.problem is not None:
            raise InputError(f"{plane.file}: {plane.problem}")
        if plane.shape != first.shape:
            raise InputError(f"{plane.file}: another matrix size than {first}; take the stray images out of the series")
        if not _alike(plane.spacing, first.spacing, rtol=1e-4):
            raise InputError(
                f"{plane.file}: another PixelSpacing than {first}; take the stray images out of the series"
            )
        if not _alike(plane.orientation, first.orientation, atol=_ORIENTATION_TOLERANCE):
            raise InputError(
                f"{plane.file}: another orientation than {first}; "
                "the series mixes orientations (a localiser?), split it or choose another"
            )
        if plane.frame_of_reference != first.frame_of_reference:
            raise InputError(f"{plane.file}: another frame of reference than {first}; split the series")


def _alike(
    one: tuple[float, ...] | None, other: tuple[float, ...] | None, rtol: float = 1e-5, atol: float = 1e-8
) -> bool:
    return one == other or np.allclose(_known(one), _known(other), rtol, atol)


def _known(values: tuple[float, ...] | None) -> tuple[float, ...]:
    """A value of a plane without a problem."""
    return values or ()


def group_planes(planes: Sequence[Plane]) -> list[tuple[str, list[Plane]]]:
    """Parts planes that lie at the same places into volumes, by what tells them apart.

    Args:
        planes: that `check_planes` lets pass.

    Returns:
        Volumes in the order of what distinguishes them, each with what that is (``"echo time 2.3 ms"``); one with
        empty text where no two planes lie at the same place, or where nothing tells those that do apart.
    """
    places: dict[int, list[Plane]] = defaultdict(list)
    normal = _normal(planes[0])
    depths = np.array([np.dot(_known(plane.position), normal) for plane in planes])
    order = np.argsort(depths, kind="stable")
    steps = np.diff(depths[order], prepend=depths[order[0]]) > _SAME_PLACE_MM
    for place, i in zip(np.cumsum(steps), order):
        places[int(place)].append(planes[i])
    count = max(map(len, places.values()))
    if count == 1:
        return [("", list(planes))]
    varying = _varying_marks(list(places.values()))
    for size in (1, 2, 3):
        for names in combinations(varying, size):
            if "gradient direction" in names and "b-value" in varying and "b-value" not in names:
                continue  # it would do, but says less
            groups = _by_value(planes, names, count, places)
            if groups is None and size == 1 and names[0] in _RISING:
                groups = _by_rank(names[0], count, places)
            if groups is not None:
                return groups
    return [("", list(planes))]


def _varying_marks(places: list[list[Plane]]) -> list[str]:
    """The marks that differ between planes at one place, in the order in which planes hold them."""
    names = list(dict.fromkeys(name for planes in places for plane in planes for name in plane.marks))
    return [name for name in names if any(len({p.marks.get(name) for p in planes}) > 1 for planes in places)]


def _by_value(
    planes: Sequence[Plane], names: Sequence[str], count: int, places: dict[int, list[Plane]]
) -> list[tuple[str, list[Plane]]] | None:
    """As many volumes as planes at the fullest place, each with at most one plane a place; None if it is not so."""
    groups: dict[tuple[Any, ...], list[Plane]] = defaultdict(list)
    for plane in planes:
        groups[tuple(plane.marks.get(name) for name in names)].append(plane)
    place_of = {id(plane): place for place, there in places.items() for plane in there}
    if len(groups) != count:
        return None
    for group in groups.values():
        if len({place_of[id(plane)] for plane in group}) != len(group):
            return None
    return [(_label(names, key), groups[key]) for key in sorted(groups, key=_sort_key)]


def _sort_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Missing values first; values of one mark are of one kind."""
    return tuple((value is not None, value if value is not None else 0) for value in key)


def _by_rank(name: str, count: int, places: dict[int, list[Plane]]) -> list[tuple[str, list[Plane]]] | None:
    """The earliest of each place, the second, and so on; None where a place has fewer, or two at the same time."""
    groups: list[list[Plane]] = [[] for _ in range(count)]
    for planes in places.values():
        values = [plane.marks.get(name) for plane in planes]
        if len(planes) != count or None in values or len(set(values)) != count:
            return None
        for group, plane in zip(groups, sorted(planes, key=lambda p: p.marks[name])):
            group.append(plane)
    return [(f"{name} {_told(name, group[0].marks[name])} in one slice", group) for group in groups]


def _label(names: Sequence[str], key: tuple[Any, ...]) -> str:
    return ", ".join(f"{name} {_told(name, value)}" for name, value in zip(names, key))


def _told(name: str, value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, tuple):
        return " ".join(f"{v:g}" for v in value)
    if name == "acquisition time":  # the time of day alone, no date
        clock = re.split(r"[.+&-]", value)[0][-6:]
        return ":".join((clock[:2], clock[2:4], clock[4:]))
    text = f"{value:g}" if isinstance(value, (int, float)) else str(value)
    return f"{text} {_UNITS[name]}" if name in _UNITS else text


def _normal(plane: Plane) -> np.ndarray:
    orientation = _known(plane.orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(normal / np.linalg.norm(normal))


def _check_steady(planes: Sequence[Plane], name: str) -> None:
    for mark in _STEADY:
        values = [plane.marks[mark] for plane in planes if mark in plane.marks]
        if values and max(values) - min(values) > _STEADY_TOLERANCE * max(map(abs, values)):
            lowest, highest = _told(mark, min(values)), _told(mark, max(values))
            raise InputError(f"{name}: its slices differ in {mark} ({lowest} to {highest}); split the series")


def stack_planes(planes: Sequence[Plane], name: str, role: str, uneven: str = "refuse") -> Stack:
    """Orders the planes of one volume along their normal.

    Args:
        planes: of one volume (`group_planes`), that `check_planes` lets pass.
        name: the series, for messages.
        role: ``"mri"`` or ``"functional"``, for messages.
        uneven: ``"refuse"``, or ``"resample"`` for linear interpolation along the normal onto an even grid from the
            first plane to the last, at the smallest distance between two neighbours (of those not below half the
            median, so that a near duplicate does not count), stretched so that the ends coincide.

    Raises:
        InputError: a single slice, planes of several echoes or gates, planes at the same place, uneven distances
            (beyond 0.1 mm and 1 %, or beyond what may be interpolated), or planes that are not stacked along their
            normal.
    """
    _check_steady(planes, name)
    if len(planes) < 2:
        raise InputError(f"{planes[0].file}: a single slice; name the folder that holds the whole series")
    normal = _normal(planes[0])
    depths = np.array([np.dot(_known(plane.position), normal) for plane in planes])
    order = np.argsort(depths, kind="stable")
    ordered, depths = [planes[i] for i in order], depths[order]
    gaps = np.diff(depths)
    usual = float(np.median(gaps))
    tolerance = max(_POSITION_TOLERANCE_MM, _POSITION_TOLERANCE * usual)
    smallest = float(gaps[gaps >= 0.5 * usual].min())
    even = True
    for gap, before, after in zip(gaps, ordered, ordered[1:]):
        if gap < min(tolerance, 0.5 * usual) or gap < 1e-3:
            raise InputError(
                f"{name}: {before} and {after} lie at the same place (a duplicate, or several time points or echoes "
                "in one series that nothing tells apart); take one of them out"
            )
        if abs(gap - usual) <= tolerance:
            continue
        even = False
        many = "a slice is missing" if gap > 1.5 * usual else "the slices are unevenly spaced"
        if uneven == "refuse":
            raise InputError(
                f"{name}: {gap:.3f} mm between {before} and {after} where {usual:.3f} mm is usual; "
                f"{many}, send the series again, or interpolate with --{role}-uneven resample"
            )
        if gap > _LARGEST_HOLE * smallest + tolerance:
            raise InputError(
                f"{name}: {gap:.3f} mm between {before} and {after} where {usual:.3f} mm is usual; "
                "too many slices are missing to interpolate them, send the series again"
            )
    positions = np.array([_known(plane.position) for plane in ordered])
    sideways = positions - positions[0] - np.outer(depths - depths[0], normal)
    if np.abs(sideways).max() > tolerance:
        raise InputError(f"{name}: its slices are not stacked along their normal (gantry tilt); resample it first")

    extent = float(depths[-1] - depths[0])
    count = len(ordered) if even else round(extent / smallest) + 1
    spacing = extent / (count - 1)
    if even:
        lower, weight = np.arange(count), np.zeros(count)
    else:
        index = np.interp(np.arange(count) * spacing, depths - depths[0], np.arange(len(ordered)))
        lower = np.minimum(index.astype(int), len(ordered) - 2)
        weight = index - lower
    affine = np.eye(4)
    orientation, pixel = _known(ordered[0].orientation), _known(ordered[0].spacing)
    affine[:3, 0] = np.array(orientation[:3]) * pixel[1]
    affine[:3, 1] = np.array(orientation[3:]) * pixel[0]
    affine[:3, 2] = normal * spacing
    affine[:3, 3] = positions[0]
    return Stack(ordered, affine, lower, weight)
