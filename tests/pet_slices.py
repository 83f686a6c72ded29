"""Headers of PET slices as scanners write them, to be changed tag by tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage

from monai_fusion.data.pet_header import read_pet_header

TRACER = {
    "RadiopharmaceuticalStartTime": "100000",
    "RadiopharmaceuticalStartDateTime": "20260101100000",
    "RadionuclideTotalDose": 370e6,
    "RadionuclideHalfLife": 6586.2,
}
SERIES = {
    "SOPClassUID": PositronEmissionTomographyImageStorage,
    "Modality": "PT",
    "PatientSex": "M",
    "PatientSize": 1.75,
    "PatientWeight": 70,
    "SeriesDate": "20260101",
    "SeriesTime": "110000",
    "AcquisitionDate": "20260101",
    "AcquisitionTime": "110000",
    "Units": "BQML",
    "DecayCorrection": "START",
    "CorrectedImage": ["DECY", "ATTN", "SCAT"],
    "ActualFrameDuration": 600000,
    "FrameReferenceTime": 300000,
}


def pet_slice(**tags: Any) -> Dataset:
    """70 kg, 370 MBq of F-18 at 10:00, scanned from 11:00 for ten minutes; a tag of None is left out."""
    dataset, tracer = Dataset(), Dataset()
    for keyword, value in {**SERIES, **TRACER, **tags}.items():
        if value is not None and not keyword.startswith("_"):
            setattr(tracer if keyword in TRACER else dataset, keyword, value)
    dataset.RadiopharmaceuticalInformationSequence = [tracer]
    return dataset


def private(dataset: Dataset, group: int, element: int, vr: str, value: Any, creator: str | None = None) -> Dataset:
    """Adds a private value; without a creator as IBSI's objects have it."""
    if creator is None:
        dataset.add_new((group, 0x1000 + element), vr, value)
    else:
        dataset.private_block(group, creator, create=True).add_new(element, vr, value)
    return dataset


def header(*slices: Dataset, **tags: Any) -> dict[str, Any]:
    """What `read_pet_header` makes of these slices, or of one changed so."""
    return read_pet_header(list(slices) or [pet_slice(**tags)])


def moments(*clocks: str) -> Sequence[Dataset]:
    """One slice for each acquisition time."""
    return [pet_slice(AcquisitionTime=clock) for clock in clocks]
