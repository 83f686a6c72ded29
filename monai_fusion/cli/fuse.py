"""`monai-fusion fuse`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_fusion.cli.common import find_device, fuse_and_tell
from monai_fusion.errors import InputError

__all__ = ["add_fuse"]

_DESCRIPTION = """\
Fuses an MRI with a PET or SPECT of the same patient.

MRI and FUNCTIONAL are each a NIfTI file (.nii, .nii.gz), a folder with a DICOM series, or a picture (PNG, JPEG, TIFF;
a picture goes with a picture only). The result lies on the grid of the MRI; the functional image is brought onto it by
the coordinates in the headers where they name one frame of reference, else it is registered to the MRI, or moved by
--functional-transform.
"""

_EPILOG = """\
what lies in OUT:
  fused.nii.gz         the fused volume, 0 to 1, in grey
  fused_color.nii.gz   the same in colour: brightness from the fusion, colour from the uptake
  dicom/               the fused volume as a DICOM series of the same study
  mri_to_functional.tfm  the transform that was found, if there was a registration
  contact_sheet.png    sources and fusion, slice by slice, for a first look
  report.json          what was read, how it was scaled, with what, and what to be wary of
  fused.png            instead of all but the report, for pictures

examples:
  monai-fusion fuse t1.nii.gz pet.nii.gz -o out
  monai-fusion fuse study/ study/ -o out --mri-series MR --functional-series PT
  monai-fusion fuse t1.nii.gz pet.nii.gz -o out --functional-window 0 25000 --color-map hot_iron
  monai-fusion fuse t1/ pet/ -o out --axis coronal --set inferer#sw_batch_size=4

exit code: 0 done, 2 wrong usage, 3 input refused, 4 output not written, 130 interrupted, 1 anything else.
For research use only. Not for diagnostic use.
"""

#: Options that are ids of the bundle's configuration.
_OVERRIDES = [f"{role}_{what}" for role in ("mri", "functional") for what in ("series", "frame", "window")]
_OVERRIDES += ["registration", "accept_registration", "functional_transform", "axis", "color_map", "checkpoint"]
_PATHS = ("functional_transform", "checkpoint")


def add_fuse(commands: Any) -> None:
    fuse = commands.add_parser(
        "fuse",
        help="fuse an MRI with a PET or SPECT",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fuse.add_argument("mri", metavar="MRI", help="NIfTI file, DICOM folder or picture; gives the grid of the result")
    fuse.add_argument("functional", metavar="FUNCTIONAL", help="the PET or SPECT, in any of these forms")
    fuse.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for the results, made if missing")

    choice = fuse.add_argument_group("which image, where a file or folder holds several")
    for role in ("mri", "functional"):
        choice.add_argument(f"--{role}-series", metavar="UID", help="SeriesInstanceUID, or modality: MR, PT, NM")
    for role in ("mri", "functional"):
        choice.add_argument(f"--{role}-frame", metavar="N", type=int, help="volume of a 4-D NIfTI file, from 0")

    scale = fuse.add_argument_group("what is black and what is white")
    for role, what in (("mri", "1st to 99.5th"), ("functional", "0 to the 99.9th")):
        scale.add_argument(
            f"--{role}-window",
            nargs=2,
            type=float,
            metavar=("LOW", "HIGH"),
            help=f"in the image's own unit (default: {what} percentile within the head)",
        )

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
        help="colour of the uptake: rainbow (default), hot_iron, pet, hot_metal_blue, pet_20_step, grey",
    )
    how.add_argument("--checkpoint", metavar="FILE", help="other weights than the bundle's")
    how.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    how.add_argument("--bundle", metavar="DIR", help="another bundle folder than the one shipped")
    how.add_argument(
        "--set",
        metavar="ID=VALUE",
        action="append",
        default=[],
        help="override anything in the bundle's inference.json, value in JSON; may be repeated",
    )
    how.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no summary")
    fuse.set_defaults(command=_fuse)


def _fuse(args: argparse.Namespace) -> None:
    overrides = {name: getattr(args, name) for name in _OVERRIDES if getattr(args, name) is not None}
    for name, value in overrides.items():
        if name in _PATHS:
            overrides[name] = Path(value)  # no text, which MONAI may change (see `fuse`)
        elif str(value).startswith(("$", "@", "%")):
            option = name.replace("_", "-")
            raise InputError(f"--{option} {value}: begins with {str(value)[0]}; an expression goes to --set {name}=...")
    if args.axis in ("0", "1", "2"):
        overrides["axis"] = int(args.axis)
    if args.device is not None:
        overrides["device"] = find_device(args.device)
    overrides.update(_settings(args.set))
    fuse_and_tell(args.mri, args.functional, args.output, args.quiet, root=args.bundle, **overrides)


def _settings(texts: Sequence[str]) -> dict[str, Any]:
    """``ID=VALUE`` texts as overrides; what is no JSON is taken as text."""
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: write ID=VALUE, for example --set inferer#sw_batch_size=4")
        if name in ("mri", "functional", "output_dir", "root"):
            raise InputError(f"--set {text}: is an argument of its own (MRI, FUNCTIONAL, --output, --bundle)")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings
