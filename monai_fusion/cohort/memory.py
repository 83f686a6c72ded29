"""What fusing a pair will need, from the headers alone."""

from __future__ import annotations

import math
from pathlib import Path

from monai_fusion.cohort.study import Study

__all__ = ["BASE_MIB", "estimate_memory"]

#: Libraries and the bundle, in MiB, and what a voxel of either image adds, in bytes; from above, measured in
#: docs/scale.md.
BASE_MIB = 700
_MRI_BYTES, _FUNCTIONAL_BYTES = 40, 24


def estimate_memory(study: Study) -> int:
    """Bytes that a worker will hold at most, with the libraries; of the libraries alone where a header says nothing.

    Bad headers are not told here but where the image is read.
    """
    voxels = [
        _count_voxels(paths, study.settings.get(f"{role}_series"), role)
        for role, paths in (("mri", study.mri), ("functional", study.functional))
    ]
    return BASE_MIB * 2**20 + voxels[0] * _MRI_BYTES + voxels[1] * _FUNCTIONAL_BYTES


def _count_voxels(paths: tuple[Path, ...], series: str | None, role: str) -> int:
    import nibabel as nib
    from PIL import Image

    from monai_fusion.data.dicom_index import find_series
    from monai_fusion.data.dicom_series import choose_series
    from monai_fusion.data.picture_formats import PICTURE_FORMATS, PICTURE_SUFFIXES

    name = paths[0].name.lower()
    try:
        if paths[0].is_file() and name.endswith((".nii", ".nii.gz")):
            return math.prod(nib.load(paths[0]).shape[:3])  # type: ignore[attr-defined]
        if paths[0].is_file() and name.endswith(PICTURE_SUFFIXES):
            with Image.open(paths[0], formats=PICTURE_FORMATS) as picture:
                return math.prod(picture.size)
        found = find_series(paths[0] if len(paths) == 1 else list(paths))
        chosen, _ = choose_series(found, series, role, name)
        return math.prod(chosen.matrix or ()) * len(chosen.planes)
    except Exception:  # a damaged header: the reader says what is wrong with it
        return 0
