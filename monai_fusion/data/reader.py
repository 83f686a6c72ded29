"""The one way in for images: a MONAI reader for NIfTI files, DICOM series and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import PathLike
from monai.data import ImageReader
from monai.utils import ensure_tuple

from monai_fusion.data.source import Source
from monai_fusion.data.zip_file import path_exists
from monai_fusion.errors import InputError

__all__ = ["SourceReader"]


class SourceReader(ImageReader):
    """Reads one of the two sources, for ``LoadImaged(keys, reader=SourceReader(...))``.

    What the path names decides how it is read: ``.nii`` and ``.nii.gz`` as NIfTI, PNG, JPEG and TIFF as a picture,
    a folder, a zip, a list of files or any other file as DICOM. Bad input is refused in `get_data`, not in `read`:
    ``LoadImage`` swallows what `read` raises and hands the path to MONAI's own readers, which would read it wrongly.

    Args:
        role: ``"mri"`` or ``"functional"``; for the choice among several DICOM series and for messages.
        series: a SeriesInstanceUID, a modality or a pattern of the description, where a folder holds several DICOM
            series (see `choose_series`).
        frame: the volume of a 4-D NIfTI file or of a DICOM series of several echoes, b-values, time points or gates,
            counted from 0.
        uneven: ``"refuse"`` DICOM slices at uneven distances, or ``"resample"`` them (see `stack_planes`).
        progress: show a bar while a folder is looked through.
    """

    def __init__(
        self,
        role: str,
        series: str | None = None,
        frame: int | None = None,
        uneven: str = "refuse",
        progress: bool = False,
    ) -> None:
        super().__init__()
        self.role = role
        self.series = None if series is None else str(series)
        self.frame = frame
        self.uneven = uneven
        self.progress = progress

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        return True

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> Path | list[Path]:
        """Only turns the names into paths."""
        paths = [Path(name) for name in ensure_tuple(data)]
        return paths[0] if len(paths) == 1 else paths

    def get_data(  # type: ignore[override]  # MONAI takes a tensor as well
        self, img: Path | list[Path]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Reads the image.

        Args:
            img: what `read` gave: a file or folder, or the files of a DICOM series.

        Returns:
            The voxels ``(I, J, K)``, ``(H, W)`` or ``(H, W, 3)`` in float32, and the metadata: ``affine`` (RAS, mm),
            ``slice_axis`` and ``source``, the facts for the report as JSON. The voxels of a volume lie in memory as in
            its files, slice after slice, and all steps keep that: a tensor, as MONAI would turn round an array.

        Raises:
            InputError: nothing there, or nothing that can be read without guessing.
        """
        name = str(img[0].parent if isinstance(img, list) else img)
        try:
            source = self.read_source(img)
            source.check(name)
        except MemoryError as error:
            raise InputError(f"{name}: needs more memory than there is; close other programs, or crop it") from error
        facts = {
            **source.facts,
            "shape": list(source.spatial_shape),
            "spacing_mm": [round(float(s), 6) for s in np.linalg.norm(source.affine[:3, :3], axis=0)],
        }
        picture = source.slice_axis is None
        if picture:
            del facts["spacing_mm"]
        return torch.from_numpy(source.array), {
            "affine": source.affine,
            "spatial_shape": np.asarray(source.spatial_shape),
            "original_channel_dim": -1 if source.array.ndim == 3 and picture else "no_channel",
            "slice_axis": -1 if picture else source.slice_axis,
            "source": json.dumps(facts),
        }

    def read_source(self, path: Path | list[Path]) -> Source:
        """Reads by the kind of file, unchecked."""
        from monai_fusion.data.nifti import read_nifti
        from monai_fusion.data.picture import read_picture
        from monai_fusion.data.picture_formats import PICTURE_SUFFIXES

        paths = path if isinstance(path, list) else [path]
        for each in paths:
            if not path_exists(each):
                raise InputError(f"{each}: there is no such file or folder; check the path of the {self.role} image")
            nifti = each.is_file() and each.name.lower().endswith((".nii", ".nii.gz"))
            picture = each.is_file() and each.name.lower().endswith(PICTURE_SUFFIXES)
            if (nifti or picture) and len(paths) > 1:
                raise InputError(f"{each}: only the files of a DICOM series are given as a list; name one image")
            if self.series is not None and (nifti or picture):
                raise InputError(f"{each}: only DICOM has series; leave out --{self.role}-series {self.series}")
            if self.frame is not None and picture:
                raise InputError(f"{each}: a picture has no frames; leave out --{self.role}-frame {self.frame}")
            if nifti:
                return read_nifti(each, self.frame)
            if picture:
                return read_picture(each)

        from monai_fusion.data.dicom_index import find_series
        from monai_fusion.data.dicom_series import choose_series
        from monai_fusion.data.dicom_volume import UNEVEN, read_series

        if self.uneven not in UNEVEN:
            raise InputError(f"--{self.role}-uneven {self.uneven}: choose {' or '.join(UNEVEN)}")
        found = find_series(path, self.progress)
        series, warnings = choose_series(found, self.series, self.role, str(paths[0]))
        source = read_series(series, self.role, self.frame, self.uneven)
        source.facts["warnings"] += warnings
        return source
