"""The one way in for images: a MONAI reader for NIfTI files, DICOM series and pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data import ImageReader
from monai.utils import ensure_tuple

from monai_fusion.data.source import Source
from monai_fusion.errors import InputError

__all__ = ["SourceReader"]


class SourceReader(ImageReader):
    """Reads one of the two sources, for ``LoadImaged(keys, reader=SourceReader(...))``.

    What the path names decides how it is read: ``.nii`` and ``.nii.gz`` as NIfTI, PNG, JPEG and TIFF as a picture,
    a folder or any other file as DICOM. Bad input is refused in `get_data`, not in `read`: ``LoadImage`` swallows
    what `read` raises and hands the path to MONAI's own readers, which would read it wrongly.

    Args:
        role: ``"mri"`` or ``"functional"``; for the choice among several DICOM series and for messages.
        series: a SeriesInstanceUID or a modality, where a folder holds several DICOM series.
        frame: the volume of a 4-D NIfTI file, counted from 0.
    """

    def __init__(self, role: str, series: str | None = None, frame: int | None = None) -> None:
        super().__init__()
        self.role = role
        self.series = None if series is None else str(series)
        self.frame = frame

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        return True

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> Path:
        """Only turns the name into a path."""
        return Path(ensure_tuple(data)[0])

    def get_data(self, img: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Reads the image.

        Returns:
            The voxels ``(I, J, K)``, ``(H, W)`` or ``(H, W, 3)`` in float32, and the metadata: ``affine`` (RAS, mm),
            ``slice_axis`` and ``source``, the facts for the report as JSON.

        Raises:
            InputError: nothing there, or nothing that can be read without guessing.
        """
        source = self.read_source(img)
        source.check(str(img))
        facts = {
            **source.facts,
            "shape": list(source.spatial_shape),
            "spacing_mm": [round(float(s), 6) for s in np.linalg.norm(source.affine[:3, :3], axis=0)],
        }
        picture = source.slice_axis is None
        if picture:
            del facts["spacing_mm"]
        return source.array, {
            "affine": source.affine,
            "spatial_shape": np.asarray(source.spatial_shape),
            "original_channel_dim": -1 if source.array.ndim == 3 and picture else "no_channel",
            "slice_axis": -1 if picture else source.slice_axis,
            "source": json.dumps(facts),
        }

    def read_source(self, path: Path) -> Source:
        """Reads by the kind of file, unchecked."""
        from monai_fusion.data.nifti import read_nifti
        from monai_fusion.data.picture import PICTURE_SUFFIXES, read_picture

        if not os.path.exists(path):  # unlike Path.exists, False for an impossible name
            raise InputError(f"{path}: there is no such file or folder; check the path of the {self.role} image")
        name = path.name.lower()
        nifti = path.is_file() and name.endswith((".nii", ".nii.gz"))
        picture = path.is_file() and name.endswith(PICTURE_SUFFIXES)
        if self.series is not None and (nifti or picture):
            raise InputError(f"{path}: only DICOM has series; leave out --{self.role}-series {self.series}")
        if self.frame is not None and not nifti:
            raise InputError(f"{path}: only a NIfTI file has frames; leave out --{self.role}-frame {self.frame}")
        if nifti:
            return read_nifti(path, self.frame)
        if picture:
            return read_picture(path)

        from monai_fusion.data.dicom_series import choose_series, find_series
        from monai_fusion.data.dicom_volume import read_series

        return read_series(choose_series(find_series(path), self.series, self.role, str(path)))
