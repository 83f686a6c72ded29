"""What the tests share: where the shared data lies, and small true inputs made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.data.synthetic_dicom import write_synthetic_series
from monai_fusion.networks.vgg import VGG16_CAFFE, VGGFeatures
from monai_fusion.workflow import bundle_root

if TYPE_CHECKING:
    from dicom_tools import MovedPair

SHARED = Path(__file__).resolve().parents[2] / "shared"

#: Files that take longest, each a minute or more: begun first, so that no process is left alone with one at the end.
SLOW = (
    "test_viewer_browser.py",
    "test_training.py",
    "test_outside_browser.py",
    "test_station.py",
    "test_orthanc.py",
    "test_cohort_faults.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` hands the files out in this order."""
    items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))


torch.set_num_threads(1)  # pytest-xdist runs as many processes as there are cores


@pytest.fixture(scope="session")
def bundle() -> Path:
    return bundle_root()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; the test is skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared data is not at {SHARED}")
    return SHARED


def head(shape: tuple[int, int, int] = (40, 48, 20)) -> tuple[np.ndarray, np.ndarray]:
    """An MRI and a PET of an asymmetric head: an ellipsoid with a spot on the left front and a bar on the right.

    Returns:
        Two (I, J, K) volumes, on RAS axes, MRI 0 to 900 and PET 0 to 20000.
    """
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = (x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 1.2) ** 2 < 1
    mri = inside * (500 + 100 * x + 60 * y + 150 * np.cos(6 * x) * np.sin(5 * y))
    mri[(x > 0.3) & (x < 0.5) & (abs(y) < 0.5) & (abs(z) < 0.6)] = 900
    pet = inside * (9000 + 3000 * y + 2000 * z)
    pet[(x + 0.4) ** 2 + (y - 0.4) ** 2 + (z - 0.2) ** 2 < 0.06] = 20000
    return mri.astype(np.float32), pet.astype(np.float32)


AFFINE = np.array([[3.0, 0, 0, -58], [0, 3.0, 0, -70], [0, 0, 5.0, -45], [0, 0, 0, 1]])
"""Index to RAS of `head`."""


SUV_BW = 70e3 / (370e6 * 2 ** (-3600 / 6586.2))
"""SUVbw of 1 Bq/ml in a series of `write_synthetic_series`: 370 MBq of F-18 an hour before, in 70 kg."""


def save_nifti(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, path)
    return path


def save_dicom(
    folder: Path, array: np.ndarray, affine: np.ndarray, modality: str, name: str, frame: str = "scanner"
) -> Path:
    """A series of a volume on RAS axes, stored as given: first axis columns, second rows, third slices."""
    write_synthetic_series(folder, array, LPS_TO_RAS @ affine, modality, name, frame_of_reference=frame)
    return folder


@pytest.fixture
def nifti_pair(tmp_path: Path) -> tuple[Path, Path]:
    mri, pet = head()
    return save_nifti(tmp_path / "mri.nii.gz", mri), save_nifti(tmp_path / "pet.nii.gz", pet)


@pytest.fixture
def dicom_pair(tmp_path: Path) -> tuple[Path, Path]:
    mri, pet = head()
    return (
        save_dicom(tmp_path / "mri", mri, AFFINE, "MR", "mri"),
        save_dicom(tmp_path / "pet", pet, AFFINE, "PT", "pet"),
    )


@pytest.fixture(scope="session")
def moved_pair(tmp_path_factory: pytest.TempPathFactory) -> MovedPair:
    from dicom_tools import write_moved_pair

    return write_moved_pair(tmp_path_factory.mktemp("moved"))


@pytest.fixture(scope="session")
def random_vgg() -> VGGFeatures:
    """The real layers with weights that keep the size of what passes through (He et al. 2015)."""
    torch.manual_seed(0)
    vgg = VGGFeatures(VGG16_CAFFE)
    for parameter in vgg.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            torch.nn.init.zeros_(parameter)
    return vgg


def textured_pair(shape: tuple[int, int, int] = (44, 52, 40)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An MRI and a PET of one head that can be registered: two tissues, folded as they are nowhere else in it.

    Returns:
        Two (I, J, K) volumes of 4 mm voxels on RAS axes, MRI 0 to about 900 and PET 0 to about 20000, and their affine.
    """
    rng = np.random.default_rng(0)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    head = (x / 0.75) ** 2 + (y / 0.8) ** 2 + (z / 0.8) ** 2 < 1
    brain = (x / 0.62) ** 2 + (y / 0.68) ** 2 + (z / 0.68) ** 2 < 1
    folds = ndimage.gaussian_filter(rng.normal(size=shape), 2.5)
    grey = brain & (folds > 0)
    mri = 300.0 * head + 300 * brain + 250 * (brain & ~grey) + rng.normal(0, 10, shape)
    pet = ndimage.gaussian_filter(600.0 * head + 4000 * brain + 14000 * grey, 0.8) + rng.normal(0, 200, shape)
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -2 * (np.array(shape) - 1)
    return mri.clip(0).astype(np.float32), pet.clip(0).astype(np.float32), affine


def motion(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    """4x4, LPS: degrees about x, y, z, then mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def moved(affine: np.ndarray, matrix_lps: np.ndarray) -> np.ndarray:
    """The affine to RAS of an image that a motion in LPS carries away."""
    return LPS_TO_RAS @ matrix_lps @ LPS_TO_RAS @ affine
