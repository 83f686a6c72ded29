"""What the tests share: where the shared data lies, and small true inputs made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_fusion.data.synthetic_dicom import write_synthetic_series
from monai_fusion.networks.vgg import VGG16_CAFFE, VGGFeatures
from monai_fusion.workflow import bundle_root

if TYPE_CHECKING:
    from dicom_tools import MovedPair

SHARED = Path(__file__).resolve().parents[2] / "shared"

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


def save_nifti(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, path)
    return path


def save_dicom(folder: Path, array: np.ndarray, affine: np.ndarray, modality: str, name: str) -> Path:
    """A series of a volume on RAS axes, stored as given: first axis columns, second rows, third slices."""
    to_lps = np.diag([-1.0, -1, 1, 1]) @ affine
    write_synthetic_series(folder, array, to_lps, modality, name, frame_of_reference="scanner")
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
