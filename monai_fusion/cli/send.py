"""`monai-fusion send`."""

from __future__ import annotations

import argparse
from typing import Any

from monai_fusion.cli.archive import ARCHIVE_HELP, add_archive_options, archive_settings, send_and_tell

__all__ = ["add_send"]

_DESCRIPTION = f"""\
Sends the DICOM objects of a fusion to an archive (PACS), and asks it afterwards whether it holds them all.

{ARCHIVE_HELP}"""

_EPILOG = """\
A second run sends what is missing and nothing twice.

examples:
  monai-fusion send out pacs
  monai-fusion send out dimse://ORTHANC@127.0.0.1:4242 --aet FUSION

exit code: 0 the archive lists every instance, 2 wrong usage, 3 no results to send, 4 not (all) stored,
130 interrupted, 1 anything else. For research use only. Not for diagnostic use.
"""


def add_send(commands: Any) -> None:
    send = commands.add_parser(
        "send",
        help="send results to an archive (PACS)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    send.add_argument("folder", metavar="FOLDER", help="output folder of a fusion; all DICOM below its dicom/ is sent")
    send.add_argument("archive", metavar="ARCHIVE", help="name or address")
    add_archive_options(send)
    send.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no summary")
    send.set_defaults(command=_send)


def _send(args: argparse.Namespace) -> None:
    send_and_tell(archive_settings(args.archive, args), args.folder, args.quiet)
