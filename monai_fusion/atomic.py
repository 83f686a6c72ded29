"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monai_fusion.errors import OutputError

__all__ = ["write_beside"]


@contextmanager
def write_beside(path: str | Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and renames it to `path` when the block ends without an error.

    The folder is made. Whatever fails, a file that was at `path` before stays as it was, and nothing is left beside it.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.unfinished-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # there is none, or no folder for it
            unfinished.unlink()
