"""Files that lie in a folder or within a zip, under one kind of name: ``/x/study.zip/sub/0001.dcm``.

Nothing is extracted, so there is nothing to leave behind on the disk. Needs the standard library alone.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from monai_fusion.data.unpacking import is_bomb
from monai_fusion.errors import InputError

__all__ = ["is_zip", "list_files", "open_file", "path_exists", "size_of", "stamp_of"]

_MAX_MEMBERS = 500_000
_MAX_MEMBER_BYTES = 4 << 30  # no element of a DICOM file is longer
_MAX_TOTAL_BYTES = 256 << 30
_BUFFER = 1 << 16
#: What macOS adds to a folder or a zip: no images, though named like them.
_MAC_FOLDER, _MAC_FILE = "__MACOSX", "._"


class _Reopened(io.RawIOBase):
    """A file that is open only while it is read: no handle is kept, nor shared with a forked process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._size, self._position = path, path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("seek before the start of the file")
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._position)
            data = file.read(self._size if size is None or size < 0 else size)
        self._position += len(data)
        return data


@lru_cache(maxsize=4)
def _open_zip(path: Path, stamp: tuple[int, int, int]) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """A zip and its files by their plain names, checked before anything is unpacked; once for each state of the file.

    Raises:
        InputError: damaged, encrypted, or not to be trusted.
    """
    try:
        archive = zipfile.ZipFile(_Reopened(path))
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: not a zip that can be read ({error}); pack or copy it again") from error
    infos = archive.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise InputError(f"{path}: holds {len(infos)} files, more than {_MAX_MEMBERS}; unpack what you need from it")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in parts[0]:
            raise InputError(f"{path}: holds a name that leads out of it ({info.filename!r}); pack it again")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"{path}: holds a link ({info.filename!r}); pack the files themselves")
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            raise InputError(f"{path}: is encrypted; unpack it with its password first")
        if info.file_size > _MAX_MEMBER_BYTES:
            raise InputError(f"{path}: {info.filename!r} unpacks to more than 4 GiB; unpack it if you trust it")
        name = PurePosixPath(info.filename).as_posix()
        if name == ".":
            raise InputError(f"{path}: holds a file without a name; pack it again")
        if name in members:
            raise InputError(f"{path}: holds two files called {name!r}; pack it again")
        members[name] = info
    unpacked = sum(info.file_size for info in members.values())
    packed = sum(info.compress_size for info in members.values())
    if is_bomb(packed, unpacked) or unpacked > _MAX_TOTAL_BYTES or packed > stamp[2]:
        raise InputError(
            f"{path}: {packed} bytes that unpack to {unpacked} are not to be trusted; unpack it yourself if you do"
        )
    return archive, members


def _zip_at(path: Path) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    return _open_zip(path, stamp_of(path))


def _split(path: Path) -> tuple[Path, str]:
    """A path and the zip in it: ``(zip, name within it)``, ``(path, "")`` where there is none."""
    if not os.path.lexists(path):
        for parent in path.parents:
            if parent.is_file():
                return parent, path.relative_to(parent).as_posix()
            if parent.is_dir():
                break
    return path, ""


def is_zip(path: Path) -> bool:
    """Whether a file is a zip, by its first bytes; a DICOM file may begin with anything, but is no zip."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return False
    return start[:4] in (b"PK\x03\x04", b"PK\x05\x06") and start[128:] != b"DICM"


def path_exists(path: Path) -> bool:
    """As `os.path.exists`, also for a file or folder within a zip."""
    archive, name = _split(path)
    if not name:
        return os.path.exists(path)
    return is_zip(archive) and any(m == name or m.startswith(f"{name}/") for m in _zip_at(archive)[1])


def stamp_of(path: Path) -> tuple[int, int, int]:
    """What changes when a file does: of a file within a zip, that of the zip.

    Raises:
        InputError: it is not there.
    """
    try:
        state = _split(path)[0].stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size


def size_of(path: Path) -> int:
    """Bytes of a file; of one within a zip what it unpacks to, by the zip's directory.

    Raises:
        InputError: it is not there, or the zip is damaged.
    """
    archive, name = _split(path)
    members = _zip_at(archive)[1] if name else {}
    return members[name].file_size if name in members else stamp_of(path)[2]


def list_files(path: Path) -> list[Path]:
    """All files below a folder, of a zip, or of a folder within a zip, sorted; a single file as it is.

    Raises:
        InputError: a folder or zip that cannot be read.
    """
    archive, name = _split(path)
    if name or is_zip(path):
        members = _zip_at(archive)[1]
        files = [archive / m for m in members if not name or m == name or m.startswith(f"{name}/")]
    elif path.is_dir():
        try:
            files = [Path(folder, file) for folder, _, names in os.walk(path, onerror=_raise) for file in names]
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error
    else:
        return [path]
    return sorted(f for f in files if not f.name.startswith(_MAC_FILE) and _MAC_FOLDER not in f.parts)


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def open_file(file: str | Path) -> Iterator[IO[bytes]]:
    """Opens a file to read, also one within a zip.

    Raises:
        InputError: it is not there or cannot be read, or the zip is damaged.
    """
    file = Path(file)
    archive, name = _split(file)
    try:
        if not name:
            with file.open("rb") as stream:
                yield stream
            return
        opened, members = _zip_at(archive)
        if name not in members:
            raise InputError(f"{file}: there is no such file in the zip; check its name")
        with opened.open(members[name]) as member, io.BufferedReader(member, _BUFFER) as buffered:  # type: ignore[type-var]
            yield buffered
    except (OSError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file}: cannot be read ({reason}); copy it again") from error
