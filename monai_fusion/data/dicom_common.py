"""What all DICOM results of a run share: patient, study, equipment, references, geometry, and their UIDs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, BlendingSoftcopyPresentationStateStorage, generate_uid
from pydicom.valuerep import DT

import monai_fusion
from monai_fusion.data import dicom_codes
from monai_fusion.data.dicom_codes import item_of
from monai_fusion.data.dicom_patient import TYPE_2, copy_patient_and_study
from monai_fusion.data.dicom_references import image_references, instance_references, series_item
from monai_fusion.data.dicom_source import SourceImage, SourceImages, read_source_images, reading
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.slices import SlicePlan

__all__ = ["FusedStudy"]

#: Why a result refers to an image of each source: CID 7202.
_PURPOSES = {
    "mri": dicom_codes.STRUCTURAL_IMAGE.item(),
    "functional": dicom_codes.SOURCE_IMAGE.item(),
}

#: Read before any other text in viewers that show comments; the series description says it too.
NOTICE = "For research use only. Not for diagnostic use."

_CARRIED = ("SpecificCharacterSet", "BodyPartExamined", "Laterality", "PatientPosition")
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
#: All that is taken over from a patient who is to stay unknown, for dicognito to exchange.
_PSEUDONYMISED = ("PatientName", "PatientID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID")


@dataclass(frozen=True)
class FusedStudy:
    """A run as its DICOM results need it.

    The patient and the study are the MRI's or, if that is no DICOM, the functional image's; where neither is, they stay
    empty. UIDs follow from `identity`, so that a repeated run makes the same objects again and no second ones.

    Args:
        report: the report so far, for the facts of the sources and of the steps.
        identity: what distinguishes this result: the hashes of inputs, parameters and weights.
        plan: how the volume is cut into slices.
        affine: 4x4, (column, row, slice) indices of the cut volume to LPS in mm.
        shape: columns, rows and slices of the cut volume.
        mri, functional: the sources, None for those that are no DICOM.
        now: when the results are written.
        deidentified: take over nothing of the patient but what is exchanged afterwards.
    """

    report: dict[str, Any]
    identity: str
    plan: SlicePlan
    affine: np.ndarray
    shape: tuple[int, int, int]
    mri: SourceImages | None
    functional: SourceImages | None
    now: datetime
    deidentified: bool = False

    @classmethod
    def of(
        cls,
        report: dict[str, Any],
        identity: str,
        affine: np.ndarray,
        shape: tuple[int, int, int],
        slice_axis: int,
        deidentified: bool = False,
    ) -> FusedStudy:
        """Reads the headers of the sources, and cuts the volume as they are cut.

        Args:
            report, identity, deidentified: see the class.
            affine: 4x4, voxel index of the fused volume to RAS in mm; its axes must be orthogonal.
            shape: of the fused volume.
            slice_axis: the array axis along which its slices were acquired.
        """
        if report["mri"]["kind"] == "dicom":  # as it was read: column, row, slice
            plan = SlicePlan(axis=2, rows=1, columns=0, flips=())
        else:
            plan = SlicePlan.for_volume(affine, slice_axis)
        return cls(
            report=report,
            identity=identity,
            plan=plan,
            affine=LPS_TO_RAS @ plan.affine(affine, shape),
            shape=(shape[plan.columns], shape[plan.rows], shape[plan.axis]),
            mri=read_source_images(report["mri"]),
            functional=read_source_images(report["functional"]),
            now=datetime.now(),
            deidentified=deidentified,
        )

    @property
    def sources(self) -> dict[str, SourceImages]:
        """Those that are DICOM, the MRI first."""
        both = {"mri": self.mri, "functional": self.functional}
        return {role: source for role, source in both.items() if source is not None}

    @property
    def template(self) -> Dataset | None:
        """The header that patient and study come from."""
        return next((source.header for source in self.sources.values()), None)

    @property
    def modalities(self) -> str:
        """Of both sources, for descriptions."""
        return f"MR+{self.report['functional'].get('modality') or 'functional'}"

    @property
    def frame_of_reference(self) -> str:
        return self.report["mri"].get("frame_of_reference_uid") or self.uid("frame of reference")

    @property
    def functional_matrix(self) -> np.ndarray | None:
        """4x4 from the MRI's patient coordinates to those of the functional image, LPS in mm; None: not moved."""
        matrix = self.report.get("registration", {}).get("matrix_lps")
        return None if matrix is None else np.asarray(matrix, dtype=np.float64)

    def uid(self, *what: str) -> UID:
        return generate_uid(entropy_srcs=[self.identity, *what])

    def begin(self, name: str, number: int, sop_class: str, modality: str, description: str) -> Dataset:
        """A new object with the modules that are the same in every result; it needs its SOP Instance UID still.

        Args:
            name: which of the results it is, for its UIDs.
            number: its SeriesNumber.
            sop_class: its SOP Class UID.
            modality: its Modality.
            description: its SeriesDescription, which is told to be for research only.

        Raises:
            InputError: a damaged value in the source.
        """
        template = self.template
        now = self._time(template)
        study_uid = self.uid("study") if template is None else template.StudyInstanceUID
        instance = item_of(**dict.fromkeys(TYPE_2))
        instance.StudyInstanceUID = study_uid
        instance.SeriesInstanceUID = self.uid(name, "series")
        instance.SeriesNumber = number
        instance.SOPClassUID = sop_class
        instance.Modality = modality
        instance.Manufacturer = "monai-fusion"
        instance.ManufacturerModelName = self.report["model"]["name"]
        instance.SoftwareVersions = self._versions
        instance.SeriesDescription = f"{description} (research use only)"
        instance.CodingSchemeIdentificationSequence = [
            item_of(
                CodingSchemeDesignator=dicom_codes.PRIVATE_SCHEME,
                CodingSchemeName="monai-fusion",
                CodingSchemeResponsibleOrganization="monai-fusion",
            )
        ]
        for what in ("InstanceCreation", "Content", "Series"):
            if what != "Content" or sop_class != BlendingSoftcopyPresentationStateStorage:  # it has none
                setattr(instance, f"{what}Date", now.strftime("%Y%m%d"))
                setattr(instance, f"{what}Time", now.strftime("%H%M%S.%f"))
        if template is not None:
            with reading(template.filename):
                self._carry_over(instance, template)
        instance.setdefault("PatientPosition", None)
        if not instance.get("BodyPartExamined"):
            instance.setdefault("Laterality", None)
        instance.ContributingEquipmentSequence = list(self._equipment(now))
        return instance

    def set_frame_of_reference(self, instance: Dataset) -> None:
        """Sets the Frame of Reference module: the MRI's."""
        instance.FrameOfReferenceUID = self.frame_of_reference
        instance.PositionReferenceIndicator = None
        if self.mri is not None and not self.deidentified:
            instance.PositionReferenceIndicator = self.mri.header.get("PositionReferenceIndicator")

    @property
    def _versions(self) -> list[str]:
        model = self.report["model"]
        return [f"monai-fusion {monai_fusion.__version__}", f"{model['name']} {model['version']}"]

    def _time(self, template: Dataset | None) -> datetime:
        """When the results came about, in the zone of the source's dates.

        To who knows the day of the run, the shifted date of the run would tell by how much the date of the study is
        shifted: de-identified results bear the study's own.
        """
        if self.deidentified:
            return _study_time(template)
        zone = _time_zone(template)
        return self.now if zone is None else self.now.astimezone(zone)

    def _carry_over(self, instance: Dataset, source: Dataset) -> None:
        """Patient and study modules, and what belongs to the patient's position."""
        wanted = _PSEUDONYMISED if self.deidentified else ("TimezoneOffsetFromUTC",)
        if not self.deidentified:
            copy_patient_and_study(instance, source)
        for keyword in (*_CARRIED, *wanted):
            if keyword in source:
                instance.add(source[keyword])

    def _equipment(self, now: datetime) -> Iterator[Dataset]:
        """This program with the hash of its weights and, if known, the scanners."""
        model = self.report["model"]
        yield item_of(
            Manufacturer="monai-fusion",
            PurposeOfReferenceCodeSequence=[dicom_codes.PROCESSING_EQUIPMENT.item()],
            ManufacturerModelName=model["name"],
            SoftwareVersions=self._versions,
            ContributionDateTime=DT(now),
            ContributionDescription=f"Fusion by a neural network, weights SHA-256 {model['sha256']}. {NOTICE}",
        )
        for source in self.sources.values():
            maker, product = (str(source.header.get(k) or "") for k in ("Manufacturer", "ManufacturerModelName"))
            if maker and (maker + product).isascii() and not self.deidentified:  # its text may be in another encoding
                scanner = item_of(
                    Manufacturer=maker,
                    PurposeOfReferenceCodeSequence=[dicom_codes.ACQUISITION_EQUIPMENT.item()],
                )
                if product:
                    scanner.ManufacturerModelName = product
                yield scanner

    def set_derivation(self, instance: Dataset, stored: str) -> None:
        """Sets what a derived image says about itself: General Image, and what its sources lost by compression.

        Args:
            instance: the image.
            stored: what its stored values mean.
        """
        instance.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
        instance.AcquisitionNumber = None
        instance.BurnedInAnnotation = "NO"
        instance.ImageComments = NOTICE
        instance.DerivationDescription = (
            f"MRI fused with {self.report['functional'].get('modality') or 'PET or SPECT'} by a neural network "
            f"({self.report['model']['name']}). {stored} {NOTICE}"
        )
        instance.DerivationCodeSequence = [
            dicom_codes.SPATIAL_RESAMPLING.item(),
            dicom_codes.FUSION.item(),
        ]
        for source in self.sources.values():
            if source.header.get("LossyImageCompression") == "01":
                for keyword in _LOSSY:
                    if keyword in source.header:
                        instance.add(source.header[keyword])
                return

    def set_sources(self, instance: Dataset, images: dict[str, Sequence[SourceImage]]) -> None:
        """Sets the source images with their purposes, and the Common Instance Reference module.

        Args:
            instance: the image.
            images: of each source.
        """
        items = []
        for role, used in images.items():
            for item in image_references(used):
                item.PurposeOfReferenceCodeSequence = [_PURPOSES[role]]
                if role == "mri":
                    item.SpatialLocationsPreserved = "YES"
                items.append(item)
        if items:
            instance.SourceImageSequence = items
        self.set_common_references(instance, images)

    def set_common_references(self, instance: Dataset, images: dict[str, Sequence[SourceImage]]) -> None:
        """Sets the Common Instance Reference module: all images referred to, by study and series."""
        elsewhere = []
        for role, used in images.items():
            if not used:
                continue
            header = self.sources[role].header
            item = series_item(header.SeriesInstanceUID, "ReferencedInstanceSequence", instance_references(used))
            if header.StudyInstanceUID == instance.StudyInstanceUID:
                instance.ReferencedSeriesSequence = [*instance.get("ReferencedSeriesSequence", []), item]
            else:
                study = Dataset()
                study.StudyInstanceUID = header.StudyInstanceUID
                study.ReferencedSeriesSequence = [item]
                elsewhere.append(study)
        if elsewhere:
            instance.StudiesContainingOtherReferencedInstancesSequence = elsewhere

    def sources_of_slice(self, k: int) -> dict[str, Sequence[SourceImage]]:
        """The images of each source that slice `k` was computed from."""
        columns, rows, _ = self.shape
        index = np.array([[c, r, k, 1] for c in (0, columns - 1) for r in (0, rows - 1)], dtype=np.float64)
        corners = index @ self.affine.T
        moved = corners if self.functional_matrix is None else corners @ self.functional_matrix.T
        places = {"mri": corners, "functional": moved}
        return {role: source.cut_by(places[role][:, :3]) for role, source in self.sources.items()}

    def all_sources(self) -> dict[str, Sequence[SourceImage]]:
        return {role: source.images for role, source in self.sources.items()}


def _study_time(source: Dataset | None) -> datetime:
    """When the study was made; a day long past where it is not told."""
    date, time = (str(source.get(k) or "") if source is not None else "" for k in ("StudyDate", "StudyTime"))
    try:
        return datetime.strptime(date + time[:6].ljust(6, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return datetime(1900, 1, 1)


def _time_zone(source: Dataset | None) -> timezone | None:
    """The zone of a source's dates and times, if it is told."""
    text = str(source.get("TimezoneOffsetFromUTC") or "") if source is not None else ""
    if len(text) != 5 or text[0] not in "+-" or not text[1:].isdigit():
        return None
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    return timezone(-offset if text[0] == "-" else offset)
