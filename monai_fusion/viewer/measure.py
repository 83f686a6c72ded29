"""Numbers of a region of interest, from each source's own voxels: nothing that was resampled is measured.

A voxel belongs to a sphere if its centre does, and to a circle if moreover its layer holds the circle's plane. Where
no centre is within, the voxel around the region's centre counts.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_fusion.errors import InputError
from monai_fusion.escaping import csv_cell
from monai_fusion.metrics.suv_peak import suv_peak
from monai_fusion.viewer.voxels import Voxels

__all__ = ["COLUMNS", "distance_mm", "measure_roi", "table", "to_csv"]

_PLANES = ("sagittal", "coronal", "axial")  # by the display axis along which they are stacked

#: Of the table of measurements; lengths in mm, of the functional image in its unit.
COLUMNS = (
    "id", "kind", "plane", "x", "y", "z", "radius_mm", "volume_ml", "length_mm",
    "mri_mean", "mri_max", "functional_mean", "functional_max", "functional_peak", "functional_unit",
)  # fmt: skip


def measure_roi(roi: Mapping[str, Any], mri: Voxels, functional: Voxels, grid: np.ndarray) -> dict[str, Any]:
    """Mean and maximum of both images, and of the functional image the peak: the highest mean over 1 cm3.

    The peak is that of `suv_peak`: its sphere's centre lies within the region, the sphere may reach out of it.

    Args:
        roi: ``kind`` (``"sphere"`` or ``"circle"``), ``center`` in RAS mm, ``radius`` in mm, and a circle's ``plane``.
        mri, functional: the sources.
        grid: 4x4, the display grid's index to RAS, for the direction of a plane.

    Returns:
        ``mri``, ``functional`` (each None where the region lies outside of the image) and ``volume_ml``.

    Raises:
        InputError: a region that is none.
    """
    center, radius = np.array(_numbers(roi.get("center"), 3)), _numbers([roi.get("radius")], 1)[0]
    if radius <= 0 or roi.get("kind") not in ("sphere", "circle"):
        raise InputError("a region of interest of unknown kind or without a radius; draw it again")
    normal, thickness = None, 0.0
    if roi["kind"] == "circle":
        if roi.get("plane") not in _PLANES:
            raise InputError("a circle without a plane; draw it again")
        normal, thickness = _normal(grid, _PLANES.index(roi["plane"]))
    numbers: dict[str, Any] = {"mri": None, "functional": None}
    for role, image in (("mri", mri), ("functional", functional)):
        region = _region(image, center, radius, normal)
        if region is not None:
            box, inside = region
            values = image.array[box][inside].astype(np.float64)
            numbers[role] = {"mean": float(values.mean()), "max": float(values.max()), "voxels": int(values.size)}
            if role == "functional":
                mask = np.zeros(image.array.shape, dtype=bool)
                mask[box] = inside
                numbers[role] |= {"peak": suv_peak(image.array, image.affine, mask)[0], "unit": image.unit}
    volume = 4 / 3 * math.pi * radius**3 if normal is None else math.pi * radius**2 * thickness
    return {**numbers, "volume_ml": volume / 1000}


def distance_mm(line: Mapping[str, Any]) -> float:
    """The length of a distance, ``from`` and ``to`` in mm."""
    return float(np.linalg.norm(np.subtract(_numbers(line.get("to"), 3), _numbers(line.get("from"), 3))))


def table(rois: Sequence[Mapping[str, Any]], distances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a measurement, with the `COLUMNS`; what does not apply is None.

    Args:
        rois: with their ``numbers``.
        distances: as `distance_mm` takes them.
    """
    rows = []
    for roi in rois:
        numbers = roi["numbers"]
        row = {"id": roi.get("id"), "kind": roi["kind"], "radius_mm": roi["radius"], "volume_ml": numbers["volume_ml"]}
        row["plane"] = roi.get("plane") if roi["kind"] == "circle" else None
        row |= dict(zip("xyz", roi["center"]))
        for role in ("mri", "functional"):
            row |= {f"{role}_{name}": value for name, value in (numbers[role] or {}).items()}
        rows.append(row)
    for line in distances:
        row = {"id": line.get("id"), "kind": "distance", "length_mm": distance_mm(line)}
        rows.append(row | dict(zip("xyz", line["from"])))
    return [{column: row.get(column) for column in COLUMNS} for row in rows]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The table as CSV (RFC 4180), UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else csv_cell(v) for k, v in row.items()} for row in rows)
    return text.getvalue().encode()


def _numbers(values: Any, count: int) -> list[float]:
    """So many finite numbers: they come from a browser."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise InputError("a measurement whose place is no number; draw it again")
    return numbers


def _normal(grid: np.ndarray, axis: int) -> tuple[np.ndarray, float]:
    """The unit normal of the planes stacked along a display axis, and their distance."""
    first, second = (grid[:3, other] for other in range(3) if other != axis)
    normal = np.cross(first, second)
    normal /= np.linalg.norm(normal)
    return normal, abs(float(normal @ grid[:3, axis]))


def _region(
    image: Voxels, center: np.ndarray, radius: float, normal: np.ndarray | None
) -> tuple[tuple[slice, ...], np.ndarray] | None:
    """A box of the image and which of its voxels belong to the region; None if it has none."""
    to_index = np.linalg.inv(image.affine)
    middle = (to_index @ [*center, 1.0])[:3]
    reach = radius * np.linalg.norm(to_index[:3, :3], axis=1) + 1
    low = np.ceil(middle - reach).astype(int).clip(0)
    high = np.minimum(np.floor(middle + reach).astype(int) + 1, image.array.shape)
    if (low < high).all():
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high))
        index = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high)], indexing="ij"), axis=-1)
        away = index @ image.affine[:3, :3].T + image.affine[:3, 3] - center
        inside = np.ones(index.shape[:3], dtype=bool)
        if normal is not None:
            depth = away @ normal
            layer = np.abs(normal @ image.affine[:3, :3]).max()
            inside = (depth >= -layer / 2) & (depth < layer / 2)
            away = away - depth[..., None] * normal
        inside &= np.linalg.norm(away, axis=-1) <= radius
        if inside.any():
            return box, inside
    nearest = np.rint(middle).astype(int)
    if ((nearest >= 0) & (nearest < image.array.shape)).all():
        return tuple(slice(int(n), int(n) + 1) for n in nearest), np.ones((1, 1, 1), dtype=bool)
    return None
