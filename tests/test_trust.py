"""What is run or unpickled of a file from elsewhere: nothing, or it is said."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from monai_fusion.cli.common import warn_of_bundle

ROOT = Path(__file__).resolve().parents[1]
#: What may run code that a file names, by the last part of its name, and what makes it safe.
UNSAFE = {
    "torch.load": ("weights_only", True),
    "load_state_dict_from_url": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
FORBIDDEN = ("pickle.load", "pickle.loads", "joblib.load", "yaml.load", "eval", "exec", "os.system")
FOLDERS = ("monai_fusion", "apps", "benchmarks", "bundles")


def calls(source: str) -> list[tuple[str, dict[str, object], int]]:
    """All calls of a module: the name as written, keyword arguments that are constants, line."""
    return [
        (
            ast.unparse(node.func),
            {k.arg or "**": k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)},
            node.lineno,
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
    ]


def unsafe(source: str) -> list[int]:
    """The lines that would run what a file names."""
    found = []
    for name, keywords, line in calls(source):
        for ending, (keyword, value) in UNSAFE.items():
            if (name == ending or name.endswith(f".{ending}")) and keywords.get(keyword) is not value:
                found.append(line)
        if name in FORBIDDEN:
            found.append(line)
    return found


def test_nothing_unpickles() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 150
    assert {str(file.relative_to(ROOT)): lines for file in files if (lines := unsafe(file.read_text()))} == {}


def test_what_would_unpickle_is_found() -> None:
    for line in ("torch.load(p)", "torch.load(p, weights_only=False)", "torch.hub.load_state_dict_from_url(u)"):
        assert unsafe(f"\n{line}\n") == [2]
    for line in ("np.load(p)", "x = pickle.loads(b)", "eval(text)", "torch.load(p, weights_only=flag)"):
        assert unsafe(f"\n{line}\n") == [2]
    assert unsafe("torch.load(p, weights_only=True); np.load(p, allow_pickle=False); network.eval()") == []


def test_a_bundle_from_elsewhere_is_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_bundle(None)
    assert capsys.readouterr().err == ""
    warn_of_bundle(str(tmp_path))
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {tmp_path}: the configuration of a bundle runs any Python")
