"""The images that lie in a folder or file, to choose the MRI and the functional image from. Reads no voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion.errors import InputError

__all__ = ["KINDS", "FoundImage", "find_images", "guess_pair", "iso_date"]

#: What a functional image is called, by its DICOM modality.
KINDS = {"PT": "PET", "NM": "SPECT"}


@dataclass(frozen=True)
class FoundImage:
    """One image that can be chosen.

    Args:
        path: a file, or the folder in which the series lies.
        series: its SeriesInstanceUID; None for what is no DICOM.
        modality: MR, PT, NM, ...; empty where the file does not say.
        description: the series description, or the file's name.
        matrix, spacing: as text, ``256 x 256`` and ``1.0 x 1.0 x 1.2 mm``.
        slices: their number.
        date: ISO 8601; empty where there is none.
        notes: what speaks against it or is to be known of it: a localiser, not attenuation corrected, several echoes.
        role: ``"mri"`` or ``"functional"`` where it is what `fuse` would choose by itself.
    """

    path: Path
    series: str | None
    modality: str
    description: str
    matrix: str = ""
    spacing: str = ""
    slices: int = 1
    date: str = ""
    notes: str = ""
    role: str | None = None

    def __str__(self) -> str:
        kind = self.modality or ("NIfTI" if ".nii" in self.path.suffixes else self.path.suffix.lstrip(".").upper())
        return f"{kind} · {self.description} · {self.slices} slice{'' if self.slices == 1 else 's'}"


def find_images(path: Path) -> list[FoundImage]:
    """All images below a folder, or in a file.

    Raises:
        InputError: there is none, or a file is damaged.
    """
    from monai_fusion.data.picture_formats import PICTURE_SUFFIXES

    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    images = [_nifti(file) for file in files if file.name.lower().endswith((".nii", ".nii.gz"))]
    images += [_picture(file) for file in files if file.name.lower().endswith(PICTURE_SUFFIXES)]
    if len(images) < len(files):
        try:
            images = _dicom(path) + images
        except InputError:
            if not images or any(file.suffix.lower() == ".dcm" for file in files):
                raise
    if not images:
        raise InputError(f"{path.name}: there is no image in it; choose a DICOM series, NIfTI files or pictures")
    return images


def guess_pair(images: Sequence[FoundImage]) -> tuple[int | None, int | None]:
    """The positions of the MRI and the functional image, where there is only one way to read them."""
    mri, functional = ([i for i, image in enumerate(images) if image.role == role] for role in ("mri", "functional"))
    unknown = [i for i, image in enumerate(images) if not image.modality]
    named = [
        i for i in unknown if any(word in images[i].description.lower() for word in ("pet", "spect", "functional"))
    ]
    if not mri and not functional and len(unknown) == 2 and len(named) == 1:
        functional, mri = named, [i for i in unknown if i not in named]
    return (mri[0] if len(mri) == 1 else None), (functional[0] if len(functional) == 1 else None)


def _dicom(path: Path) -> list[FoundImage]:
    """The series below a folder, as `monai-fusion inspect` lists them."""
    from monai_fusion.data.dicom_index import find_series
    from monai_fusion.data.dicom_inspection import inspect_series

    found = find_series(path)
    facts = inspect_series(found)
    roles = {choice["series_uid"]: role for role, choice in facts["choice"].items()}
    images = []
    for series, each in zip(found, facts["series"]):
        folders = {file.parent for file in series.files}
        images.append(
            FoundImage(
                path=folders.pop() if path.is_dir() and len(folders) == 1 else path,
                series=series.uid,
                modality=each["modality"],
                description=each["description"] or "no description",
                matrix=" x ".join(str(n) for n in each["matrix"] or ()),
                spacing=_spacing(each["spacing_mm"] or ()),
                slices=each["slices"],
                date=iso_date(each["date"]),
                notes="; ".join(each["notes"]),
                role=roles.get(series.uid),
            )
        )
    return images


def _nifti(file: Path) -> FoundImage:
    import nibabel as nib

    try:
        header: Any = nib.load(file).header
        shape, zooms = header.get_data_shape(), header.get_zooms()
    except Exception as error:  # nibabel raises many kinds
        raise InputError(f"{file.name}: not a readable NIfTI file; copy it again") from error
    matrix, slices = " x ".join(str(n) for n in shape[:2]), int(np.prod(shape[2:3]))
    return FoundImage(file, None, "", file.name, matrix, _spacing(zooms[:3]), slices)


def _picture(file: Path) -> FoundImage:
    from PIL import Image

    from monai_fusion.data.picture_formats import PICTURE_FORMATS

    try:
        with Image.open(file, formats=PICTURE_FORMATS) as picture:
            width, height = picture.size
    except Exception as error:  # Pillow raises many kinds
        raise InputError(f"{file.name}: not a readable picture; export it again") from error
    return FoundImage(file, None, "", file.name, f"{width} x {height}")


def iso_date(value: str) -> str:
    """``2026-01-31`` for DICOM's ``20260131``; anything else as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) == 8 and value.isdigit() else value


def _spacing(values: Sequence[Any]) -> str:
    return f"{' x '.join(f'{float(v):.4g}' for v in values)} mm" if len(values) else ""
