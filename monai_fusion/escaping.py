"""Text from outside (headers, names, answers), made harmless for the place where it is shown.

For HTML that is `html.escape` of the standard library.
"""

from __future__ import annotations

__all__ = ["csv_cell", "markdown_cell", "printable"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # by which a spreadsheet knows what it computes (OWASP, CSV injection)


def printable(text: str) -> str:
    """Text for a terminal or a log, on one line: what is not printable is written as Python's escape (``\\x1b``).

    That is control characters, which could move the cursor, clear the screen or begin a line of their own, and
    characters that turn the direction of writing.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def csv_cell(value: object) -> object:
    """A cell of a CSV file: text that a spreadsheet would compute as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def markdown_cell(text: str) -> str:
    """A cell of a Markdown table: one line, with a backslash before what would be markup."""
    return "".join(f"\\{c}" if c in "\\`*[]<>#|$~&" else c for c in printable(text))
