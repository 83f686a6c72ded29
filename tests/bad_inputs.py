"""Runs that must fail, each with the words that its one line of error must hold."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import torch
from conftest import AFFINE, head, save_dicom, save_nifti
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import NuclearMedicineImageStorage

from monai_fusion.networks import FusionStudent

MRI, PET = (np.round(volume) for volume in head((20, 24, 10)))
PICTURE = np.arange(20 * 24, dtype=np.uint8).reshape(20, 24)
RESULTS = {"fused.nii.gz", "fused_color.nii.gz", "dicom", "contact_sheet.png", "report.json"}
REFUSED, NOT_WRITTEN, INTERRUPTED = 3, 4, 130


@dataclass(frozen=True)
class Bad:
    """A run that must fail.

    Args:
        mri, functional, options: of the command line.
        says: what its one line must hold: the name of the culprit and words of the remedy.
        code: the exit code.
        out: the output folder; None for one that is not there and one that holds a user's file.
    """

    mri: Path
    functional: Path
    says: tuple[str, ...]
    options: tuple[object, ...] = ()
    code: int = REFUSED
    out: Path | None = None


# --- Making inputs -----------------------------------------------------------------------------------------------


def good_mri(folder: Path) -> Path:
    return save_nifti(folder / "mri.nii.gz", MRI)


def good_pet(folder: Path) -> Path:
    return save_nifti(folder / "pet.nii.gz", PET)


def bad_mri(path: Path, *remedy: str, options: tuple[object, ...] = ()) -> Bad:
    return Bad(path, good_pet(path.parent), (path.name, *remedy), options)


def bad_pet(path: Path, *remedy: str, options: tuple[object, ...] = ()) -> Bad:
    return Bad(good_mri(path.parent), path, (path.name, *remedy), options)


def bad_option(folder: Path, *options: object, says: tuple[str, ...]) -> Bad:
    return Bad(good_mri(folder), good_pet(folder), says, options)


def written(path: Path, content: str = "no image\n") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return path


def cut(path: Path, size: int) -> Path:
    """Keeps the first bytes of a file; a negative size cuts so many off."""
    path.write_bytes(path.read_bytes()[:size])
    return path


def with_voxel(path: Path, value: float) -> Path:
    volume = MRI.astype(np.float64)
    volume[9, 9, 4] = value
    return save_nifti(path, volume)


def with_header(path: Path, **fields: Any) -> Path:
    """A sound NIfTI file whose header is changed behind nibabel's back."""
    save_nifti(path, MRI)
    content = path.read_bytes()
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + content[348:])
    return path


def picture(path: Path, array: np.ndarray = PICTURE) -> Path:
    Image.fromarray(array).save(path)
    return path


