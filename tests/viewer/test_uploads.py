from __future__ import annotations

import io
from pathlib import Path

import pytest
from bad_uploads import BAD_ZIPS, zipped

from monai_fusion.errors import InputError
from monai_fusion.viewer import uploads
from monai_fusion.viewer.uploads import save_uploads


@pytest.mark.parametrize("name", BAD_ZIPS)
def test_refuses_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    make, says = BAD_ZIPS[name]
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
    assert written == {"1.dcm": b"one", "study.zip/a/2.dcm": b"two", "study.zip/b/2.dcm": b"three"}


def test_takes_no_more_than_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_MAX_BYTES", 1000)
    with pytest.raises(InputError, match="larger than this viewer takes"):
        save_uploads([("1.dcm", io.BytesIO(bytes(600))), ("2.dcm", io.BytesIO(bytes(600)))], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two files of this name"):
        save_uploads([("1.dcm", io.BytesIO(b"a")), ("1.dcm", io.BytesIO(b"b"))], tmp_path)
    assert list(tmp_path.iterdir()) == []
