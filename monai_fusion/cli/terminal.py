"""The one place where commands write to the terminal: what they say may quote headers and names from outside."""

from __future__ import annotations

import sys
from typing import TextIO

from monai_fusion.escaping import printable

__all__ = ["tell", "warn"]


def tell(*lines: str, stream: TextIO | None = None) -> None:
    """Prints lines; what a terminal would obey, or cannot show, is an escape; so is the end of a line within one.

    Args:
        lines: each on one line.
        stream: standard output by default.
    """
    stream = sys.stdout if stream is None else stream
    text = "\n".join(map(printable, lines))
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def warn(text: str) -> None:
    """Prints a warning to standard error."""
    tell(f"warning: {text}", stream=sys.stderr)
