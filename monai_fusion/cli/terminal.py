"""The one place where commands write to the terminal: what they say may quote headers and names from outside."""

from __future__ import annotations

import sys
from typing import TextIO

from monai_fusion.escaping import printable

__all__ = ["tell", "warn"]


def tell(text: str, stream: TextIO | None = None) -> None:
    """Prints lines; what a terminal would obey, or cannot show, is written as an escape.

    Args:
        text: lines, separated by ``"\\n"``.
        stream: standard output by default.
    """
    stream = sys.stdout if stream is None else stream
    lines = "\n".join(map(printable, text.split("\n")))
    encoding = stream.encoding or "utf-8"
    print(lines.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def warn(text: str) -> None:
    """Prints a warning to standard error."""
    tell(f"warning: {text}", sys.stderr)
