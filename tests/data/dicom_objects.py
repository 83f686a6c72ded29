"""Writing synthetic DICOM of every kind: classic, enhanced, NM, compressed, in a zip, several volumes in one series."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pydicom.valuerep import DSfloat
from scipy.spatial.transform import Rotation

SHAPE = (37, 34, 6)
"""Columns, rows, slices."""
VOLUME = np.random.default_rng(11).integers(0, 2000, SHAPE).astype(np.int16)
GRID = np.eye(4)
"""(column, row, slice) to LPS, right-handed, oblique."""
GRID[:3, :3] = Rotation.from_euler("xyz", [12, -7, 20], degrees=True).as_matrix() * [2.5, 3.0, 4.0]
GRID[:3, 3] = -31.5, 17.25, -8.125

CLASSIC = {"MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage, "CT": CTImageStorage}
ENHANCED = {"MR": EnhancedMRImageStorage, "PT": EnhancedPETImageStorage, "CT": EnhancedCTImageStorage}
SLOPES = [1.0, 0.25, 0.3125, 0.875, 0.4375, 0.125]


def new(sop_class: UID, modality: str, series: str = "series", **tags: Any) -> Dataset:
    """An object without pixels and place."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[series, modality])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame of reference"])
    dataset.Modality, dataset.SeriesDescription, dataset.SeriesNumber = modality, series, 4
    dataset.StudyDate = "20260101"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711"
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def set_pixels(dataset: Dataset, images: np.ndarray) -> None:
    """(rows, columns) or (frames, rows, columns) int16."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = images.shape[-2:]
    if images.ndim == 3:
        dataset.NumberOfFrames = len(images)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.PixelData = np.ascontiguousarray(images, np.int16).tobytes()


def save(dataset: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    little = syntax != ExplicitVRBigEndian
    dataset.save_as(path, enforce_file_format=True, little_endian=little, implicit_vr=syntax.is_implicit_VR)
    return path


def decimal(values: Iterable[float]) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]


def place(grid: np.ndarray, k: float) -> dict[str, list[DSfloat]]:
    """Position and orientation of slice k."""
    directions = grid[:3, :3] / np.linalg.norm(grid[:3, :3], axis=0)
    return {
        "ImagePositionPatient": decimal((grid @ [0, 0, k, 1])[:3]),
        "ImageOrientationPatient": decimal(directions[:, :2].T.ravel()),
    }


def spacing(grid: np.ndarray) -> list[DSfloat]:
    along = np.linalg.norm(grid[:3, :3], axis=0)
    return decimal([along[1], along[0]])


def classic(
    folder: Path,
    volume: np.ndarray = VOLUME,
    grid: np.ndarray = GRID,
    modality: str = "MR",
    name: str = "",
    places: Iterable[float] | None = None,
    slice_tags: Callable[[int], dict[str, Any]] = lambda k: {},
    syntax: UID = ExplicitVRLittleEndian,
    **tags: Any,
) -> Path:
    """One file a slice, called so that the order of names is not that of places."""
    for k, at in enumerate(range(volume.shape[2]) if places is None else places):
        given = {**place(grid, at), "PixelSpacing": spacing(grid), **tags, **slice_tags(k)}
        number = (5 * k) % 7 + 7 * (k // 7)
        dataset = new(CLASSIC[modality], modality, InstanceNumber=number, **given)
        set_pixels(dataset, volume[:, :, k].T)
        save(dataset, folder / f"{name}{number}.dcm", syntax)
    return folder


def enhanced(
    path: Path,
    volume: np.ndarray = VOLUME,
    modality: str = "MR",
    frame_tags: Callable[[int], dict[str, Dataset]] = lambda k: {},
    order: Iterable[int] | None = None,
    dimensions: Iterable[str] = (),
    **tags: Any,
) -> Path:
    """One object of a frame a slice, stored in some order; more frames than slices go round again."""
    frames = list(range(volume.shape[2])) if order is None else list(order)
    dataset = new(ENHANCED[modality], modality, **tags)
    set_pixels(dataset, np.stack([volume[:, :, k].T for k in frames]))
    where = place(GRID, 0)
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = spacing(GRID), 4
    measures.SpacingBetweenSlices = 4
    orientation.ImageOrientationPatient = where["ImageOrientationPatient"]
    shared = Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number, k in enumerate(frames):
        position, content, group = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = place(GRID, k % SHAPE[2])["ImagePositionPatient"]
        content.FrameAcquisitionNumber = 1
        content.DimensionIndexValues = [k % SHAPE[2] + 1, *([k // SHAPE[2] + 1] if list(dimensions) else [])]
        group.PlanePositionSequence, group.FrameContentSequence = [position], [content]
        for keyword, item in frame_tags(number).items():
            setattr(group, keyword, [item])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid(entropy_srcs=["dimensions"])
    dataset.DimensionOrganizationSequence = [organization]
    dataset.DimensionIndexSequence = []
    for keyword in ("ImagePositionPatient", *dimensions):
        item = Dataset()
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer = pydicom.datadict.tag_for_keyword(keyword)
        item.FunctionalGroupPointer = pydicom.datadict.tag_for_keyword("PlanePositionSequence")
        dataset.DimensionIndexSequence.append(item)
    return save(dataset, path)


def item(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def nm(path: Path, volume: np.ndarray = VOLUME, between: float = 4.0, kind: str = "RECON TOMO", **tags: Any) -> Path:
    """A SPECT; its first slice lies where that of `GRID` does."""
    detector = item(**place(GRID, 0))
    dataset = new(NuclearMedicineImageStorage, "NM", ImageType=["ORIGINAL", "PRIMARY", kind, "EMISSION"])
    set_pixels(dataset, volume.transpose(2, 1, 0))
    dataset.DetectorInformationSequence = [detector]
    dataset.PixelSpacing, dataset.SliceThickness = spacing(GRID), abs(between)
    dataset.SpacingBetweenSlices = between
    dataset.FrameIncrementPointer = [0x00540080]
    dataset.NumberOfSlices = volume.shape[2]
    dataset.SliceVector = list(range(1, volume.shape[2] + 1))
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return save(dataset, path)


def real_world_map(label: str, unit: str, slope: float, intercept: float = 0.0) -> Dataset:
    units = item(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit)
    dataset = item(LUTLabel=label, LUTExplanation=label, RealWorldValueSlope=slope)
    dataset.RealWorldValueIntercept = intercept
    dataset.add_new("RealWorldValueFirstValueMapped", "SS", -32768)
    dataset.add_new("RealWorldValueLastValueMapped", "SS", 32767)
    dataset.MeasurementUnitsCodeSequence = [units]
    return dataset


def backwards() -> np.ndarray:
    """`GRID` with its slices on the other side of the first."""
    grid = GRID.copy()
    grid[:3, 2] *= -1
    return grid


def stretched(spacing_mm: float) -> np.ndarray:
    grid = GRID.copy()
    grid[:3, 2] *= spacing_mm / 4.0
    return grid


def edit(folder: Path, pattern: str = "*.dcm", **tags: Any) -> Path:
    for file in folder.glob(pattern):
        dataset = pydicom.dcmread(file)
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)
    return folder


def compressed(folder: Path, syntax: UID) -> Path:
    for file in classic(folder).iterdir():
        compress(file, syntax)
    return folder


def compress(file: Path, syntax: UID) -> Path:
    dataset = pydicom.dcmread(file)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(file)
    return file


def compressed_by_dcmtk(folder: Path) -> Path:
    if shutil.which("dcmcjpeg") is None:
        pytest.skip("dcmcjpeg (Debian: dcmtk), the encoder of JPEG lossless, is not installed")
    classic(folder)
    for file in folder.iterdir():
        subprocess.run(["dcmcjpeg", "+e1", "+un", file, file], check=True, capture_output=True)
        assert pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID.is_compressed
    return folder


def zipped(folder: Path, name: str = "study.zip") -> Path:
    archive = folder.parent / name
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder.parent))
    return archive


def without_preamble(folder: Path) -> Path:
    classic(folder, syntax=ImplicitVRLittleEndian)
    for file in folder.iterdir():
        content = file.read_bytes()
        length = int.from_bytes(content[140:144], "little")  # FileMetaInformationGroupLength
        file.write_bytes(content[144 + length :])
    return folder


def legacy(folder: Path, modality: str) -> Path:
    """What highdicom makes of a classic series."""
    tags = {
        **dict.fromkeys(("PatientBirthDate", "PatientSex", "StudyTime", "AccessionNumber", "StudyID"), ""),
        "ReferringPhysicianName": "",
        "Manufacturer": "m",
        "SeriesDate": "20260101",
        "SeriesTime": "100000",
        "ContentDate": "20260101",
        "ContentTime": "100000",
        "AcquisitionDate": "20260101",
        "AcquisitionTime": "100000",
        "AcquisitionNumber": 1,
        "SliceThickness": 4,
        "BurnedInAnnotation": "NO",
        "PositionReferenceIndicator": "",
        "WindowCenter": 900,
        "WindowWidth": 1800,
    }
    slopes = {} if modality == "MR" else {"RescaleIntercept": -8, "RescaleType": "US"}
    classic(
        folder / "classic",
        modality=modality,
        slice_tags=lambda k: slopes and {"RescaleSlope": SLOPES[k], **slopes},
        **tags,
    )
    files = sorted((folder / "classic").iterdir())
    name = {"MR": "MR", "CT": "CT", "PT": "PET"}[modality]
    make = getattr(highdicom.legacy, f"LegacyConvertedEnhanced{name}Image")
    made = make([pydicom.dcmread(f) for f in files], generate_uid(), 9, generate_uid(), 1)
    (folder / "enhanced").mkdir()
    made.save_as(folder / "enhanced" / "object.dcm")
    return folder / "enhanced"


# --- Several volumes in one series -------------------------------------------------------------------------------


def several(folder: Path, differences: list[dict[str, Any]], modality: str = "MR") -> Path:
    """A classic series of several volumes: `VOLUME` plus 0, 3000, 6000, ..., with the tags of each."""
    for number, tags in enumerate(differences):
        classic(folder, VOLUME + 3000 * number, modality=modality, name=f"v{number}_", **tags)
    return folder


def round_again(count: int) -> np.ndarray:
    return np.concatenate([VOLUME + 3000 * number for number in range(count)], axis=2)


ECHOES = [{"EchoTime": 2.3}, {"EchoTime": 4.6}, {"EchoTime": 6.9}]
DIFFUSION = [{"DiffusionBValue": 0.0}]
DIFFUSION += [{"DiffusionBValue": 1000.0, "DiffusionGradientOrientation": d} for d in ([1.0, 0, 0], [0, 1.0, 0])]
DYNAMIC = [{"FrameReferenceTime": 60000.0 * n + 30000, "AcquisitionTime": f"10{n:02d}00"} for n in range(3)]


def heart(folder: Path) -> Path:
    """Trigger times that differ from slice to slice and from phase to phase."""
    for number in range(3):
        classic(
            folder,
            VOLUME + 3000 * number,
            name=f"v{number}_",
            slice_tags=lambda k, n=number: {"TriggerTime": 17.0 * k + 100 * n},  # type: ignore[misc]
        )
    return folder


def gated(path: Path) -> Path:
    """A gated SPECT of two time slots, stored slice by slice: both gates of the first slice first."""
    both = np.stack([VOLUME, VOLUME + 3000], axis=3).reshape(*SHAPE[:2], -1)
    slices = [k + 1 for k in range(SHAPE[2]) for _ in range(2)]
    slots = [1, 2] * SHAPE[2]
    pointer = [0x00540070, 0x00540080]
    return nm(
        path, both, kind="RECON GATED TOMO", SliceVector=slices, TimeSlotVector=slots, FrameIncrementPointer=pointer
    )


def temporal(path: Path) -> Path:
    """An Enhanced MR of three time points, told by their temporal position, stored last frame first."""
    order = list(range(3 * SHAPE[2]))[::-1]

    def content(number: int) -> dict[str, Dataset]:
        k = order[number]
        return {"FrameContentSequence": item(TemporalPositionIndex=k // SHAPE[2] + 1)}

    return enhanced(path, round_again(3), order=order, frame_tags=content)


def later(folder: Path) -> Path:
    """One Enhanced MR for each of two time points, in one series, as some scanners write a dynamic scan."""
    for number in range(2):
        enhanced(
            folder / f"{number}.dcm",
            VOLUME + 3000 * number,
            frame_tags=lambda k, n=number: {  # type: ignore[misc]
                "FrameContentSequence": item(
                    FrameAcquisitionNumber=n + 1, FrameAcquisitionDateTime=f"2026010110{n:02d}00"
                )
            },
        )
    return folder


def echoes_enhanced(path: Path) -> Path:
    return enhanced(
        path,
        round_again(2),
        frame_tags=lambda k: {"MREchoSequence": item(EffectiveEchoTime=2.5 * (k // SHAPE[2] + 1))},
    )


# --- No volumes -------------------------------------------------------------------------------------------------------


def touched(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def narrow_map() -> Dataset:
    dataset = real_world_map("narrow", "ms", 1)
    dataset.add_new("RealWorldValueFirstValueMapped", "US", 0)
    dataset.add_new("RealWorldValueLastValueMapped", "US", 99)
    return dataset


def secondary_capture(path: Path) -> Path:
    dataset = new(SecondaryCaptureImageStorage, "MR", ImageType=["DERIVED", "SECONDARY"])
    set_pixels(dataset, VOLUME[:, :, 0].T)
    return save(dataset, path)


def report(path: Path) -> Path:
    return save(new(UID("1.2.840.10008.5.1.4.1.1.88.11"), "SR"), path)
