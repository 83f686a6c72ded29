"""How one DICOM object names others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pydicom.dataset import Dataset

from monai_fusion.data.dicom_source import SourceImage

__all__ = ["image_reference", "image_references", "instance_references", "series_item"]


def image_references(images: Sequence[SourceImage]) -> list[Dataset]:
    """One item an object, with the numbers of its frames where they are known."""
    frames: dict[str, list[int]] = defaultdict(list)
    headers: dict[str, Dataset] = {}
    for image in images:
        uid = image.header.SOPInstanceUID
        headers[uid] = image.header
        if image.frame is not None:
            frames[uid].append(image.frame)
    items = []
    for uid, header in headers.items():
        item = image_reference(header.SOPClassUID, uid)
        if frames[uid]:
            item.ReferencedFrameNumber = frames[uid]
        items.append(item)
    return items


def instance_references(images: Sequence[SourceImage]) -> list[Dataset]:
    """One item an object, without frames."""
    found = {image.header.SOPInstanceUID: image.header.SOPClassUID for image in images}
    return [image_reference(sop_class, uid) for uid, sop_class in found.items()]


def image_reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return item


def series_item(uid: str, sequence: str, items: list[Dataset]) -> Dataset:
    """A series and, in the sequence of this name, what of it is meant."""
    item = Dataset()
    item.SeriesInstanceUID = uid
    setattr(item, sequence, items)
    return item
