"""The command line: `monai-fusion fuse`, `evaluate`, `prepare`, `demo`, `view`. Thin: the bundle does everything."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import monai_fusion
from monai_fusion.errors import FusionError, InputError, OutputError

__all__ = ["main"]

_FUSE = """\
Fuses an MRI with a PET or SPECT of the same patient.

MRI and FUNCTIONAL are each a NIfTI file (.nii, .nii.gz), a folder with a DICOM series, or a picture (PNG, JPEG, TIFF;
a picture goes with a picture only). The result lies on the grid of the MRI; the functional image is brought onto it by
the coordinates in the headers, so both must be in one patient space: registered, scanned together, or moved by
--functional-transform.
"""

_FUSE_EPILOG = """\
what lies in OUT:
  fused.nii.gz         the fused volume, 0 to 1, in grey
  fused_color.nii.gz   the same in colour: brightness from the fusion, colour from the uptake
  dicom/               the fused volume as a DICOM series of the same study
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

_EVALUATE = """\
Measures fusion methods on a data set, with every rival that costs nothing beside them.

DATASET is a folder with one subfolder a source, for example MRI and PET, with pictures (PNG, JPEG, TIFF) that belong
together called the same. The first source goes where the MRI goes: the subfolder called MRI, else the visible one,
else the first in the alphabet.
"""

_EVALUATE_EPILOG = """\
what lies in OUT:
  table.md       means and 95 % intervals of all methods, with published rows where there are any
  summary.json   {method: {metric: {mean, low, high}}}
  pairs.csv      every number of every pair
  tests.csv      the first method against every other: Wilcoxon's test, corrected by Holm
  figures/       bars, box plots, worst and best pairs, lesions kept against the metrics
  run.json       how, when, on what, and the pairs that were skipped

examples:
  monai-fusion evaluate data/mri_pet -o out
  monai-fusion evaluate data/mri_pet -o out --method model --method run3/student.pt --protocol paper

exit code: 0 done, 5 done but pairs were skipped, 2 wrong usage, 3 input refused, 4 output not written,
130 interrupted, 1 anything else. For research use only. Not for diagnostic use.
"""

#: Options that are ids of the bundle's configuration.
_OVERRIDES = [f"{role}_{what}" for role in ("mri", "functional") for what in ("series", "frame", "window")]
_OVERRIDES += ["functional_transform", "axis", "color_map", "checkpoint"]
_PATHS = ("functional_transform", "checkpoint")

