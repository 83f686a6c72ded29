"""Files and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monai_fusion.errors import OutputError

__all__ = ["fill_beside", "write_beside"]


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


@contextmanager
def fill_beside(path: str | Path) -> Iterator[Path]:
    """Gives a private folder beside `path` to fill, and renames it to `path` when the block ends without an error.

    Raises:
        OutputError: it cannot be made, or there is something else than an empty folder at `path`.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"{path}: is there already; choose another folder, or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.unfinished-"))
    except OSError as error:
        raise OutputError(f"{path}: cannot be made ({error.strerror or error})") from error
    try:
        yield unfinished
        try:
            unfinished.rename(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be made ({error.strerror or error})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # there is none any more where all went well
