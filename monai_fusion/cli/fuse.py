"""`monai-fusion fuse`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from monai_fusion.cli.archive import add_archives_file, archive_settings, send_and_tell
from monai_fusion.cli.common import find_device, fuse_and_tell, warn_of_bundle
from monai_fusion.errors import InputError
from monai_fusion.options import check_option, read_option

__all__ = ["add_fuse", "add_options", "read_configuration", "read_values"]

_DESCRIPTION = """\
Fuses an MRI with a PET or SPECT of the same patient.

MRI and FUNCTIONAL are each a NIfTI file (.nii, .nii.gz), a folder or zip with DICOM series, or a picture (PNG, JPEG,
TIFF; a picture goes with a picture only). Both may be one folder: `monai-fusion inspect` says what it holds. The result
lies on the grid of the MRI; the functional image is brought onto it by the coordinates in the headers where they name
one frame of reference, else it is registered to the MRI, or moved by --functional-transform.
"""

_EPILOG = """\
what lies in OUT:
  fused.nii.gz         the fused volume, 0 to 1, in grey
  fused_color.nii.gz   the same in colour: brightness from the fusion, colour from the uptake
  dicom/               for the archive: the fused series in grey and in colour, and the registration
  mri_to_functional.tfm  the transform that was found, if there was a registration
  contact_sheet.png    sources and fusion, slice by slice, for a first look
  report.json          what was read, how it was scaled, with what, and what to be wary of
  fused.png            instead of all but the report, for pictures

examples:
  monai-fusion fuse t1.nii.gz pet.nii.gz -o out
  monai-fusion fuse study/ study/ -o out
  monai-fusion fuse study.zip study.zip -o out --mri-series '*MPRAGE*' --functional-series PT
  monai-fusion fuse t1.nii.gz pet.nii.gz -o out --functional-window 0 25000 --color-map hot_iron
  monai-fusion fuse t1/ pet/ -o out --functional-window 0 10 --patient-weight 72.5
  monai-fusion fuse study/ study/ -o out --send pacs
  monai-fusion fuse t1/ pet/ -o out --axis coronal --set inferer#sw_batch_size=4