_EXIT_INPUT, _EXIT_OUTPUT, _EXIT_INTERRUPTED = 3, 4, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        The exit code.
    """
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int | None = args.command(args)
    except InputError as error:
        return _complain(error, _EXIT_INPUT)
    except OutputError as error:
        return _complain(error, _EXIT_OUTPUT)
    except FusionError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        print("monai-fusion: interrupted, nothing unfinished was left", file=sys.stderr)
        return _EXIT_INTERRUPTED
    return code or 0


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """A polite kill ends as Ctrl-C does: half-written results are removed."""
    raise KeyboardInterrupt


def _complain(error: Exception, code: int) -> int:
    print(f"monai-fusion: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="monai-fusion",
        description="Fuses MRI with PET or SPECT by the MMDRFuse student. For research use only.",
    )
    parser.add_argument("--version", action="version", version=monai_fusion.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fuse(commands)
    _add_evaluate(commands)
    _add_demo(commands)
    _add_view(commands)
    _add_prepare(commands)
    return parser


def _add_fuse(commands: Any) -> None:
    fuse = commands.add_parser(
        "fuse",
        help="fuse an MRI with a PET or SPECT",
        description=_FUSE,
        epilog=_FUSE_EPILOG,
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
        "--functional-transform",
        metavar="FILE",
        help="rigid or affine transform of an ITK registration (.tfm, .h5) from the MRI to the functional image",
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


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="measure fusion methods on a data set",
        description=_EVALUATE,
        epilog=_EVALUATE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("dataset", metavar="DATASET", help="folder with one subfolder a source")
    evaluate.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    evaluate.add_argument(
        "--method",
        metavar="NAME_OR_CHECKPOINT",
        action="append",
        help="a model of the bundle, a rival, or a weights file; may be repeated, the first is tested (default: model)",
    )
    evaluate.add_argument(
        "--protocol",
        choices=["product", "paper"],
        default="product",
        help="product: clipped, as the user sees it (default); paper: each image stretched to its minimum and maximum",
    )
    evaluate.add_argument("--sources", nargs=2, metavar=("FIRST", "SECOND"), help="the subfolders, MRI first")
    evaluate.add_argument("--no-rivals", action="store_true", help="measure what is named alone")
    evaluate.add_argument(
        "--calibration",
        choices=["none", "inverse_tanh"],
        help="of weights files that are not the bundle's (default: that of its model)",
    )
    evaluate.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    evaluate.add_argument("--bundle", metavar="DIR", help="another bundle folder than the one shipped")
    evaluate.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no table")
    evaluate.set_defaults(command=_evaluate)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="make a real-looking MRI/PET pair and fuse it",
        description="Makes two DICOM series, an MRI and a PET from another scanner position, and fuses them. "
        "Needs the demo extra: pip install 'monai-fusion[demo]'.",
    )
    demo.add_argument("-o", "--output", metavar="OUT", default="demo_output", help="folder (default: %(default)s)")
    demo.set_defaults(command=_demo)


def _add_view(commands: Any) -> None:
    view = commands.add_parser(
        "view",
        help="look at a pair in the browser",
        description="Starts the viewer on 127.0.0.1. Needs the viewer extra: pip install 'monai-fusion[viewer]'.",
    )
    view.add_argument("mri", metavar="MRI", nargs="?", default="", help="shown at the start; can be chosen there")
    view.add_argument("functional", metavar="FUNCTIONAL", nargs="?", default="")
    view.add_argument("--port", type=int, default=8501, help="(default: %(default)s)")
    view.add_argument("--no-browser", action="store_true", help="do not open a browser")
    view.set_defaults(command=_view)


def _add_prepare(commands: Any) -> None:
    prepare = commands.add_parser(
        "prepare",
        help="cut training patches from infrared/visible pairs",
        description="Cuts training patches on a grid from pairs of an infrared and a visible picture, as grey levels. "
        "SOURCE holds two subfolders with pictures of the same names, such as LLVIP's infrared/train and "
        "visible/train, or ir and vis; or pictures with both side by side, visible left.",
    )
    prepare.add_argument("sources", metavar="SOURCE", nargs="+", help="folder with pairs")
    prepare.add_argument("-o", "--output", metavar="FILE", required=True, help=".npy; how it was made goes into .json")
    prepare.add_argument("--size", metavar="N", type=int, default=128, help="side of a patch (default: %(default)s)")
    prepare.add_argument("--stride", metavar="N", type=int, help="from patch to patch, in pixels (default: the size)")
    prepare.add_argument("--limit", metavar="N", type=int, help="so many pairs, spread evenly over all (default: all)")
    prepare.add_argument("--visible", metavar="NAME", help="subfolder of the visible pictures, or left or right")
    prepare.add_argument("--infrared", metavar="NAME", help="subfolder of the infrared pictures, or left or right")
    prepare.add_argument("--skip-damaged", action="store_true", help="leave out what cannot be used, and name it")
    prepare.set_defaults(command=_prepare)


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
        overrides["device"] = _device(args.device)
    overrides.update(_settings(args.set))
    _run(args.mri, args.functional, args.output, args.quiet, root=args.bundle, **overrides)


def _device(name: str) -> str:
    """A device that is there, as the configuration writes it."""
    import torch

    try:
        torch.zeros(1, device=name).cpu()
    except (AssertionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"--device {name}: cannot be used here ({reason}); choose cpu, or leave it out") from error
    return f"$torch.device({name!r})"


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


def _evaluate(args: argparse.Namespace) -> int:
    from monai_fusion.evaluation.workflow import evaluate

    overrides: dict[str, Any] = {"protocol": args.protocol, "rivals": not args.no_rivals}
    if args.sources is not None:
        overrides["sources"] = [Path(source) for source in args.sources]
    if args.calibration is not None:
        overrides["calibration"] = args.calibration
    if args.device is not None:
        overrides["device"] = _device(args.device)
    if args.quiet:
        overrides["progress"] = False
    done = evaluate(args.dataset, args.output, args.method or ["model"], args.bundle, **overrides)
    if not args.quiet:
        print(f"{done.table}\nthe results are in {args.output}")
    return done.exit_code


def _demo(args: argparse.Namespace) -> None:
    from monai_fusion.data.phantom import write_demo_pair

    folder = Path(args.output)
    print(f"making an MRI and a PET series in {folder / 'input'}")
    pair = write_demo_pair(folder / "input")
    _run(pair.mri, pair.functional, folder / "fused", False, functional_transform=pair.transform)


def _view(args: argparse.Namespace) -> None:
    from monai_fusion.viewer import serve

    serve(args.mri, args.functional, args.port, browser=not args.no_browser)


def _prepare(args: argparse.Namespace) -> None:
    from monai_fusion.data.patches import PatchPairs, npy_file
    from monai_fusion.data.picture_pairs import OnDamaged, find_pairs

    output = npy_file(args.output)
    on_damaged: OnDamaged = "skip" if args.skip_damaged else "raise"
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        pairs = [find_pairs(source, args.visible, args.infrared, on_damaged) for source in args.sources]
        patches = PatchPairs.grid(pairs, args.size, args.stride, args.limit, on_damaged, progress=sys.stderr.isatty())
    patches.save(output)
    print(f"{len(patches)} patches of {patches.facts['pairs']} pairs are in {output}")


def _show_warning(
    message: Warning | str, category: Any, filename: str, lineno: int, file: Any = None, line: str | None = None
) -> None:
    """As `warnings.showwarning`, without the place in the source."""
    print(f"warning: {message}", file=sys.stderr)


def _run(mri: Any, functional: Any, output: Any, quiet: bool, /, **overrides: Any) -> None:
    from monai_fusion.workflow import fuse

    progress = not quiet and sys.stderr.isatty()
    result = fuse(mri, functional, output, **{"progress": progress, **overrides})
    for warning in result.report["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    if not quiet:
        seconds = sum(result.report["seconds"].values())
        print(f"fused {'x'.join(str(n) for n in result.fused.shape)} in {seconds:.1f} s; the results are in {output}:")
        for path in sorted(Path(output).iterdir()):
            if not path.name.startswith("."):
                print(f"  {path.name}{'/' if path.is_dir() else ''}")
