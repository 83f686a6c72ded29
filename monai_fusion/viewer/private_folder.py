"""The server's own temporary folder: nobody else can enter it, and it goes when the server does.

Everything that is uploaded or written lies below it. A server holds a lock on its folder; a folder whose lock is free
belonged to one that was killed, and is swept away by the next that starts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["PrivateFolder"]

_PREFIX = "monai-fusion-view-"
_LOCK = ".lock"


class PrivateFolder:
    """Made at once, mode 0700; the temporary files of all libraries go there too, until `remove`.

    Args:
        parent: where; the system's folder for temporary files by default.
    """

    def __init__(self, parent: str | Path | None = None) -> None:
        self._before = (tempfile.tempdir, os.environ.get("TMPDIR"))
        self._parent = Path(parent or tempfile.gettempdir())
        self.sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))  # mkdtemp gives 0700
        self._lock = _lock(self.path)
        spool = self.path / "tmp"
        spool.mkdir(mode=0o700)
        tempfile.tempdir = os.environ["TMPDIR"] = str(spool)

    def sweep(self) -> None:
        """Removes the folders that earlier servers of this user left behind."""
        for folder in self._parent.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                    continue
                lock = _lock(folder)
                if lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    lock.close()

    def new(self, name: str) -> Path:
        """A new folder below it for one session."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.path))

    def remove(self) -> None:
        """At the end of the server."""
        spool = str(self.path / "tmp")
        if tempfile.tempdir == spool:
            tempfile.tempdir, earlier = self._before
            if earlier is None:
                os.environ.pop("TMPDIR", None)
            else:
                os.environ["TMPDIR"] = earlier
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()


def _lock(folder: Path) -> IO[str] | None:
    """The folder's lock, or None if a living server has it. The operating system frees it when the process ends."""
    file = (folder / _LOCK).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
