"""Buttons that fetch a file from `/export/…` and hand it over when it is whole: one Streamlit component.

Streamlit's own download button goes through its media store, which confuses large files (see `docs/viewer.md`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["downloads"]

_HERE = Path(__file__).parent


@functools.cache
def _component() -> Callable[..., Any]:
    texts = {name: (_HERE / f"downloads.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    return st.components.v2.component("monai_fusion_downloads", **texts)


def downloads(files: list[dict[str, Any]]) -> None:
    """A button a file.

    Args:
        files: ``label``, ``name`` of the file, and ``url``.
    """
    _component()(key="downloads", data={"files": files})
