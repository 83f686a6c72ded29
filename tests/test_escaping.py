from __future__ import annotations

import csv
import io

import pytest

from monai_fusion.escaping import csv_cell, markdown_cell, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("T1 MPRAGE, 1 mm", "T1 MPRAGE, 1 mm"),
        ("Müller, 山田, أحمد", "Müller, 山田, أحمد"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),  # clears the screen
        ("a\x9b2Jb", r"a\x9b2Jb"),  # so does this, in eight bits
        ("a\nmonai-fusion: all is well", r"a\nmonai-fusion: all is well"),
        ("a\rb\tc\x00\x7f", r"a\rb\tc\x00\x7f"),
        ("exe\u202egpj", r"exe\u202egpj"),  # turns the direction of writing
        ("a\u2028b\udcffc\U000e0041", r"a\u2028b\udcffc\U000e0041"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    assert shown.isprintable()


def test_no_cell_is_a_formula() -> None:
    cells = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a=1", "", -1.5, None]
    file = io.StringIO()
    csv.writer(file).writerow(map(csv_cell, cells))
    [row] = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert row == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "a=1", "", "-1.5", ""]


def test_no_cell_is_markup() -> None:
    assert markdown_cell("model_paper") == "model_paper"
    assert markdown_cell("a|b<i>*c*`d`[e](f)\n$g$") == r"a\|b\<i\>\*c\*\`d\`\[e\](f)\\n\$g\$"
