"""The demo pair holds what it says it holds, and the known motion brings it back together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import monai_fusion
from monai_fusion.data.phantom import COLD_LESION, HOT_LESION, MOTION, DemoPair, Lesion, write_demo_pair

datasets = pytest.importorskip("nilearn.datasets")


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


def test_grey_matter_has_its_suv(fused: monai_fusion.FusionResult) -> None:
    """8, less by the scanner's blur; the SUV comes from the header's weight, dose and times."""
    assert fused.report["functional"]["units"] == "SUVbw g/ml"
    suv = fused.sources["functional"] * fused.report["intensity"]["functional"]["high"]
    grey, white = (
        np.asarray(getattr(datasets, f"load_mni152_{tissue}_template")(resolution=1).dataobj) for tissue in ("gm", "wm")
    )
    truth = ndimage.gaussian_filter(8 * grey + 2 * white, 5 / np.sqrt(8 * np.log(2)))
    thick = ndimage.binary_erosion(grey > 0.8, iterations=2)
    points = np.c_[np.argwhere(thick), np.ones(thick.sum())] @ datasets.load_mni152_template(resolution=1).affine.T
    measured = ndimage.map_coordinates(suv, (np.linalg.inv(fused.affine) @ points.T)[:3], order=1)
    assert np.median(truth[thick]) == pytest.approx(7.03, abs=0.01)
    assert np.median(measured) == pytest.approx(np.median(truth[thick]), rel=0.05)  # interpolated three times


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
