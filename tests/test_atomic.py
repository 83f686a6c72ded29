import pytest

from monai_fusion.atomic import fill_beside, write_beside
from monai_fusion.errors import OutputError


def write(path, text, error=None):
    with write_beside(path) as unfinished:
        unfinished.write_text(text)
        if error is not None:
            raise error


def test_whole_or_as_before(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    write(path, "first")
    with pytest.raises(RuntimeError):
        write(path, "half", RuntimeError())
    with pytest.raises(OutputError, match=r"file\.txt: cannot be written"):
        write(path, "half", OSError(28, "No space left on device"))
    assert path.read_text() == "first"
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]
    write(path, "second")
    assert path.read_text() == "second"


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "file" / "x", "")


def fill(path, name, error=None):
    with fill_beside(path) as unfinished:
        assert unfinished.stat().st_mode & 0o077 == 0
        (unfinished / name).write_text("")
        if error is not None:
            raise error


def test_a_folder_is_whole_or_not_there(tmp_path):
    path = tmp_path / "folder"
    for error in (RuntimeError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            fill(path, "half", error)
        assert not any(tmp_path.iterdir())
    path.mkdir()
    fill(path, "whole")
    assert [each.name for each in path.iterdir()] == ["whole"]
    with pytest.raises(OutputError, match="is there already"):
        fill(path, "second")
    (tmp_path / "file").write_text("")
    for taken in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(OutputError):
            fill(taken, "x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]
