from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from monai_fusion.errors import InputError
from monai_fusion.viewer import uploads
from monai_fusion.viewer.uploads import save_uploads


def zipped(files: dict[str, bytes], edit: object = None) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    stream.seek(0)
    return stream


def encrypted() -> io.BytesIO:
    """A zip whose entry says that it is encrypted: bit 0 of the flags, in both headers (APPNOTE 4.4.4)."""
    content = bytearray(zipped({"a.dcm": b"secret"}).getvalue())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return io.BytesIO(bytes(content))


def with_link() -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("passwd")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    stream.seek(0)
    return stream


def lying() -> io.BytesIO:
    """A zip whose directory says 10 bytes where a megabyte comes out."""
    content = bytearray(zipped({"a.dcm": bytes(1 << 20)}).getvalue())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    return io.BytesIO(bytes(content))


BAD = {
    "a path that leads out": (lambda: zipped({"../../evil.dcm": b"x"}), "leads out"),
    "a path with backslashes": (lambda: zipped({"..\\evil.dcm": b"x"}), "leads out"),
    "an absolute path": (lambda: zipped({"/etc/evil": b"x"}), "leads out"),
    "a drive": (lambda: zipped({"C:/evil": b"x"}), "leads out"),
    "a link": (with_link, "link"),
    "encrypted": (encrypted, "is encrypted"),
    "a bomb": (lambda: zipped({"a": bytes(300 << 20)}), "zip bomb"),
    "a lying directory": (lying, "damaged zip"),
    "cut short": (lambda: io.BytesIO(zipped({"a": bytes(range(256)) * 64}).getvalue()[30:]), "damaged zip"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    make, says = BAD[name]
    folder = tmp_path / "session" / "upload"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match=says) as error:
        save_uploads([("good.dcm", io.BytesIO(b"good")), ("study.zip", make())], folder)
    assert str(error.value).startswith("study.zip:")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_takes_files_and_zips(tmp_path: Path) -> None:
    files = [
        ("C:\\Users\\x\\1.dcm", io.BytesIO(b"one")),
        ("study.zip", zipped({"a/2.dcm": b"two", "b/": b"", "b/2.dcm": b"three"})),
    ]
    save_uploads(files, tmp_path)
    written = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"1.dcm": b"one", "study/a/2.dcm": b"two", "study/b/2.dcm": b"three"}


def test_takes_no_more_than_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_MAX_BYTES", 1000)
    with pytest.raises(InputError, match="larger than this viewer takes"):
        save_uploads([("1.dcm", io.BytesIO(bytes(600))), ("2.dcm", io.BytesIO(bytes(600)))], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two files of this name"):
        save_uploads([("1.dcm", io.BytesIO(b"a")), ("1.dcm", io.BytesIO(b"b"))], tmp_path)
    assert list(tmp_path.iterdir()) == []
