"""What a browser uploads, checked before it is unpacked: paths, links, encryption, count, size and ratio."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from monai_fusion.data.unpacking import is_bomb
from monai_fusion.errors import InputError

__all__ = ["save_uploads"]

_MAX_FILES = 50_000
_MAX_BYTES = 8 << 30  # of all files together, unpacked
_SPARE = 1 << 30  # of the disk's room, which an upload leaves
_BLOCK = 1 << 20
_LONGEST = 255  # bytes of a name, on most file systems


def save_uploads(uploads: Iterable[tuple[str, IO[bytes]]], folder: Path) -> None:
    """Writes uploaded files, and the files within uploaded zips, into a folder; after an error that is empty.

    Args:
        uploads: name and content of each file.
        folder: an empty folder of the session.

    Raises:
        InputError: a zip that is damaged, encrypted or not to be trusted, too much, or two files of one name.
    """
    room = min(_MAX_BYTES, shutil.disk_usage(folder).free - _SPARE)
    try:
        for name, stream in uploads:
            name = _plain(name)
            if zipfile.is_zipfile(stream):
                room -= _unpack(stream, name, folder / name, room)
            else:
                stream.seek(0)
                room -= _copy(stream, folder / name, name, room)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        raise


def _plain(name: str) -> str:
    """The last part of a name, as a browser may send the whole path; what is not printable becomes an underscore.

    A zip is unpacked into a folder of its own name, so that this is the only part of a path that an upload says.
    """
    plain = name.replace("\\", "/").rpartition("/")[2].strip()
    plain = "".join(sign if sign.isprintable() else "_" for sign in plain)
    if not plain.strip("."):
        raise InputError("the upload holds a file without a name; rename it and upload it again")
    if len(plain.encode()) > _LONGEST:
        raise InputError(f"{plain[:40]}...: its name is longer than {_LONGEST} bytes; rename it and upload it again")
    return plain


def _unpack(stream: IO[bytes], name: str, folder: Path, room: int) -> int:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = _trusted_members(archive, name, room)
            written = 0
            for info in members:
                with archive.open(info) as member:
                    written += _copy(member, folder / info.filename.replace("\\", "/"), name, room - written)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: a damaged zip file; pack or download it again, then upload it") from error
    return written


def _trusted_members(archive: zipfile.ZipFile, name: str, room: int) -> list[zipfile.ZipInfo]:
    """The files of a zip; refuses one that is not to be trusted, from its directory alone."""
    infos = archive.infolist()
    if len(infos) > _MAX_FILES:
        raise InputError(f"{name}: holds {len(infos)} files, more than {_MAX_FILES}; upload one study at a time")
    for info in infos:
        path = info.filename.replace("\\", "/")
        if path.startswith("/") or ".." in path.split("/") or ":" in path.split("/")[0]:
            raise InputError(f"{name}: holds a path that leads out of it; nothing was unpacked, pack it again")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"{name}: holds a link; nothing was unpacked, pack the files themselves")
        if info.flag_bits & 0x1:
            raise InputError(f"{name}: is encrypted; unpack it with its password and upload the files")
    members = [info for info in infos if not info.is_dir()]
    unpacked = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if is_bomb(packed, unpacked):
        raise InputError(
            f"{name}: {packed} bytes that unpack to {unpacked} look like a zip bomb; nothing was unpacked, "
            "upload the files themselves"
        )
    if unpacked > room:
        raise _too_large(name)
    return members


def _copy(stream: IO[bytes], path: Path, name: str, room: int) -> int:
    """Writes a file of `room` bytes at the most, whatever a zip's directory says of it; gives its size."""
    size = 0
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            while block := stream.read(_BLOCK):
                size += len(block)
                if size > room:
                    raise _too_large(name)
                file.write(block)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"{name}: there are two files of this name; upload them one after the other") from error
    return size


def _too_large(name: str) -> InputError:
    return InputError(f"{name}: is larger than this viewer takes ({_MAX_BYTES >> 30} GiB, or the disk is full)")