def coloured(array: np.ndarray = PICTURE) -> np.ndarray:
    return np.stack([array, array // 2, array // 3], axis=-1)


def series(folder: Path, modality: str = "MR", name: str = "series") -> Path:
    return save_dicom(folder / name, MRI if modality == "MR" else PET, AFFINE, modality, name)


def edited(folder: Path, edit: Callable[[Dataset], object], files: str = "*.dcm", modality: str = "MR") -> Path:
    """A series with an edit applied to those of its files that a pattern names."""
    path = series(folder, modality)
    for file in path.glob(files):
        dataset = pydicom.dcmread(file)
        edit(dataset)
        dataset.save_as(file)
    return path


def with_tags(folder: Path, files: str = "*.dcm", modality: str = "MR", **tags: Any) -> Path:
    return edited(folder, lambda dataset: [setattr(dataset, *tag) for tag in tags.items()], files, modality)


def shortened(folder: Path, *names: str) -> Path:
    """A series without these files."""
    path = series(folder)
    for name in names:
        (path / name).unlink()
    return path


def uid_of(folder: Path) -> str:
    return str(pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)


# --- Inputs with a story of their own ----------------------------------------------------------------------------


def empty_folder(folder: Path) -> Bad:
    (folder / "empty").mkdir()
    return bad_mri(folder / "empty", "is empty", "name the folder of a DICOM series")


def damaged_checksum(folder: Path) -> Bad:
    """All voxels are there, but the checksum behind them says that they are not the ones written."""
    path = save_nifti(folder / "bad.nii.gz", MRI)
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    return bad_mri(path, "CRC", "copy or convert it again")


def cut_dicom(folder: Path, size: int, *remedy: str) -> Bad:
    path = series(folder)
    cut(path / "0005.dcm", size)
    return Bad(path, good_pet(folder), ("0005.dcm", *remedy))


def several_frames(path: Path) -> Path:
    return save_nifti(path, np.stack([PET, PET[::-1]], axis=-1))


def rgb_nifti(folder: Path) -> Bad:
    path = save_nifti(folder / "bad.nii.gz", np.zeros(MRI.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")]))
    return bad_mri(path, "colour", "one real value")


def rgb_dicom(folder: Path) -> Bad:
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    tags |= {
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelData": coloured(MRI[:, :, 0]).astype("u1").tobytes(),
    }
    return Bad(with_tags(folder, **tags), good_pet(folder), ("0001.dcm", "colour", "one value a voxel"))


def two_series(folder: Path) -> Bad:
    path = series(folder)
    save_dicom(path / "second", MRI, AFFINE, "MR", "second")
    return bad_mri(path, "2 series", uid_of(path), uid_of(path / "second"), "--mri-series")


def no_such_series(folder: Path) -> Bad:
    path = series(folder)
    return bad_mri(path, "no series fits 1.2.3", uid_of(path), "--mri-series", options=("--mri-series", "1.2.3"))


def missing_slice(folder: Path) -> Bad:
    path = shortened(folder, "0005.dcm")
    says = (uid_of(path), "10.000 mm", "0004.dcm", "0006.dcm", "slice is missing", "send")
    return Bad(path, good_pet(folder), says)


def duplicate_slice(folder: Path) -> Bad:
    path = series(folder)
    shutil.copy(path / "0005.dcm", path / "copy.dcm")
    says = (uid_of(path), "0005.dcm", "copy.dcm", "same place", "take one of them out")
    return Bad(path, good_pet(folder), says)


def localiser(folder: Path) -> Bad:
    path = with_tags(folder, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    return Bad(path, good_pet(folder), (uid_of(path), "localiser", "choose another series"))


def single_slice(folder: Path) -> Bad:
    path = shortened(folder, *(f"{k:04d}.dcm" for k in range(2, 11)))
    return Bad(path, good_pet(folder), ("0001.dcm", "single slice", "name the folder"))


def nm_projections(folder: Path) -> Bad:
    path = shortened(folder, *(f"{k:04d}.dcm" for k in range(2, 11)))
    file = path / "0001.dcm"
    dataset = pydicom.dcmread(file)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    dataset.Modality, dataset.ImageType = "NM", ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
    dataset.save_as(file)
    return Bad(good_mri(folder), path, (uid_of(path), "TOMO is no volume", "RECON TOMO"))


def swapped(folder: Path) -> Bad:
    return Bad(series(folder / "pet", "PT", "pet"), series(folder / "mri", "MR", "mri"), ("pet", "swapped"))


def no_overlap(folder: Path) -> Bad:
    away = AFFINE.copy()
    away[0, 3] += 1000
    path = save_nifti(folder / "bad.nii.gz", MRI, away)
    return bad_mri(path, "pet.nii.gz", "do not overlap", "register them", options=("--registration", "none"))


def pictures_of_different_size(folder: Path) -> Bad:
    pair = picture(folder / "bad.png"), picture(folder / "other.png", PICTURE.T)
    return Bad(*pair, ("bad.png 24x20", "other.png 20x24", "of one size"))


def colour_mri(folder: Path) -> Bad:
    return Bad(picture(folder / "bad.png", coloured()), picture(folder / "pet.png"), ("bad.png", "colour", "be grey"))


def moved_picture(folder: Path) -> Bad:
    transform = folder / "shift.tfm"
    transform.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        "Parameters: 1 0 0 0 1 0 0 0 1 0 6 0\nFixedParameters: 0 0 0\n"
    )
    options = ("--functional-transform", transform)
    return Bad(picture(folder / "mri.png"), picture(folder / "bad.png"), ("bad.png", "give registered"), options)


def bad_transform(folder: Path, name: str) -> Bad:
    path = written(folder / name, "no transform\n")
    return bad_option(folder, "--functional-transform", path, says=(name, "not a readable ITK transform", "save it"))


def bad_weights(folder: Path, state: Any, *says: str) -> Bad:
    torch.save(state, folder / "bad.pt")
    return bad_option(folder, "--checkpoint", folder / "bad.pt", says=("bad.pt", *says))


def unknown_key(folder: Path) -> Bad:
    state = {**FusionStudent().state_dict(), "third.weight": torch.zeros(1)}
    return bad_weights(folder, state, "'third.weight'", "give weights of this network")


def text_as_weights(folder: Path) -> Bad:
    path = written(folder / "bad.pt")
    return bad_option(folder, "--checkpoint", path, says=("bad.pt", "not a weights file", "torch.save"))


def read_only_output(folder: Path) -> Bad:
    """Nobody may make a folder in /proc, and only root may write into a folder of mode 555."""
    out = Path("/proc/monai-fusion-out")
    if os.geteuid() != 0:
        (folder / "locked").mkdir(mode=0o555)
        out = folder / "locked" / "out"
    return bad_output(folder, out, str(out), "cannot be written", "another output folder")


def bad_output(folder: Path, out: Path, *says: str) -> Bad:
    return Bad(good_mri(folder), good_pet(folder), (out.name, *says), code=NOT_WRITTEN, out=out)


def input_in_the_place_of_a_result(folder: Path) -> Bad:
    """The series lies in ``study/dicom``, the results are to go to ``study``."""
    (folder / "study").mkdir()
    says = ("study", "dicom", "no result of an earlier run", "another output folder")
    return Bad(series(folder, name="study/dicom"), good_pet(folder), says, code=NOT_WRITTEN, out=folder / "study")


NIFTI: dict[str, Callable[[Path], Bad]] = {
    "missing file": lambda d: bad_mri(d / "none.nii.gz", "no such file", "check the path of the mri"),
    "missing functional": lambda d: bad_pet(d / "none.nii.gz", "no such file", "check the path of the functional"),
    "text as nifti": lambda d: bad_mri(written(d / "bad.nii"), "not a readable NIfTI", "convert it again"),
    "truncated nii": lambda d: bad_mri(cut(save_nifti(d / "bad.nii", MRI), -99), "cut short", "copy or convert"),
    "nii cut in the header": lambda d: bad_mri(cut(save_nifti(d / "bad.nii", MRI), 200), "cut short", "convert"),
    "truncated nii.gz": lambda d: bad_mri(cut(save_nifti(d / "bad.nii.gz", MRI), -99), "cut short", "convert"),
    "nii.gz cut behind the voxels": lambda d: bad_mri(cut(save_nifti(d / "bad.nii.gz", MRI), -1), "cut short"),
    "damaged checksum": damaged_checksum,
    "nan": lambda d: bad_mri(with_voxel(d / "bad.nii.gz", np.nan), "1 of 4800 voxels are NaN", "replace them"),
    "inf": lambda d: bad_mri(with_voxel(d / "bad.nii.gz", np.inf), "infinite", "replace them"),
    "beyond float32": lambda d: bad_mri(with_voxel(d / "bad.nii.gz", 1e300), "infinite", "replace them"),
    "nan in the pet": lambda d: bad_pet(with_voxel(d / "bad.nii.gz", np.nan), "NaN", "replace them"),
    "constant": lambda d: bad_mri(save_nifti(d / "bad.nii.gz", MRI * 0 + 7), "the value 7", "choose another"),
    "4-D mri": lambda d: bad_mri(several_frames(d / "bad.nii.gz"), "4-D", "2 frames", "--mri-frame"),
    "4-D pet": lambda d: bad_pet(several_frames(d / "bad.nii.gz"), "4-D", "2 frames", "--functional-frame"),
    "frame out of range": lambda d: bad_pet(
        several_frames(d / "bad.nii.gz"), "no frame 2", "choose another", options=("--functional-frame", 2)
    ),
    "frame of a 3-D file": lambda d: bad_mri(good_mri(d), "no frame 1", "it holds 1", options=("--mri-frame", 1)),
    "series of a nifti": lambda d: bad_mri(good_mri(d), "leave out --mri-series", options=("--mri-series", "MR")),
    "rgb24": rgb_nifti,
    "complex": lambda d: bad_mri(save_nifti(d / "bad.nii", MRI.astype("c8")), "complex", "one real value"),
    "zero pixdim": lambda d: bad_mri(
        with_header(d / "bad.nii", sform_code=0, pixdim=[1, 0, 3, 5, 0, 0, 0, 0]), "spacing", "repair the header"
    ),
    "zero pixdim beside a sform": lambda d: bad_mri(
        with_header(d / "bad.nii", pixdim=[1, 3, 3, 0, 0, 0, 0, 0]), "spacing", "repair the header"
    ),
    "singular affine": lambda d: bad_mri(
        with_header(d / "bad.nii", srow_y=[3, 0, 0, -58]), "singular", "repair the header"
    ),
    "nan affine": lambda d: bad_mri(
        with_header(d / "bad.nii", srow_x=[np.nan, 0, 0, 0]), "affine holds NaN", "repair the header"
    ),
    "no orientation": lambda d: bad_mri(
        with_header(d / "bad.nii", sform_code=0, qform_code=0), "neither sform nor qform", "write the file again"
    ),
    "unknown sform code": lambda d: bad_mri(with_header(d / "bad.nii", sform_code=77), "sform_code 77", "write the"),
    "broken quaternion": lambda d: bad_mri(with_header(d / "bad.nii", quatern_b=5), "not a readable", "convert it"),
    "unknown voxel type": lambda d: bad_mri(with_header(d / "bad.nii", datatype=999), "999", "convert it again"),
    "no voxels": lambda d: bad_mri(with_header(d / "bad.nii", dim=[3, 0, 24, 10, 1, 1, 1, 1]), "0x24x10", "3x3"),
    "no overlap": no_overlap,
    "swapped": swapped,
}

DICOM: dict[str, Callable[[Path], Bad]] = {
    "empty folder": empty_folder,
    "text as dcm": lambda d: bad_mri(written(d / "bad.dcm"), "not a DICOM file", "send it again"),
    "text among dcm": lambda d: Bad(
        written(series(d) / "text.dcm").parent, good_pet(d), ("text.dcm", "not a DICOM file", "remove it")
    ),
    "folder without dicom": lambda d: bad_mri(written(d / "bad" / "text").parent, "none of its 1 files", "name the"),
    "cut in the pixels": lambda d: cut_dicom(d, -100, "cut short", "send it again"),
    "cut in the header": lambda d: cut_dicom(d, 500, "header", "damaged", "send it again"),
    "cut in the preamble": lambda d: cut_dicom(d, 100, "not a DICOM file", "send it again"),
    "rgb": rgb_dicom,
    "two series": two_series,
    "no such series": no_such_series,
    "frame of a series": lambda d: bad_mri(series(d), "leave out --mri-frame 1", options=("--mri-frame", 1)),
    "missing slice": missing_slice,
    "duplicate slice": duplicate_slice,
    "mixed orientation": lambda d: Bad(
        with_tags(d, "0005.dcm", ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
        good_pet(d),
        ("0005.dcm", "another orientation than 0001.dcm", "split it"),
    ),
    "mixed matrix size": lambda d: Bad(
        with_tags(d, "0005.dcm", Rows=12, PixelData=bytes(2 * 12 * 20)),
        good_pet(d),
        ("0005.dcm", "another matrix size than 0001.dcm", "take the stray"),
    ),
    "zero spacing": lambda d: Bad(
        with_tags(d, PixelSpacing=[0, 0]), good_pet(d), ("0001.dcm", "PixelSpacing is zero", "repair the header")
    ),
    "one number as spacing": lambda d: Bad(
        with_tags(d, PixelSpacing=3), good_pet(d), ("0001.dcm", "PixelSpacing of 2 numbers", "choose another series")
    ),
    "no position": lambda d: Bad(
        edited(d, lambda dataset: dataset.pop("ImagePositionPatient"), "0005.dcm"),
        good_pet(d),
        ("0005.dcm", "has no ImagePositionPatient", "choose another series"),
    ),
    "parallel directions": lambda d: Bad(
        with_tags(d, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
        good_pet(d),
        ("0001.dcm", "no pair of perpendicular directions", "repair the header"),
    ),
    "no rows": lambda d: Bad(
        edited(d, lambda dataset: dataset.pop("Rows"), "0005.dcm"), good_pet(d), ("0005.dcm", "has no Rows", "send")
    ),
    "zero slope": lambda d: Bad(
        good_mri(d),
        with_tags(d, modality="PT", RescaleSlope=0),
        ("0001.dcm", "RescaleSlope is zero", "repair the header"),
    ),
    "no pixels": lambda d: Bad(
        edited(d, lambda dataset: dataset.pop("PixelData"), "0005.dcm"),
        good_pet(d),
        ("0005.dcm", "without pixels", "choose another series"),
    ),
    "localiser": localiser,
    "single slice": single_slice,
    "nm projections": nm_projections,
}

PICTURES: dict[str, Callable[[Path], Bad]] = {
    "1x1 pixel": lambda d: Bad(
        picture(d / "bad.png", PICTURE[:1, :1]), picture(d / "pet.png", PICTURE[:1, :1]), ("bad.png", "1x1", "3x3")
    ),
    "different size": pictures_of_different_size,
    "picture with a volume": lambda d: bad_mri(picture(d / "bad.png"), "other image is a volume", "two pictures"),
    "volume with a picture": lambda d: bad_pet(picture(d / "bad.png"), "other image is a volume", "two pictures"),
    "colour mri": colour_mri,
    "truncated picture": lambda d: bad_mri(cut(picture(d / "bad.png"), -50), "cut short", "export it again"),
    "moved picture": moved_picture,
}

OPTIONS: dict[str, Callable[[Path], Bad]] = {
    "text as weights": text_as_weights,
    "missing weights": lambda d: bad_option(
        d, "--checkpoint", d / "none.pt", says=("none.pt", "no such weights", "check the path")
    ),
    "weights of another width": lambda d: bad_weights(
        d, FusionStudent(hidden_channels=2).state_dict(), "'hidden.weight'", "(2, 2, 3, 3)", "this network and width"
    ),
    "weights with an unknown key": unknown_key,
    "no state dictionary": lambda d: bad_weights(d, [1, 2], "no state dictionary", "save network.state_dict()"),
    "text as tfm": lambda d: bad_transform(d, "bad.tfm"),
    "text as h5": lambda d: bad_transform(d, "bad.h5"),
    "missing transform": lambda d: bad_option(
        d, "--functional-transform", d / "none.tfm", says=("none.tfm", "no such file", "check the path")
    ),
    "unknown colour map": lambda d: bad_option(d, "--color-map", "jet", says=("jet: give one of", "hot_iron")),
    "unknown axis": lambda d: bad_option(d, "--axis", "up", says=("up: give acquisition", "coronal")),
    "negative frame": lambda d: bad_option(d, "--functional-frame", -1, says=("-1: give the number", "from 0")),
    "empty window": lambda d: bad_option(d, "--mri-window", 5, 5, says=("[5.0, 5.0]: give two numbers",)),
    "infinite window": lambda d: bad_option(d, "--functional-window", 0, "inf", says=("inf]: give two numbers",)),
    "window of a cold pet": lambda d: bad_pet(save_nifti(d / "bad.nii", -PET), "0 to 0", "--functional-window"),
    "unknown device": lambda d: bad_option(d, "--device", "abacus", says=("--device abacus", "choose cpu")),
    "device that is not there": lambda d: bad_option(d, "--device", "cuda:99", says=("cuda:99", "choose cpu")),
    "no bundle": lambda d: bad_option(d, "--bundle", d / "none", says=("none", "--bundle")),
    "set without a value": lambda d: bad_option(d, "--set", "axis", says=("--set axis", "write ID=VALUE")),
    "set of an unknown id": lambda d: bad_option(d, "--set", "axes=0", says=("'axes'", "look the ids up")),
    "set below an unknown id": lambda d: bad_option(d, "--set", "inferrer#axis=0", says=("'inferrer#axis'", "look")),
    "set past the end": lambda d: bad_option(
        d, "--set", "preprocessing#transforms#99=0", says=("transforms#99", "look the ids up")
    ),
    "set of an unknown argument": lambda d: bad_option(
        d, "--set", "inferer#speed=9", says=("unexpected keyword argument 'speed'", "check", "--set")
    ),
    "set to a broken expression": lambda d: bad_option(
        d, "--set", "device=$torch.device(", says=("never closed", "check", "--set")
    ),
    "set to no number": lambda d: bad_option(d, "--set", "inferer#sw_batch_size=0", says=("sw_batch_size 0", "1 or")),
    "set of percentiles": lambda d: bad_option(d, "--set", "mri_percentiles=[1, 200]", says=("200", "0 to 100")),
    "set of an argument": lambda d: bad_option(d, "--set", "mri=a.nii", says=("mri=a.nii", "argument of its own")),
    "expression as a name": lambda d: bad_option(d, "--mri-series", "$1+1", says=("leave out --mri-series $1+1",)),
}

OUTPUT: dict[str, Callable[[Path], Bad]] = {
    "read-only": read_only_output,
    "file in the way": lambda d: bad_output(d, written(d / "out"), "cannot be written", "another output folder"),
    "below a file": lambda d: bad_output(d, written(d / "file") / "out", "cannot be written", "another output"),
    "input in the place of a result": input_in_the_place_of_a_result,
    "report of another program": lambda d: bad_output(
        d, written(d / "out" / "report.json", "{}").parent, "report.json", "another output folder"
    ),
}

CASES = {
    f"{kind}-{name}": make
    for kind, cases in (("nifti", NIFTI), ("dicom", DICOM), ("picture", PICTURES), ("option", OPTIONS), ("out", OUTPUT))
    for name, make in cases.items()
}