exit code: 0 done, 2 wrong usage, 3 input refused, 4 output not written, 130 interrupted, 1 anything else.
For research use only. Not for diagnostic use.
"""

#: Options that are ids of the bundle's configuration.
_VALUES = [f"{role}_{what}" for role in ("mri", "functional") for what in ("series", "frame", "uneven", "window")]
_VALUES += ["functional_unit", "patient_weight", "injected_dose", "injection_time", "patient_size", "patient_sex"]
_VALUES += ["registration", "accept_registration", "functional_transform"]
_VALUES += ["axis", "color_map", "presentation_state", "deidentify", "checkpoint"]


def add_fuse(commands: Any) -> None:
    fuse = commands.add_parser(
        "fuse",
        help="fuse an MRI with a PET or SPECT",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fuse.add_argument("mri", metavar="MRI", help="NIfTI file, DICOM folder or zip, picture; gives the result's grid")
    fuse.add_argument("functional", metavar="FUNCTIONAL", help="the PET or SPECT, in any of these forms")
    fuse.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for the results, made if missing")
    add_options(fuse)
    fuse.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no summary")

    archive = fuse.add_argument_group("afterwards")
    archive.add_argument(
        "--send", metavar="ARCHIVE", help="send the DICOM results to this archive, by name or address (see send --help)"
    )
    add_archives_file(archive)
    fuse.set_defaults(command=_fuse)


def add_options(fuse: argparse.ArgumentParser) -> None:
    """Adds what may be set of the bundle; `read_values` and `read_configuration` read it."""
    choice = fuse.add_argument_group("which image, where a file or folder holds several")
    for role in ("mri", "functional"):
        choice.add_argument(f"--{role}-series", metavar="UID", help="SeriesInstanceUID, modality, or '*PATTERN*'")
    for role in ("mri", "functional"):
        choice.add_argument(
            f"--{role}-frame",
            metavar="N",
            type=int,
            help="volume of a 4-D NIfTI file, or of a series with several echoes, b-values, times or gates, from 0",
        )
    for role in ("mri", "functional"):
        choice.add_argument(
            f"--{role}-uneven",
            choices=["refuse", "resample"],
            help="DICOM slices at uneven distances (default: refuse)",
        )

    scale = fuse.add_argument_group("what is black and what is white")
    windows = (
        ("mri", "1st to 99.5th", ""),
        ("functional", "0 to the 99.9th", ": SUV where a PET has one (--functional-unit), else Bq/ml, counts, ..."),
    )
    for role, what, unit in windows:
        scale.add_argument(
            f"--{role}-window",
            nargs=2,
            type=float,
            metavar=("LOW", "HIGH"),
            help=f"in the image's unit{unit} (default: {what} percentile within the head)",
        )

    suv = fuse.add_argument_group(
        "PET units",
        "An SUV is computed from the DICOM header; what is given here goes before it, marked in the report as edited.",
    )
    suv.add_argument(
        "--functional-unit",
        metavar="UNIT",
        help="auto (default: SUVbw where it can be computed, else the image's own), native (its own), SUVbw, SUVlbm, "
        "SUVlbmjames128, SUVlbmjanma, SUVbsa, SUVibw",
    )
    suv.add_argument("--patient-weight", metavar="KG", type=float, help="weight in kg")
    suv.add_argument("--injected-dose", metavar="MBQ", type=float, help="activity at the injection, in MBq")
    suv.add_argument("--injection-time", metavar="TIME", help="HHMMSS, or with the date YYYYMMDDHHMMSS")
    suv.add_argument(
        "--patient-size", metavar="M", type=float, help="height in m (lean body mass, surface, ideal weight)"
    )
    suv.add_argument("--patient-sex", metavar="SEX", help="M, F or O (lean body mass, ideal weight)")

    how = fuse.add_argument_group("how")
    how.add_argument(
        "--registration",
        choices=["none", "auto", "rigid", "affine"],
        help="of the functional image to the MRI; auto (default): rigid, if their frames of reference differ or they "
        "hardly overlap",
    )
    how.add_argument(
        "--accept-registration",
        action="store_true",
        default=None,
        help="go on with a registration that failed; look at the edges",
    )
    how.add_argument(
        "--functional-transform",
        metavar="FILE",
        help="rigid or affine transform of an ITK registration (.tfm, .h5) from the MRI to the functional image; "
        "with --registration rigid or affine it is where that begins",
    )
    how.add_argument(
        "--axis",
        metavar="AXIS",
        help="slices to fuse: acquisition (default), axial, coronal, sagittal, or array axis 0, 1, 2",
    )
    how.add_argument(
        "--color-map",
        metavar="NAME",
        help="colour of the uptake: rainbow (default), hot_iron, pet, hot_metal_blue, pet_20_step, grey; none: write "
        "no colour images",
    )
    how.add_argument(
        "--presentation-state",
        action="store_true",
        default=None,
        help="write a DICOM presentation state too, by which a viewer blends MRI and functional image itself",
    )
    how.add_argument(
        "--deidentify",
        action="store_true",
        default=None,
        help="take the patient out of the DICOM results and the report (needs the extra deidentify)",
    )
    how.add_argument("--checkpoint", metavar="FILE", help="other weights than the bundle's")
    how.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    how.add_argument(
        "--bundle", metavar="DIR", help="another bundle folder than the one shipped; it may run any program"
    )
    how.add_argument(
        "--set",
        metavar="ID=VALUE",
        action="append",
        default=[],
        help="override anything in the bundle's inference.json, value in JSON; may be repeated; as MONAI reads it, "
        "it may run any program: never pass on what comes from elsewhere",
    )


def _fuse(args: argparse.Namespace) -> None:
    warn_of_bundle(args.bundle)
    values, configuration = read_values(args), read_configuration(args.set)
    if args.device is not None:
        values["device"] = find_device(args.device)
    archive = None if args.send is None else archive_settings(args.send, args)
    fuse_and_tell(
        args.mri, args.functional, args.output, args.quiet, root=args.bundle, configuration=configuration, **values
    )
    if archive is not None:
        send_and_tell(archive, args.output, args.quiet)


def read_values(args: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_options` say, but for the device, the bundle and ``--set``: ids of the bundle's
    configuration and their values, which are data.

    Raises:
        InputError: a value of another type or out of range.
    """
    values: dict[str, Any] = {}
    for name in _VALUES:
        given, called = getattr(args, name), f"--{name.replace('_', '-')}"
        if given is not None:
            read = read_option if isinstance(given, str) else check_option
            values[name] = None if (name, given) == ("color_map", "none") else read(name, given, called)
    return values


def read_configuration(texts: Sequence[str]) -> dict[str, Any]:
    """What ``--set ID=VALUE`` says: configuration, which MONAI parses and runs; what is no JSON is taken as text.

    Raises:
        InputError: no ``ID=VALUE``, or an id that is an argument of its own.
    """
    configuration = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: write ID=VALUE, for example --set inferer#sw_batch_size=4")
        if name in ("mri", "functional", "output_dir", "root"):
            raise InputError(f"--set {text}: is an argument of its own (MRI, FUNCTIONAL, --output, --bundle)")
        try:
            configuration[name] = json.loads(value)
        except json.JSONDecodeError:
            configuration[name] = value
    return configuration
