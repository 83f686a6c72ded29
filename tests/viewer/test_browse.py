from __future__ import annotations

from pathlib import Path

import pytest

from monai_fusion.errors import InputError
from monai_fusion.viewer.browse import check_links, find_inside, subfolders


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "study" / "mri").mkdir(parents=True)
    (root / ".hidden").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("key")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "in").symlink_to(root / "study")
    return root


def test_shows_what_is_inside(root: Path) -> None:
    assert subfolders(root, "") == ["in", "study"]
    assert subfolders(root, "study") == ["mri"]
    assert find_inside(root, "in/mri") == root / "study" / "mri"


@pytest.mark.parametrize("path", ["..", "../secret", "out", "out/key", "/etc", "study/../../secret", "none", "a\0b"])
def test_nothing_outside(root: Path, path: str) -> None:
    with pytest.raises(InputError):
        find_inside(root, path)


def test_refuses_a_folder_with_a_link_that_leads_out(root: Path) -> None:
    check_links(root, root / "study")
    (root / "study" / "mri" / "1.dcm").symlink_to(root.parent / "secret" / "key")
    with pytest.raises(InputError, match=r"1\.dcm: a link that leads out"):
        check_links(root, root / "study")
