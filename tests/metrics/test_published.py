from __future__ import annotations

from pathlib import Path

import pytest

from monai_fusion.metrics import METRICS
from monai_fusion.metrics.published import PUBLISHED_TABLES, find_published


def test_every_number_is_that_of_the_paper(shared: Path) -> None:
    """Against the tables copied out of the paper: five data sets, seven methods, six numbers each."""
    lines = (shared / "paper" / "FACTS.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| | MSRS 361"))
    heads = [cell.strip() for cell in lines[start].split("|")[2:-1]]
    by_title = {f"{table.title} {table.pairs}": table for table in PUBLISHED_TABLES.values()}
    assert set(heads) == set(by_title)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start + 2 : start + 9]]
    assert {row[0] for row in rows} == set(PUBLISHED_TABLES["msrs"].rows)
    for method, *cells in rows:
        for head, cell in zip(heads, cells):
            expected = dict(zip(("SD", "SCD", "VIF", "Qabf", "SSIM_range2", "CC"), map(float, cell.split())))
            assert by_title[head].rows[method] == expected, (head, method)


def test_rows_are_whole() -> None:
    for table in PUBLISHED_TABLES.values():
        assert len(table.rows) == 7
        assert all(len(row) == 6 and set(row) < set(METRICS) for row in table.rows.values())
    assert PUBLISHED_TABLES["mri_pet"].rows["MMDRFuse"]["SD"] == 71.50


@pytest.mark.parametrize(
    ("folder", "title"),
    [("mri_pet", "MRI-PET"), ("MRI-SPECT test", "MRI-SPECT"), ("llvip12", "LLVIP"), ("msrs20", "MSRS"), ("pet", None)],
)
def test_found_by_the_beginning_of_the_name(folder: str, title: str | None) -> None:
    table = find_published(folder)
    assert (table.title if table else None) == title
