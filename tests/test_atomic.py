import pytest

from monai_fusion.atomic import write_beside
from monai_fusion.errors import OutputError


def test_whole_or_as_before(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    with write_beside(path) as unfinished:
        unfinished.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(RuntimeError), write_beside(path) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    with pytest.raises(OutputError, match=r"file\.txt: cannot be written"), write_beside(path) as unfinished:
        unfinished.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "first"
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), write_beside(tmp_path / "file" / "x") as unfinished:
        unfinished.write_text("")
