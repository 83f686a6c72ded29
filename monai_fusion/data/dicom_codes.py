"""The coded terms that the results use, and items of sequences.

Written out, as pydicom's dictionary of all terms takes a third of a second to import; the tests compare.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydicom.dataset import Dataset

__all__ = [
    "ACQUISITION_EQUIPMENT",
    "DEIDENTIFICATION",
    "FUSION",
    "IMAGE_CONTENT",
    "PRIVATE_SCHEME",
    "PROCESSING_EQUIPMENT",
    "SOURCE_IMAGE",
    "SPATIAL_RESAMPLING",
    "STRUCTURAL_IMAGE",
    "Term",
    "item_of",
]

PRIVATE_SCHEME = "99MONAIFUSION"


class Term(NamedTuple):
    """A coded term: value, meaning and coding scheme."""

    value: str
    meaning: str
    scheme: str = "DCM"

    def item(self) -> Dataset:
        """As an item of a code sequence."""
        return item_of(CodeValue=self.value, CodingSchemeDesignator=self.scheme, CodeMeaning=self.meaning)


STRUCTURAL_IMAGE = Term("128250", "Structural image for image processing")
SOURCE_IMAGE = Term("121322", "Source image for image processing operation")
PROCESSING_EQUIPMENT = Term("109102", "Processing Equipment")
ACQUISITION_EQUIPMENT = Term("109101", "Acquisition Equipment")
SPATIAL_RESAMPLING = Term("113085", "Spatial resampling")
FUSION = Term("FUSION", "Fusion of structural and functional image by a neural network", PRIVATE_SCHEME)
IMAGE_CONTENT = Term("125024", "Image Content-based Alignment")
#: What is done to take the patient out: CID 7050.
DEIDENTIFICATION = (
    Term("113100", "Basic Application Confidentiality Profile"),
    Term("113105", "Clean Descriptors Option"),
    Term("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)


def item_of(**attributes: Any) -> Dataset:
    """An item of a sequence with these attributes."""
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
