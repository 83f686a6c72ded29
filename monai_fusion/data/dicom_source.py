"""The source series that the DICOM results refer to: their headers, and which of their slices a plane cuts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from monai_fusion.errors import InputError

__all__ = ["SourceImage", "SourceImages", "read_source_images", "reading"]

#: What is read of every slice; of the first one the whole header is.
_SLICE_TAGS = [
    "EchoTime",
    "EchoTrainLength",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "MRAcquisitionType",
    "MagneticFieldStrength",
    "RealWorldValueMappingSequence",
    "RepetitionTime",
    "RescaleIntercept",
    "RescaleSlope",
    "SOPClassUID",
    "SOPInstanceUID",
    "ScanOptions",
    "ScanningSequence",
    "SequenceVariant",
    "SliceThickness",
]

_SAME_PLANE_MM = 1e-2


@dataclass(frozen=True)
class SourceImage:
    """One slice of a source.

    Args:
        header: the header of the file that holds it.
        frame: its number from 1 in a multi-frame object, None in a classic one.
        position: where its first voxel lies, LPS in mm; None where the header does not say it (NM).
    """

    header: Dataset
    frame: int | None = None
    position: np.ndarray | None = None

    def group(self, name: str) -> Dataset:
        """The functional group `name` of this frame, its own or the shared one; empty where there is none."""
        own = self.header.get("PerFrameFunctionalGroupsSequence") or []
        shared = self.header.get("SharedFunctionalGroupsSequence") or []
        for groups in (own[self.frame - 1 : self.frame] if self.frame else [], shared):
            for item in groups:
                if item.get(name):
                    return item[name][0]
        return Dataset()

    def attribute(self, keyword: str, group: str) -> Any:
        """An attribute of the header, or of a functional group in an enhanced object; None where neither has it."""
        value = self.header.get(keyword)
        return self.group(group).get(keyword) if value is None else value

    @property
    def rescale(self) -> tuple[float, float]:
        """Slope and intercept from stored values to those that the reader gives: real-world values first."""
        mapping = self.header.get("RealWorldValueMappingSequence") or [self.group("RealWorldValueMappingSequence")]
        if "RealWorldValueSlope" in mapping[0]:
            return float(mapping[0].RealWorldValueSlope), float(mapping[0].RealWorldValueIntercept)
        slope, intercept = (
            self.attribute(keyword, "PixelValueTransformationSequence")
            for keyword in ("RescaleSlope", "RescaleIntercept")
        )
        return float(1 if slope is None else slope), float(intercept or 0)


@dataclass(frozen=True)
class SourceImages:
    """A source series.

    Args:
        header: of its first file, without pixels.
        images: its slices, along the third axis of the volume.
    """

    header: Dataset
    images: Sequence[SourceImage]

    @cached_property
    def _normal(self) -> np.ndarray:
        first = self.images[0]
        orientation = first.attribute("ImageOrientationPatient", "PlaneOrientationSequence")
        return np.cross(*np.reshape([float(v) for v in orientation], (2, 3)))

    @cached_property
    def _depths(self) -> np.ndarray:
        return np.array([image.position @ self._normal for image in self.images if image.position is not None])

    def cut_by(self, corners: np.ndarray) -> Sequence[SourceImage]:
        """The slices that a linear interpolation on a plane reads from.

        Args:
            corners: ``(4, 3)``, the plane's corners, LPS in mm in the frame of reference of this series.

        Returns:
            In the order of `images`; all of them where their places are not known, none where the plane lies beside.
        """
        if len(self._depths) < len(self.images) or len(self.images) < 2:
            return self.images
        order = np.argsort(self._depths)
        depths = self._depths[order]
        low, high = np.sort(corners @ self._normal)[[0, -1]]
        gap = np.diff(depths).max()
        if high < depths[0] - gap or low > depths[-1] + gap:
            return []
        first = max(int(np.searchsorted(depths, low + _SAME_PLANE_MM, "right")) - 1, 0)
        last = min(int(np.searchsorted(depths, high - _SAME_PLANE_MM, "left")), len(depths) - 1)
        return [self.images[i] for i in sorted(order[first : last + 1])]


def read_source_images(facts: dict[str, Any]) -> SourceImages | None:
    """Reads the headers of a source, each file once.

    Args:
        facts: of `SourceReader`: ``files`` in the order of the slices, or the one file of a multi-frame object.

    Returns:
        None if the source is no DICOM.

    Raises:
        InputError: a damaged header.
    """
    files = facts.get("files")
    if not files:
        return None
    with reading(files[0]):
        header = pydicom.dcmread(files[0], stop_before_pixels=True)
        if len(files) == 1 and "NumberOfFrames" in header:
            return SourceImages(header, list(_frames(header)))
    headers = [header]
    for file in files[1:]:
        with reading(file):
            headers.append(pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_SLICE_TAGS)))
    with reading(files[0]):
        return SourceImages(header, [SourceImage(h, None, _position(h)) for h in headers])


def _frames(header: Dataset) -> Iterable[SourceImage]:
    for k, groups in enumerate(header.get("PerFrameFunctionalGroupsSequence") or []):
        plane = groups.get("PlanePositionSequence") or [Dataset()]
        yield SourceImage(header, k + 1, _position(plane[0]))
    if not header.get("PerFrameFunctionalGroupsSequence"):  # NM: where each frame lies is not said one by one
        yield SourceImage(header)


def _position(header: Dataset) -> np.ndarray | None:
    position = header.get("ImagePositionPatient")
    return None if position is None else np.array([float(v) for v in position])


@contextmanager
def reading(file: Any) -> Iterator[None]:
    """Names the file of a damaged value: pydicom decodes it no earlier than it is asked for."""
    try:
        yield
    except Exception as error:  # pydicom raises many kinds
        raise InputError(f"{file}: a damaged DICOM header ({error}); send it again") from error
