"""Small sound files of every format that the package reads, and how each is read: what `fuzz_mutations` damages."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pydicom
import torch
from dicom_objects import classic, compress, enhanced, gated, nm
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from monai_fusion.data.reader import SourceReader
from monai_fusion.data.transform_file import read_itk_transform, write_itk_transform
from monai_fusion.networks import FusionStudent, load_checkpoint

__all__ = ["FORMATS", "Sound", "sound"]

COMPRESSED = {
    "rle": "1.2.840.10008.1.2.5",
    "jpeg": "1.2.840.10008.1.2.4.50",
    "jpegls": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
}
_SMALL = np.random.default_rng(5).integers(1, 200, (33, 34, 4)).astype(np.int16)


@dataclass(frozen=True)
class Sound:
    """Args:
    files: name and content.
    read: reads them, from the folder that they were written to; gives arrays by name, to compare.
    """

    files: dict[str, bytes]
    read: Callable[[Path], dict[str, Any]]

    def write(self, folder: Path, files: dict[str, bytes] | None = None) -> Path:
        for name, content in (self.files if files is None else files).items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)  # a file of archives that others may read is refused for that
        return folder


def _image(path: Path, frame: int | None = None) -> dict[str, Any]:
    voxels, meta = SourceReader("mri", frame=frame).get_data(path)
    return {"array": voxels.numpy(), "affine": meta["affine"], "shape": np.array(voxels.shape)}


def _only(folder: Path) -> Path:
    [path] = folder.iterdir()
    return path


def _series(folder: Path) -> dict[str, Any]:
    return _image(folder)


def _first_volume(folder: Path) -> dict[str, Any]:
    return _image(folder, 0)


def _file(folder: Path) -> dict[str, Any]:
    return _image(_only(folder))


def _transform(folder: Path) -> dict[str, Any]:
    return {"matrix": read_itk_transform(_only(folder))}


def _weights(folder: Path) -> dict[str, Any]:
    network = load_checkpoint(FusionStudent(), _only(folder))
    return {name: value.numpy() for name, value in network.state_dict().items()}


def _session(folder: Path) -> dict[str, Any]:
    from monai_fusion.viewer.session_file import read_session_file

    view = read_session_file(_only(folder).read_bytes())
    return {
        "all": view.model_dump_json(by_alias=True),
        "windows": repr(view.choice["windows"]),
        "nudge": repr(view.choice["nudge"]),
    }


def _upload(folder: Path) -> dict[str, Any]:
    """What the viewer makes of an upload, read as the viewer reads it."""
    from monai_fusion.viewer.uploads import save_uploads

    with tempfile.TemporaryDirectory(dir=folder.parent) as session:
        inside = Path(session) / "upload"
        inside.mkdir()
        try:
            with contextlib.ExitStack() as stack:
                files = [(path.name, stack.enter_context(path.open("rb"))) for path in sorted(folder.iterdir())]
                save_uploads(files, inside)
        finally:
            assert [path.name for path in Path(session).iterdir()] == ["upload"], "something was written elsewhere"
        return _image(inside)


def _archives(folder: Path) -> dict[str, Any]:
    from monai_fusion.archive.settings import read_settings

    return {"settings": repr(read_settings("pacs", _only(folder)))}


def _pet() -> dict[str, bytes]:
    """With all that an SUV is computed from."""
    dose = pydicom.Dataset()
    dose.RadionuclideTotalDose, dose.RadionuclideHalfLife, dose.RadiopharmaceuticalStartTime = 4e8, 6586.2, "080000"
    tags: dict[str, Any] = {"PatientWeight": 70, "SeriesTime": "090000", "AcquisitionTime": "090000"}
    tags |= {"SeriesDate": "20260101", "AcquisitionDate": "20260101", "Units": "BQML", "DecayCorrection": "START"}
    tags |= {"CorrectedImage": ["ATTN", "DECY"], "RadiopharmaceuticalInformationSequence": [dose]}
    return _dicom(modality="PT", **tags)


def _made(make: Callable[[Path], object]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "series"
        made.mkdir()
        make(made)
        return {path.name: path.read_bytes() for path in sorted(made.iterdir())}


def _dicom(**options: Any) -> dict[str, bytes]:
    return _made(lambda folder: classic(folder, _SMALL, PatientComments="one", RescaleSlope=2, **options))


def _compressed(kind: str) -> dict[str, bytes]:
    def make(folder: Path) -> None:
        for file in sorted(classic(folder, _SMALL, PatientComments="one", RescaleSlope=2).iterdir()):
            if kind == "jpeg":
                _compress_jpeg(file)
            else:
                compress(file, pydicom.uid.UID(COMPRESSED[kind]))

    return _made(make)


def _compress_jpeg(file: Path) -> None:
    """Baseline, 8 bits, by Pillow: pydicom has no encoder."""
    dataset = pydicom.dcmread(file)
    stream = io.BytesIO()
    Image.fromarray(dataset.pixel_array.astype(np.uint8)).save(stream, "JPEG")
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(file)


def _deflated() -> dict[str, bytes]:
    return _dicom(syntax=DeflatedExplicitVRLittleEndian)


def _zip(method: int = zipfile.ZIP_DEFLATED) -> dict[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in _dicom().items():
            archive.writestr(zipfile.ZipInfo(f"study/{name}"), content, method)
    return {"study.zip": stream.getvalue()}


def _nifti(name: str) -> dict[str, bytes]:
    def make(folder: Path) -> None:
        image = nib.Nifti1Image(_SMALL, np.diag([2.0, 3, 4, 1]))
        image.set_qform(image.affine, 1)
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a comment of some length"))
        nib.save(image, folder / name)

    return _made(make)


def _picture(name: str, colour: bool = False) -> dict[str, bytes]:
    plane = np.random.default_rng(6).integers(0, 255, (20, 16), np.uint8)
    array = np.stack([plane, plane // 2, plane // 3], axis=-1) if colour else plane
    return _made(lambda folder: Image.fromarray(array).save(folder / name))


def _itk(name: str) -> dict[str, bytes]:
    matrix = np.eye(4)
    matrix[:3, 3] = 4.0, -3.0, 2.0
    return _made(lambda folder: write_itk_transform(folder / name, matrix))


def _weights_file() -> dict[str, bytes]:
    torch.manual_seed(0)
    return _made(lambda folder: torch.save(FusionStudent().state_dict(), folder / "model.pt"))


def _session_file() -> dict[str, bytes]:
    images = {role: {"series": f"1.2.{i}", "name": role, "sha256": "0" * 64} for i, role in enumerate(_ROLES)}
    roi = {"id": "R1", "kind": "sphere", "center": [0, 0, 0], "radius": 9}
    content = {
        "monai_fusion_view": 1,
        "images": images,
        "place": {"kind": "upload"},
        "nudge": {},
        "registered": np.eye(4).tolist(),
        "restart": False,
        "accept": False,
        "corrections": {},
        "windows": {"mri": [0, 900], "functional": [0, 10]},
        "state": {"crosshair": [1, 2, 3], "palette": "hot_iron", "rois": [roi]},
    }
    return {"view.session.json": json.dumps(content, indent=1).encode()}


_ROLES = ("mri", "functional")
_TOML = b"[pacs]\naddress = 'https://pacs.example:8042/dicom-web'\ntimeout = 30.0\nverify = true\nuser = 'a'\n"

#: By name: how to make the files, and how they are read.
FORMATS: dict[str, tuple[Callable[[], dict[str, bytes]], Callable[[Path], dict[str, Any]]]] = {
    "dicom": (_dicom, _series),
    "dicom-implicit": (lambda: _dicom(syntax=ImplicitVRLittleEndian), _series),
    "dicom-deflated": (_deflated, _series),
    "dicom-pet": (_pet, _series),
    "dicom-enhanced": (lambda: _made(lambda folder: enhanced(folder / "1.dcm", PatientComments="one")), _series),
    "dicom-nm": (lambda: _made(lambda folder: nm(folder / "1.dcm", PatientComments="one")), _series),
    "dicom-gated": (lambda: _made(lambda folder: gated(folder / "1.dcm")), _first_volume),
    **{f"dicom-{kind}": ((lambda kind=kind: _compressed(kind)), _series) for kind in COMPRESSED},
    "zip": (_zip, _file),
    "nifti": (lambda: _nifti("t1.nii"), _file),
    "nifti-gz": (lambda: _nifti("t1.nii.gz"), _file),
    "png": (lambda: _picture("slice.png", True), _file),
    "jpeg": (lambda: _picture("slice.jpg"), _file),
    "tiff": (lambda: _picture("slice.tif"), _file),
    "transform-tfm": (lambda: _itk("move.tfm"), _transform),
    "transform-h5": (lambda: _itk("move.h5"), _transform),
    "weights": (_weights_file, _weights),
    "session": (_session_file, _session),
    "archives": (lambda: {"archives.toml": _TOML + b"password = 'b'\n"}, _archives),
    "upload": (_zip, _upload),
}


def sound(name: str) -> Sound:
    """The sound files of a format, the same in every process but for the times within an HDF5 file."""
    make, read = FORMATS[name]
    numbers = itertools.count(1)
    with patch(
        "dicom_objects.generate_uid",
        lambda entropy_srcs=None: generate_uid(entropy_srcs=entropy_srcs or [str(next(numbers))]),
    ):
        return Sound(make(), read)
