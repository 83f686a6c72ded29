"""What every part of the page needs: its session, its looks, and a guard that keeps exceptions from Streamlit's log."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from monai_fusion.errors import FusionError
from monai_fusion.viewer.private_log import log_error, place_of
from monai_fusion.viewer.service import current_service
from monai_fusion.viewer.session import Session

__all__ = ["dress", "guarded", "show_error", "show_table", "show_text", "this_session"]

_SHORT = 20  # characters of a cell


def this_session() -> Session:
    """The session of this browser tab."""
    context = get_script_run_ctx()
    assert context is not None
    return current_service().session(context.session_id)


def dress() -> None:
    """Takes Streamlit's furniture away: the page is the station's."""
    st.html(f"<style>{Path(__file__).with_name('page.css').read_text(encoding='utf-8')}</style>")


def show_text(text: str) -> None:
    """A line of text from a header, a name or a message, as it is: most of what Streamlit shows it takes for Markdown,
    with links, icons and formulas."""
    st.html(f'<p class="plain">{html.escape(text)}</p>')


def show_error(text: str) -> None:
    """A sentence about what went wrong, as `show_text`."""
    st.html(f'<p class="refused" role="alert" data-testid="refused">{html.escape(text)}</p>')


def show_table(rows: Sequence[Mapping[str, str]], heading: bool = True) -> None:
    """A table of text, as `show_text`.

    Args:
        rows: what stands below each heading.
        heading: show the headings.
    """
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in rows[0])
    head = f"<thead><tr>{head}</tr></thead>" if heading else ""
    body = "".join(f"<tr>{''.join(map(_cell, row.values()))}</tr>" for row in rows)
    st.html(f'<div class="table"><table class="plain">{head}<tbody>{body}</tbody></table></div>')


def _cell(text: str) -> str:
    """A date, a size or a name is not broken into lines."""
    return f"<td{' class=short' if len(text) <= _SHORT else ''}>{html.escape(text)}</td>"


def guarded(part: Callable[[], None]) -> Callable[[], None]:
    """A part of the page, or a callback: what goes wrong in it becomes a sentence.

    Streamlit logs the text of what it is not spared, and that may hold patient data.
    """

    @functools.wraps(part)
    def run() -> None:
        try:
            part()
        except FusionError as error:
            show_error(this_session().plain(str(error)))
        except Exception as error:
            log_error(error)
            show_error(f"Something went wrong ({place_of(error)}). Nothing was changed.")

    return run
