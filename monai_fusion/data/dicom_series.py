"""A DICOM series as its headers describe it, and choosing one of them."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from pydicom.uid import MRSpectroscopyStorage, ParametricMapStorage

from monai_fusion.data.dicom_plane import Plane
from monai_fusion.data.dicom_stack import check_planes, group_planes, stack_planes
from monai_fusion.errors import InputError

__all__ = ["MODALITIES", "DicomSeries", "choose_series", "prefer_series"]

#: The DICOM modalities that each of the two sources may be.
MODALITIES = {"mri": ("MR",), "functional": ("PT", "NM")}

#: Values of ImageType, VolumeBasedCalculationTechnique and SeriesType of what shows a volume without being one.
_NO_VOLUME = {
    "LOCALIZER": "localiser",
    "MOSAIC": "mosaic of slices",
    **dict.fromkeys(("MIP", "MAX_IP", "MINIP", "MIN_IP", "MNIP", "PROJECTION IMAGE", "REPROJECTION"), "projection"),
    **dict.fromkeys(("VOLUME_RENDER", "SURFACE_RENDER", "VRT", "SSD"), "rendering"),
    **dict.fromkeys(("SCREEN SAVE", "SCREENSHOT"), "screenshot"),
}
_NO_PIXELS: dict[str, str] = {MRSpectroscopyStorage: "spectroscopy", ParametricMapStorage: "parametric map"}
#: ImageType, value 3, of the NM objects that are volumes.
_NM_VOLUMES = ("RECON TOMO", "RECON GATED TOMO")
#: A series of two orientations is a stack with stray images if so many planes are of one; else it is a localiser.
_ONE_ORIENTATION = 0.75


@dataclass(eq=False)
class DicomSeries:
    """One series, unsorted. Text is as the headers have it, which may be anything.

    Args:
        uid: SeriesInstanceUID.
        study_uid: StudyInstanceUID.
        modality, description, number, date: of the series; the study's date where the series has none.
        sop_class_uid: of its first object.
        image_type: of its first object, in capitals.
        shown_as: what else its first object says about how it was computed, in capitals.
        frame_of_reference_uid: of its first object.
        patient: PatientID and its issuer, never to be told; empty where the header has none.
        birth_date: of the patient, likewise.
        attenuation_corrected: of a PET or SPECT; None where the header does not say.
        color: is a voxel more than one value?
        inverted: is it MONOCHROME1?
        files: in the order in which they were found.
        planes: all slices and frames; none if it holds no images.
    """

    uid: str
    study_uid: str
    modality: str
    description: str
    number: int | None
    date: str = ""
    sop_class_uid: str = ""
    image_type: list[str] = field(default_factory=list)
    shown_as: list[str] = field(default_factory=list)
    frame_of_reference_uid: str = ""
    patient: tuple[str, str] = ("", "")
    birth_date: str = ""
    attenuation_corrected: bool | None = None
    color: bool = False
    inverted: bool = False
    files: list[Path] = field(default_factory=list)
    planes: list[Plane] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.uid} ({self.modality} {self.description!r}, {len(self.files)} files)"

    @cached_property
    def kind(self) -> str | None:
        """What it is, where its header says that it never was a volume: a localiser, a projection, a screenshot."""
        if self.sop_class_uid in _NO_PIXELS:
            return _NO_PIXELS[self.sop_class_uid]
        for value in self.image_type + self.shown_as:
            if value in _NO_VOLUME:
                return _NO_VOLUME[value]
        if self.modality == "NM" and not set(_NM_VOLUMES) & set(self.image_type):
            return f"NM {self.image_type[2] if len(self.image_type) > 2 else 'of unknown type'}"
        return None

    @cached_property
    def not_a_volume(self) -> str | None:
        """`kind`, or what is found of its images: none, in colour, without a position, of many orientations."""
        if not self.planes:
            return "no images"
        if self.kind is not None:
            return self.kind
        if self.color:
            return "colour"
        if not any(plane.position for plane in self.planes):
            return "no position in the patient"
        orientations = Counter(tuple(np.round(p.orientation, 3) + 0.0) for p in self.planes if p.orientation)
        if orientations and max(orientations.values()) < _ONE_ORIENTATION * len(self.planes):
            return "several orientations"
        if len({plane.position for plane in self.planes}) == 1:
            return "a single slice"
        return None

    @cached_property
    def volumes(self) -> list[tuple[str, int]]:
        """The volumes that it holds: what tells each from the others, and its number of slices."""
        try:
            check_planes(self.planes)
        except (InputError, IndexError):
            return []
        return [(label, len(planes)) for label, planes in group_planes(self.planes)]

    @cached_property
    def defect(self) -> str | None:
        """Why it cannot be read although it is a volume; None if nothing is wrong with its headers.

        Of several volumes each is looked at: one of them may be sound.
        """
        if self.not_a_volume is not None:
            return None
        if self.inverted:
            return "inverted grey scale (MONOCHROME1)"
        try:
            check_planes(self.planes)
            for _, planes in group_planes(self.planes):
                stack_planes(planes, "", "mri")
        except InputError as error:
            named = next((file for file in self.files if str(error).startswith(f"{file}: ")), None)
            text = str(error) if named is None else f"{named.name}{str(error).removeprefix(str(named))}"
            return text.removeprefix(": ").partition(";")[0]
        return None

    @cached_property
    def spacing(self) -> tuple[float, float, float] | None:
        """Between columns, rows and slices of its first volume, in mm; None where it cannot be told."""
        if self.not_a_volume is not None or not self.volumes:
            return None
        _, planes = group_planes(self.planes)[0]
        try:
            stack = stack_planes(planes, "", "mri", "resample")
        except InputError:
            return None
        along = np.linalg.norm(stack.affine[:3, :3], axis=0)
        return (round(float(along[0]), 4), round(float(along[1]), 4), round(float(along[2]), 4))

    @property
    def matrix(self) -> tuple[int, int] | None:
        """Columns and rows of its first image."""
        return self.planes[0].shape[::-1] if self.planes else None

    @property
    def slices(self) -> int:
        """Slices of its first volume, or images where they make no volume."""
        return self.volumes[0][1] if self.volumes else len(self.planes)

    @cached_property
    def orientation(self) -> str:
        """``"axial"``, ``"coronal"`` or ``"sagittal"``, whichever is nearest, after ``"oblique"`` beyond 5 degrees."""
        if not self.planes or self.planes[0].orientation is None:
            return ""
        orientation = np.array(self.planes[0].orientation)
        normal = np.abs(np.cross(orientation[:3], orientation[3:]))
        name = ("sagittal", "coronal", "axial")[int(normal.argmax())]
        return name if normal.max() > np.cos(np.radians(5)) else f"oblique {name}"

    @property
    def derived(self) -> bool:
        """Was it computed from other images, outside the scanner?"""
        return self.image_type[:2] == ["DERIVED", "SECONDARY"]

    @property
    def notes(self) -> list[str]:
        """What a user should know before choosing it."""
        notes = [] if self.not_a_volume is None else [self.not_a_volume]
        if self.attenuation_corrected is False and self.not_a_volume is None:
            notes.append("not attenuation corrected")
        if len(self.volumes) > 1 and self.not_a_volume is None:
            notes.append(f"{len(self.volumes)} volumes, the first: {self.volumes[0][0]}")
        if self.derived and self.not_a_volume is None:
            notes.append("derived")
        if self.defect is not None:
            notes.append(self.defect)
        return notes


def choose_series(
    series: Sequence[DicomSeries], wanted: str | None, role: str, name: str
) -> tuple[DicomSeries, list[str]]:
    """The one series meant.

    Args:
        series: what `find_series` found.
        wanted: a SeriesInstanceUID, a modality (``"MR"``, ``"PT"``, ``"NM"``), or a pattern of the description
            (``"*MPRAGE*"``, any case). A UID or a pattern is taken at its word. Of a modality, and of those that fit
            the role if None, volumes count; of these no derived one beside an original one, and no PET without
            attenuation correction beside one with it in the same study and frame of reference. None also takes the
            only series there is, whatever it is.
        role: ``"mri"`` or ``"functional"``.
        name: the folder, for the message.

    Returns:
        The series, and warnings about what was passed over.

    Raises:
        InputError: none fits, or more than one; the message lists what there is.
    """
    if wanted is None and len(series) == 1:
        return series[0], []
    modalities: Sequence[str] = MODALITIES[role] if wanted is None else (wanted.upper(),)
    warnings: list[str] = []
    if wanted is not None and any(candidate.uid == wanted for candidate in series):
        fitting = [candidate for candidate in series if candidate.uid == wanted]
    elif wanted is None or any(candidate.modality == modalities[0] for candidate in series):
        fitting, warnings = prefer_series(series, modalities)
    else:
        pattern = wanted.lower()
        fitting = [c for c in series if c.description and fnmatch.fnmatchcase(c.description.lower(), pattern)]
    if len(fitting) == 1:
        return fitting[0], warnings
    found = "; ".join(f"{c}{''.join(f', {note}' for note in c.notes)}" for c in series)
    many = f"{len(fitting)} series fit" if fitting else "no series fits"
    option = f"--{role}-series (in the bundle --{role}_series)"
    raise InputError(
        f"{name}: {many} {wanted or ' or '.join(modalities)}; "
        f"choose one with {option} and its SeriesInstanceUID, modality or a pattern of its description. "
        f"There is: {found}"
    )


def prefer_series(series: Sequence[DicomSeries], modalities: Sequence[str]) -> tuple[list[DicomSeries], list[str]]:
    """Of the series of some modalities those that a user will mean, as `choose_series` says.

    Returns:
        The series, and warnings about a PET that was passed over.
    """
    volumes = [c for c in series if c.modality in modalities and c.not_a_volume is None]
    originals = [candidate for candidate in volumes if not candidate.derived]
    kept, warnings = originals or volumes, []
    corrected = [c for c in kept if c.attenuation_corrected]
    for candidate in kept:
        if candidate.modality == "PT" and candidate.attenuation_corrected is False:
            same = [c for c in corrected if _same_place(c, candidate)]
            if same:
                kept = [c for c in kept if c is not candidate]
                warnings.append(
                    f"series {_numbered(candidate)} is a PET without attenuation correction and was passed over for "
                    f"{' or '.join(_numbered(c) for c in same)}, which has it"
                )
    return kept, warnings


def _same_place(one: DicomSeries, other: DicomSeries) -> bool:
    return (one.study_uid, one.frame_of_reference_uid, one.modality) == (
        other.study_uid,
        other.frame_of_reference_uid,
        other.modality,
    )


def _numbered(series: DicomSeries) -> str:
    """A series for a warning: descriptions and UIDs may name the patient."""
    return f"number {series.number}" if series.number is not None else "without number"
