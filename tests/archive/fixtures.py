"""Fixtures that the archive's tests import: pytest would take a conftest here for the one of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from patient import Study, write_results, write_study

__all__ = ["at_once", "results", "study"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts."""
    for module in ("client", "send"):
        monkeypatch.setattr(f"monai_fusion.archive.{module}.WAITS", (0.01, 0.01))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def results(study: Study, tmp_path: Path) -> Path:
    return write_results(tmp_path / "results", study)
