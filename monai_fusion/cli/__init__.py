"""The command line, a file a command. Thin: the bundle does everything."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import monai_fusion
from monai_fusion.cli.cohort import add_cohort
from monai_fusion.cli.demo import add_demo
from monai_fusion.cli.evaluate import add_evaluate
from monai_fusion.cli.fuse import add_fuse
from monai_fusion.cli.inspect import add_inspect
from monai_fusion.cli.prepare import add_prepare
from monai_fusion.cli.pull import add_pull
from monai_fusion.cli.send import add_send
from monai_fusion.cli.terminal import tell
from monai_fusion.cli.view import add_view
from monai_fusion.errors import FusionError, InputError, OutputError
from monai_fusion.escaping import printable

__all__ = ["main"]

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
        tell("monai-fusion: interrupted, nothing unfinished was left", stream=sys.stderr)
        return _EXIT_INTERRUPTED
    return code or 0


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """A polite kill ends as Ctrl-C does: half-written results are removed."""
    raise KeyboardInterrupt


def _complain(error: Exception, code: int) -> int:
    tell(f"monai-fusion: {error}", stream=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with an option on one line: its value may be the name of a file."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="monai-fusion",
        description="Fuses MRI with PET or SPECT by the MMDRFuse student. For research use only.",
    )
    parser.add_argument("--version", action="version", version=monai_fusion.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (add_fuse, add_cohort, add_inspect, add_pull, add_send, add_evaluate, add_demo, add_view, add_prepare):
        add(commands)
    return parser
