"""What the commands that talk to an archive share."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from monai_fusion.cli.terminal import tell, warn

if TYPE_CHECKING:
    from monai_fusion.archive.settings import ArchiveSettings

__all__ = ["ARCHIVE_HELP", "add_archive_options", "add_archives_file", "archive_settings", "send_and_tell"]

ARCHIVE_HELP = """\
ARCHIVE is a name in the file of archives, or an address: https://host:port/dicom-web, dimse://CALLED_AET@host:port, or
dimse-tls:// with TLS. Passwords and tokens are never written on a command line: docs/archive.md says where they go.
"""

_GIVEN = ("calling_aet", "listen", "retrieve", "ca_file", "client_certificate", "client_key", "timeout")


def add_archive_options(parser: argparse.ArgumentParser) -> Any:
    """Adds the options that go before the file of archives; returns their group."""
    group = parser.add_argument_group("how to reach the archive")
    add_archives_file(group)
    group.add_argument("--aet", dest="calling_aet", metavar="TITLE", help="our AE title (default: MONAIFUSION)")
    group.add_argument("--ca-file", metavar="PEM", help="authority that signed the archive's certificate")
    group.add_argument("--client-certificate", metavar="PEM", help="for archives that ask who calls")
    group.add_argument("--client-key", metavar="PEM", help="its key, without a password")
    group.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="for a connection and each answer (default: 30)"
    )
    return group


def add_archives_file(group: Any) -> None:
    group.add_argument(
        "--archives", metavar="FILE", help="file of archives (default: ~/.config/monai-fusion/archives.toml)"
    )


def archive_settings(archive: str, args: argparse.Namespace) -> ArchiveSettings:
    """The archive's settings; says what is not safe about them."""
    from monai_fusion.archive.settings import read_settings

    settings = read_settings(archive, args.archives, **{key: getattr(args, key, None) for key in _GIVEN})
    if settings.address.is_encrypted and not settings.verify:
        _warn(settings, "its certificate is not checked (verify = false)")
    if not settings.address.is_encrypted and (settings.password or settings.token):
        _warn(settings, "the password or token is sent without encryption; use https")
    return settings


def send_and_tell(settings: ArchiveSettings, results: str, quiet: bool) -> None:
    """Sends the results of a run, and says how many instances were stored."""
    from monai_fusion.archive.send import send

    sent = send(settings, results, progress=not quiet and sys.stderr.isatty())
    for remark, count in sent.remarks.items():
        _warn(settings, f"remarked on {count} instances: {remark}")
    if not quiet:
        there = sent.instances - sent.stored
        tell(f"sent {sent.stored} instances, {there} were there before; {settings.name} now lists all {sent.instances}")


def _warn(settings: ArchiveSettings, text: str) -> None:
    warn(f"{settings.name}: {text}")
