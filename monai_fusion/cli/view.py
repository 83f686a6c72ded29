"""`monai-fusion view`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_view"]


def add_view(commands: Any) -> None:
    view = commands.add_parser(
        "view",
        help="look at a pair in the browser",
        description="Starts the viewer on 127.0.0.1. Needs the viewer extra: pip install 'monai-fusion[viewer]'.",
    )
    view.add_argument("mri", metavar="MRI", nargs="?", type=Path, help="opened at the start; can be chosen there")
    view.add_argument("functional", metavar="FUNCTIONAL", nargs="?", type=Path)
    view.add_argument("--data-folder", metavar="DIR", type=Path, help="a folder whose images users may open")
    view.add_argument("--port", type=int, default=8501, help="(default: %(default)s)")
    view.add_argument("--no-browser", action="store_true", help="do not open a browser")
    view.set_defaults(command=_view)


def _view(args: argparse.Namespace) -> None:
    from monai_fusion.viewer.serve import serve
    from monai_fusion.viewer.service import Options

    serve(Options(args.mri, args.functional, args.data_folder), args.port, browser=not args.no_browser)
