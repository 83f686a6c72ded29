"""Files within a zip: the same as beside it, and no zip is trusted."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_fusion.data import unpacking, zip_file
from monai_fusion.data.source import hash_files
from monai_fusion.data.zip_file import is_zip, list_files, open_file, path_exists
from monai_fusion.errors import InputError


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def read(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read()


MEMBERS = {"a/1": bytes(range(256)) * 500, "a/2": b"two", "b/c/3": os.urandom(70_000)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_files_in_a_zip(method: int, tmp_path: Path) -> None:
    archive = pack(tmp_path / "s.zip", MEMBERS, method)
    assert is_zip(archive)
    files = list_files(archive)
    assert files == [archive / name for name in MEMBERS]
    assert [read(file) for file in files] == list(MEMBERS.values())
    assert list_files(archive / "a") == files[:2]
    assert path_exists(archive / "b")
    assert not path_exists(archive / "d")
    assert hash_files(files[1:2]) == hashlib.sha256(b"two").hexdigest()
    with open_file(files[0]) as file:  # as pydicom reads: forwards and back
        file.seek(100_000)
        assert file.read(3) == MEMBERS["a/1"][100_000:100_003]
        file.seek(-2, os.SEEK_CUR)
        assert file.read(2) == MEMBERS["a/1"][100_001:100_003]


def test_no_handle_is_kept(tmp_path: Path) -> None:
    archive = pack(tmp_path / "s.zip", MEMBERS)
    for file in list_files(archive):
        read(file)
    held = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert str(archive) not in held


def test_a_zip_that_changed_is_read_anew(tmp_path: Path) -> None:
    archive = pack(tmp_path / "s.zip", {"1": b"one"})
    assert read(archive / "1") == b"one"
    pack(archive, {"1": b"another", "2": b"two"})
    assert read(archive / "1") == b"another"
    assert len(list_files(archive)) == 2


def encrypted(path: Path) -> Path:
    pack(path, {"1": b"x"}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    return path


def link(path: Path) -> Path:
    info = zipfile.ZipInfo("1")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return path


def bomb(path: Path) -> Path:
    """Zeros, a thousand times as many as the zip has bytes."""
    return pack(path, dict.fromkeys("123456", bytes(1 << 21)))


def overlapping(path: Path) -> Path:
    """A directory that names one file many times over."""
    pack(path, {"1": os.urandom(100_000)}, zipfile.ZIP_STORED)
    content = path.read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = content[start:end]
    entries = b"".join(entry[:-1] + bytes([48 + number]) for number in range(9))
    tail = bytearray(content[end:])
    tail[8:12] = (9).to_bytes(2, "little") * 2
    tail[12:16] = len(entries).to_bytes(4, "little")
    path.write_bytes(content[:start] + entries + bytes(tail))
    return path


def doubled(path: Path) -> Path:
    pack(path, {"1": b"one", "2": b"two"})
    path.write_bytes(path.read_bytes().replace(b"2PK", b"1PK"))
    content = path.read_bytes()
    path.write_bytes(content)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(pack(path, MEMBERS).read_bytes()[:-50])
    return path


UNTRUSTED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "up": (lambda p: pack(p, {"../1": b""}), "leads out of it"),
    "absolute": (lambda p: pack(p, {"/etc/1": b""}), "leads out of it"),
    "drive": (lambda p: pack(p, {"c:/1": b""}), "leads out of it"),
    "backslashes": (lambda p: pack(p, {"a\\..\\1": b""}), "leads out of it"),
    "link": (link, "holds a link"),
    "encrypted": (encrypted, "is encrypted"),
    "bomb": (bomb, "not to be trusted"),
    "overlapping": (overlapping, "not to be trusted"),
    "doubled": (doubled, "two files called"),
    "cut": (cut, "not a zip that can be read"),
}


@pytest.mark.parametrize(("make", "says"), UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_refused(make: Callable[[Path], Path], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_COUNTS_FROM", 10 << 20)
    archive = make(tmp_path / "s.zip")
    for use in (list_files, lambda path: read(path / "1")):
        with pytest.raises(InputError, match=says):
            use(archive)
    assert [path.name for path in tmp_path.iterdir()] == ["s.zip"]


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_file, "_MAX_MEMBERS", 2)
    with pytest.raises(InputError, match="holds 3 files"):
        list_files(pack(tmp_path / "s.zip", MEMBERS))


def test_damaged_content(tmp_path: Path) -> None:
    archive = pack(tmp_path / "s.zip", {"1": os.urandom(1000)}, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[500] ^= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"s.zip/1: cannot be read \(Bad CRC"):
        read(archive / "1")


@pytest.mark.parametrize("name", ["s.zip/none", "none/1", "none.zip"])
def test_missing(name: str, tmp_path: Path) -> None:
    pack(tmp_path / "s.zip", MEMBERS)
    with pytest.raises(InputError, match=name):
        read(tmp_path / name)
