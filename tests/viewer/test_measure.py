from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from runs import turned

from monai_fusion.errors import InputError
from monai_fusion.viewer.measure import COLUMNS, distance_mm, measure_roi, table, to_csv
from monai_fusion.viewer.voxels import Voxels

MRI_AFFINE = turned(np.diag([-1.0, 1.2, 1.5, 1.0]))  # oblique, its first axis to the left
PET_AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
MRI_AFFINE[:3, 3], PET_AFFINE[:3, 3] = (40, -40, -30), (-50, -50, -40)


def points(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def image(shape: tuple[int, int, int], affine: np.ndarray, unit: str = "") -> Voxels:
    """Values that are a plane in space: the mean over a sphere is the value at its centre."""
    return Voxels((1000 + points(shape, affine) @ [2.0, -3.0, 5.0]).astype(np.float32), affine, unit)


MRI, PET = image((80, 70, 50), MRI_AFFINE), image((50, 50, 30), PET_AFFINE, "SUVbw g/ml")
CENTER = np.array([3.0, 2.0, 1.0])


def sphere(center: np.ndarray, radius: float) -> dict[str, object]:
    return {"id": "R1", "kind": "sphere", "center": list(center), "radius": radius, "plane": "axial"}


def test_sphere_of_a_linear_image() -> None:
    numbers = measure_roi(sphere(CENTER, 12), MRI, PET, MRI_AFFINE)
    value = 1000 + CENTER @ [2.0, -3.0, 5.0]
    for role in ("mri", "functional"):
        assert numbers[role]["mean"] == pytest.approx(value, abs=2)
        # the steepest point of the sphere, within the diagonal of a voxel
        assert numbers[role]["max"] == pytest.approx(value + 12 * math.sqrt(38), rel=0.02)
    assert numbers["functional"]["unit"] == "SUVbw g/ml"
    assert numbers["volume_ml"] == pytest.approx(7.238, abs=1e-3)
    assert numbers["mri"]["voxels"] == pytest.approx(7238 / 1.8, rel=0.03)  # volume over that of a voxel


def test_voxels_are_counted_as_in_a_loop() -> None:
    inside = np.linalg.norm(points(PET.array.shape, PET_AFFINE) - CENTER, axis=-1) <= 9.3
    got = measure_roi(sphere(CENTER, 9.3), MRI, PET, MRI_AFFINE)["functional"]
    assert got["voxels"] == inside.sum()
    assert got["mean"] == pytest.approx(PET.array[inside].mean(dtype=np.float64))
    assert got["max"] == PET.array[inside].max()


def test_circle_is_one_layer_of_each_image() -> None:
    roi = {**sphere(np.array([1.0, 2.0, 2.4]), 10), "kind": "circle", "plane": "axial"}
    grid = np.diag([1.0, 1.0, 2.0, 1.0])
    got = measure_roi(roi, Voxels(MRI.array, np.diag([1.0, 1.2, 1.5, 1.0]) @ np.eye(4)), PET, grid)
    layer = [k for k in range(30) if abs(-40 + 3 * k - 2.4) <= 1.5]
    where = points(PET.array.shape, PET_AFFINE)[:, :, layer[0]]
    inside = np.hypot(where[..., 0] - 1, where[..., 1] - 2) <= 10
    assert got["functional"]["voxels"] == inside.sum()
    assert got["functional"]["mean"] == pytest.approx(PET.array[:, :, layer[0]][inside].mean(dtype=np.float64))
    assert got["volume_ml"] == pytest.approx(math.pi * 100 * 2 / 1000)


def test_smaller_than_a_voxel_and_outside() -> None:
    tiny = measure_roi(sphere(np.array([0.9, 0.9, -1.2]), 0.1), MRI, PET, MRI_AFFINE)
    assert tiny["functional"]["voxels"] == 1
    assert tiny["functional"]["mean"] == PET.array[25, 25, 13]
    outside = measure_roi(sphere(np.array([500.0, 0, 0]), 5), MRI, PET, MRI_AFFINE)
    assert outside["mri"] is None
    assert outside["functional"] is None


@pytest.mark.parametrize(
    "change",
    [{"kind": "cube"}, {"radius": 0}, {"radius": float("nan")}, {"center": [1, 2]}, {"center": ["a", 1, 2]},
     {"kind": "circle", "plane": "up"}, {"radius": None}],
)  # fmt: skip
def test_what_is_no_region(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="draw it again"):
        measure_roi({**sphere(CENTER, 5), **change}, MRI, PET, MRI_AFFINE)


def test_table_and_csv() -> None:
    roi = {**sphere(CENTER, 12)}
    roi["numbers"] = measure_roi(roi, MRI, PET, MRI_AFFINE)
    line = {"id": "D1", "from": [0, 0, 0], "to": [3, 4, 12]}
    assert distance_mm(line) == 13
    rows = list(csv.DictReader(io.StringIO(to_csv(table([roi], [line])).decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == ["R1", "D1"]
    assert float(rows[0]["functional_mean"]) == pytest.approx(roi["numbers"]["functional"]["mean"], rel=1e-5)
    assert rows[0]["functional_unit"] == "SUVbw g/ml"
    assert float(rows[1]["length_mm"]) == 13
    assert rows[1]["mri_mean"] == ""
