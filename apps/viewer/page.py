"""What every part of the page needs: its session, its looks, and a guard that keeps exceptions from Streamlit's log."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from monai_fusion.errors import FusionError
from monai_fusion.viewer.private_log import log_error, place_of
from monai_fusion.viewer.service import current_service
from monai_fusion.viewer.session import Session

__all__ = ["dress", "guarded", "this_session"]


def this_session() -> Session:
    """The session of this browser tab."""
    context = get_script_run_ctx()
    assert context is not None
    return current_service().session(context.session_id)


def dress() -> None:
    """Takes Streamlit's furniture away: the page is the station's."""
    st.html(f"<style>{Path(__file__).with_name('page.css').read_text(encoding='utf-8')}</style>")


def guarded(part: Callable[[], None]) -> Callable[[], None]:
    """A part of the page, or a callback: what goes wrong in it becomes a sentence.

    Streamlit logs the text of what it is not spared, and that may hold patient data.
    """

    @functools.wraps(part)
    def run() -> None:
        try:
            part()
        except FusionError as error:
            st.error(this_session().plain(str(error)))
        except Exception as error:
            log_error(error)
            st.error(f"Something went wrong ({place_of(error)}). Nothing was changed.")

    return run
