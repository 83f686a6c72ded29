"""Reading and writing NIfTI by nibabel, compressed by ISA-L: as small as zlib's level 1, in an eighth of its time."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip

from monai_fusion.data.source import Source, check_affine, hash_files
from monai_fusion.data.unpacking import is_bomb
from monai_fusion.errors import InputError
from monai_fusion.slices import slice_axis_of

__all__ = ["RGB24", "read_nifti", "write_nifti"]

#: NIFTI_TYPE_RGB24, the colour type that ITK-SNAP, FSLeyes, MRIcroGL and ITK read.
RGB24 = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])

_MOST_PADDING = 1 << 20  # bytes after the voxels


def read_nifti(path: Path, frame: int | None = None) -> Source:
    """Reads one volume.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.
        frame: which volume of a 4-D file, counted from 0.

    Raises:
        InputError: not readable, truncated, colour or complex voxels, no orientation or a zero spacing in the header,
            4-D without `frame`, or no such frame.
    """
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise InputError(f"{path}: not a NIfTI file but {type(image).__name__}; convert it to NIfTI")
        header = image.header
        if header.get_data_dtype().names or header.get_data_dtype().kind == "c":
            raise InputError(f"{path}: colour or complex voxels; a volume must have one real value a voxel")
        _refuse_repaired(path, image)
        _refuse_surplus(path, image)
        chosen = _frame(path, image.shape, frame)
        volume = image.slicer[..., chosen] if image.ndim > 3 else image
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            array = np.asarray(volume.dataobj, dtype=np.float32)
        affine, qform = np.asarray(image.affine, dtype=np.float64), header.get_qform()
        units = header.get_xyzt_units()[0]
    except InputError:
        raise
    except Exception as error:  # nibabel raises many kinds on damaged headers
        reason = str(error) or type(error).__name__
        raise InputError(
            f"{path}: not a readable NIfTI file, or cut short ({reason}); copy or convert it again"
        ) from error
    if array.ndim < 3:
        array = array.reshape(array.shape + (1,) * (3 - array.ndim))

    warnings = []
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    if sform_code == 0 and qform_code == 0:
        raise InputError(
            f"{path}: the header has neither sform nor qform, so left and right are unknown; "
            "write the file again with its orientation"
        )
    check_affine(affine, str(path))
    if sform_code and qform_code and not np.allclose(affine, qform, atol=0.1):
        warnings.append("sform and qform of the NIfTI header differ; the sform was used")
    if units not in ("mm", "unknown"):
        raise InputError(f"{path}: lengths are in {units}; write the file again in mm")

    slice_dim = header.get_dim_info()[2]
    facts: dict[str, Any] = {
        "kind": "nifti",
        "sha256": hash_files([path]),
        "nifti": {"sform_code": sform_code, "qform_code": qform_code},
        "warnings": warnings,
    }
    if frame is not None:
        facts["frame"] = frame
    return Source(array, affine, slice_axis_of(affine) if slice_dim is None else int(slice_dim), facts)


def _refuse_repaired(path: Path, image: nib.Nifti1Image) -> None:
    """Refuses what nibabel repairs by a guess: a spacing that is not positive becomes 1 mm, an unknown code 0.

    It also leaves voxels unscaled where the slope is no number.
    """
    with image.file_map["image"].get_prepare_fileobj("rb") as stream:
        raw = type(image.header).from_fileobj(stream, check=False)
    spacing = raw["pixdim"][1 : 1 + min(image.ndim, 3)]
    wrong = spacing[~((spacing > 0) & np.isfinite(spacing))]
    if len(wrong):
        raise InputError(f"{path}: a voxel spacing (pixdim) is {wrong[0]:g} mm; repair the header")
    if not np.isfinite(raw["scl_slope"]):
        raise InputError(f"{path}: its slope (scl_slope) is {raw['scl_slope']:g}; repair the header")
    for keyword in ("sform_code", "qform_code"):
        if raw[keyword] != image.header[keyword]:
            raise InputError(
                f"{path}: {keyword} {int(raw[keyword])} is unknown; write the file again with its orientation"
            )


def _refuse_surplus(path: Path, image: nib.Nifti1Image) -> None:
    """Refuses voxels that the header does not speak of: nibabel leaves them out and the picture is bent.

    Reads a gzip file to its end, where the checksum is and before which nibabel stops, but no further than what the
    header says and some padding, whatever it would unpack to.
    """
    stored: Any = image.dataobj  # the header of a loaded image does not keep the offset
    if 0 in stored.shape:
        return  # refused for its size
    expected = stored.offset + math.prod(stored.shape) * stored.dtype.itemsize
    if is_bomb(path.stat().st_size, expected):
        size = "x".join(map(str, stored.shape))
        raise InputError(f"{path}: its header says {size} voxels, too many for its size; write the file again")
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        stream.seek(expected)
        surplus = stream.read(_MOST_PADDING + 1)
    if len(surplus) > _MOST_PADDING or surplus.strip(b"\0"):
        raise InputError(f"{path}: holds more voxels than its header says (dim); write the file again")


def _frame(path: Path, shape: tuple[int, ...], frame: int | None) -> int:
    """The index of the volume to read along axis 3."""
    if len(shape) > 4 and np.prod(shape[4:]) > 1:
        raise InputError(f"{path}: {len(shape)}-D voxels; write the one volume to fuse into a 3-D file")
    frames = shape[3] if len(shape) > 3 else 1
    if frame is None and frames > 1:
        raise InputError(
            f"{path}: a 4-D file of {frames} frames; choose one, 0 to {frames - 1} "
            "(--mri-frame or --functional-frame; in the bundle --mri_frame or --functional_frame)"
        )
    if frame is not None and not 0 <= frame < frames:
        raise InputError(f"{path}: there is no frame {frame}: it holds {frames}, counted from 0; choose another")
    return frame or 0


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray, facts: dict[str, Any]) -> None:
    """Writes a volume.

    Args:
        path: the file to write, ``.nii.gz``.
        array: ``(I, J, K)`` of a plain type, or of `RGB24`.
        affine: 4x4, RAS, mm.
        facts: the facts of the source whose grid this is: a NIfTI source's sform and qform codes are kept, a DICOM
            source's coordinates are scanner coordinates (code 1).
    """
    codes = facts.get("nifti", {"sform_code": 1, "qform_code": 1})
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, codes["sform_code"])
    image.set_qform(affine, codes["qform_code"])
    image.header["descrip"] = b"monai-fusion, research use only"
    # neither name nor time in the header: the same bytes each time
    with path.open("wb") as file, igzip.IGzipFile("", "wb", fileobj=file, mtime=0) as stream:
        image.to_stream(stream)
