"""`monai-fusion inspect`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from monai_fusion.cli.terminal import tell

__all__ = ["add_inspect"]

_DESCRIPTION = """\
Lists the DICOM series below a folder, in a zip or of files, and says which pair `monai-fusion fuse` would take of them.
Reads headers alone and writes nothing. What a note means: docs/dicom.md.
"""

_EPILOG = """\
frame: series with the same letter are in one frame of reference, so that their coordinates agree.

examples:
  monai-fusion inspect study/
  monai-fusion inspect study.zip --json | python -m json.tool

exit code: 0 done (whether there is a pair or not), 2 wrong usage, 3 input refused, 130 interrupted, 1 anything else.
For research use only. Not for diagnostic use.
"""


def add_inspect(commands: Any) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="list the series of a study and the pair that would be fused",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inspect.add_argument("path", metavar="PATH", nargs="+", help="DICOM folder, zip, or files")
    inspect.add_argument("--json", action="store_true", help="machine-readable, as docs/dicom.md describes it")
    inspect.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    inspect.set_defaults(command=_inspect)


def _inspect(args: argparse.Namespace) -> None:
    from monai_fusion.data.dicom_index import find_series
    from monai_fusion.data.dicom_inspection import format_inspection, inspect_series
    from monai_fusion.data.zip_file import path_exists
    from monai_fusion.errors import InputError

    paths = [Path(path) for path in args.path]
    for path in paths:
        if not path_exists(path):
            raise InputError(f"{path}: there is no such file or folder; check the path")
    facts = inspect_series(find_series(paths, progress=not args.quiet and sys.stderr.isatty()))
    tell(*(json.dumps(facts, indent=2).split("\n") if args.json else format_inspection(facts)))
