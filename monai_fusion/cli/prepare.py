"""`monai-fusion prepare`."""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import Any

from monai_fusion.cli.terminal import tell, warn

__all__ = ["add_prepare"]


def add_prepare(commands: Any) -> None:
    prepare = commands.add_parser(
        "prepare",
        help="cut training patches from infrared/visible pairs",
        description="Cuts training patches on a grid from pairs of an infrared and a visible picture, as grey levels. "
        "SOURCE holds two subfolders with pictures of the same names, such as LLVIP's infrared/train and "
        "visible/train, or ir and vis; or pictures with both side by side, visible left.",
    )
    prepare.add_argument("sources", metavar="SOURCE", nargs="+", help="folder with pairs")
    prepare.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help=".npy, how it was made goes into .json; or .zarr, to stream",
    )
    prepare.add_argument("--size", metavar="N", type=int, default=128, help="side of a patch (default: %(default)s)")
    prepare.add_argument("--stride", metavar="N", type=int, help="from patch to patch, in pixels (default: the size)")
    prepare.add_argument("--limit", metavar="N", type=int, help="so many pairs, spread evenly over all (default: all)")
    prepare.add_argument("--visible", metavar="NAME", help="subfolder of the visible pictures, or left or right")
    prepare.add_argument("--infrared", metavar="NAME", help="subfolder of the infrared pictures, or left or right")
    prepare.add_argument("--skip-damaged", action="store_true", help="leave out what cannot be used, and name it")
    prepare.set_defaults(command=_prepare)


def _prepare(args: argparse.Namespace) -> None:
    from monai_fusion.data.patches import PatchPairs, npy_file
    from monai_fusion.data.picture_pairs import OnDamaged, find_pairs
    from monai_fusion.data.streamed_patches import StreamedPatches, is_store

    output = args.output if is_store(args.output) else npy_file(args.output)
    on_damaged: OnDamaged = "skip" if args.skip_damaged else "raise"
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        pairs = [find_pairs(source, args.visible, args.infrared, on_damaged) for source in args.sources]
        cutting = (pairs, args.size, args.stride, args.limit, on_damaged, sys.stderr.isatty())
        patches: PatchPairs | StreamedPatches
        if is_store(output):
            patches = StreamedPatches.write_grid(output, *cutting)
        else:
            patches = PatchPairs.grid(*cutting)
            patches.save(output)
    tell(f"{len(patches)} patches of {patches.facts['pairs']} pairs are in {output}")


def _show_warning(
    message: Warning | str, category: Any, filename: str, lineno: int, file: Any = None, line: str | None = None
) -> None:
    """As `warnings.showwarning`, without the place in the source."""
    warn(str(message))
