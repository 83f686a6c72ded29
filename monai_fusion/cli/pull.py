"""`monai-fusion pull`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from monai_fusion.cli.archive import ARCHIVE_HELP, add_archive_options, archive_settings
from monai_fusion.cli.terminal import tell
from monai_fusion.errors import InputError

if TYPE_CHECKING:
    from monai_fusion.archive.client import ArchivedSeries, ArchivedStudy

__all__ = ["add_pull"]

_DESCRIPTION = f"""\
Pulls a study from an archive (PACS) into a folder, whole or not at all.

{ARCHIVE_HELP}"""

_EPILOG = """\
what lies in FOLDER: SeriesInstanceUID/SOPInstanceUID.dcm, readable by you alone

examples:
  monai-fusion pull pacs --study 1.2.840.99999.1 --list
  monai-fusion pull pacs --study 1.2.840.99999.1 -o study
  monai-fusion pull pacs --accession 4711 --series MR --series PT -o study
  monai-fusion fuse study study -o out --send pacs

exit code: 0 done, 2 wrong usage, 3 no such study, or the archive cannot be asked or does not hold what it lists,
4 folder not written, 130 interrupted, 1 anything else. For research use only. Not for diagnostic use.
"""


def add_pull(commands: Any) -> None:
    pull = commands.add_parser(
        "pull",
        help="pull a study from an archive (PACS)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pull.add_argument("archive", metavar="ARCHIVE", help="name or address")
    pull.add_argument("-o", "--output", metavar="FOLDER", help="where to, not there yet or empty")
    which = pull.add_argument_group("which study (what is given must all match)")
    which.add_argument("--study", metavar="UID", help="StudyInstanceUID")
    which.add_argument("--accession", metavar="NUMBER", help="accession number")
    which.add_argument("--patient", metavar="ID", help="patient ID")
    which.add_argument("--date", metavar="DAY[-DAY]", help="study date, YYYYMMDD, or a range of them")
    which.add_argument(
        "--series", metavar="WHICH", action="append", default=[], help="SeriesInstanceUID or modality; may be repeated"
    )
    which.add_argument("--list", action="store_true", help="show the studies' series, pull nothing")
    how = add_archive_options(pull)
    how.add_argument(
        "--retrieve", choices=["get", "move"], help="DIMSE: C-GET or C-MOVE (default: C-GET, C-MOVE if refused)"
    )
    how.add_argument("--listen", metavar="HOST:PORT", help="where the archive sends the images of a C-MOVE")
    pull.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no summary")
    pull.set_defaults(command=_pull)


def _pull(args: argparse.Namespace) -> None:
    from monai_fusion.archive.pull import list_series, pull, study_keys

    keys = study_keys(args.study, args.accession, args.patient, args.date)
    if not args.list and args.output is None:
        raise InputError("where to? give --output FOLDER, or --list to look first")
    settings = archive_settings(args.archive, args)
    if args.list:
        for study, series in list_series(settings, keys):
            _tell(study, series)
        return
    pulled = pull(settings, keys, args.output, args.series, progress=not args.quiet and sys.stderr.isatty())
    if not args.quiet:
        tell(f"pulled {pulled.instances} instances in {pulled.series} series; they are in {args.output}")


def _tell(study: ArchivedStudy, series: list[ArchivedSeries]) -> None:
    tell(f"study {study.uid} {study.date}")
    rows = [("modality", "number", "instances", "SeriesInstanceUID", "description")]
    for one in series:
        rows.append((one.modality, one.number, "" if one.count is None else str(one.count), one.uid, one.description))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        tell("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
