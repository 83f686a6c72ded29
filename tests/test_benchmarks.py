"""A benchmark or a script that no longer runs is found before it is needed."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "bundles").rglob("*.py")]


@pytest.mark.parametrize("file", sorted(FILES), ids=lambda file: file.stem)
def test_what_it_imports_of_the_package_is_there(file: Path) -> None:
    """Within functions too."""
    missing = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "monai_fusion":
            module = importlib.import_module(str(node.module))
            names = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            missing += [f"{node.module}.{name}" for name in names if not _is_module(f"{node.module}.{name}")]
    assert missing == []


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
