"""The demo pair holds what it says it holds, and the known motion brings it back together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import monai_fusion
from monai_fusion.data.phantom import COLD_LESION, HOT_LESION, MOTION, DemoPair, Lesion, write_demo_pair

pytest.importorskip("nilearn")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> DemoPair:
    return write_demo_pair(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def fused(pair: DemoPair) -> monai_fusion.FusionResult:
    return monai_fusion.fuse(pair.mri, pair.functional, functional_transform=str(pair.transform))


def within(result: monai_fusion.FusionResult, lesion: Lesion, diameter: float) -> np.ndarray:
    """The uptake in a sphere around a lesion's true place."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in result.fused.shape], indexing="ij"), axis=-1)
    points = index @ result.affine[:3, :3].T + result.affine[:3, 3]
    return result.sources["functional"][np.linalg.norm(points - lesion.center, axis=-1) < diameter / 2]


def test_lesions_lie_where_they_were_put(fused: monai_fusion.FusionResult) -> None:
    uptake = fused.sources["functional"]
    grey = np.median(uptake[(fused.sources["mri"] > 0.4) & (uptake > 0.3)])
    assert within(fused, HOT_LESION, 4).mean() > 1.4 * grey
    assert within(fused, COLD_LESION, 6).mean() < 0.6 * grey
    i, j, k = np.unravel_index(uptake.argmax(), uptake.shape)
    assert np.linalg.norm((fused.affine @ [i, j, k, 1])[:3] - HOT_LESION.center) < HOT_LESION.diameter / 2


def test_the_motion_matters(pair: DemoPair, fused: monai_fusion.FusionResult) -> None:
    """Without it the PET lies beside the MRI, and the report says that nobody checked."""
    apart = monai_fusion.fuse(pair.mri, pair.functional, registration="none")
    brain = fused.sources["mri"] > 0.3
    assert (fused.sources["functional"] > 0.15)[brain].mean() > 0.97
    assert (apart.sources["functional"] > 0.15)[brain].mean() < 0.93
    assert "different frames of reference" in apart.report["warnings"][0]
    assert fused.report["warnings"] == []
    matrix = np.array(fused.report["registration"]["matrix_lps"])
    np.testing.assert_allclose(matrix[:3, 3], MOTION[1], atol=1e-9)


def test_series_are_repeatable(pair: DemoPair, tmp_path: Path) -> None:
    again = write_demo_pair(tmp_path)
    for name in ("0001.dcm", "0040.dcm"):
        assert (again.mri / name).read_bytes()[-5000:] == (pair.mri / name).read_bytes()[-5000:]
