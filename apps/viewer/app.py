"""The viewer's page, started by `monai-fusion view`: opening two images, then the reading station with its menu.

It has no pipeline of its own: everything it does is in `monai_fusion.viewer`, and what that does runs the bundle.
"""

from __future__ import annotations

import streamlit as st
from looking import look
from opening import choose, show_progress
from page import dress, guarded, this_session


@guarded
def main() -> None:
    session = this_session()
    session.settle()
    if session.job is not None:
        show_progress()
    elif session.case is not None:
        look()
    else:
        choose()


st.set_page_config(page_title="monai-fusion", layout="wide")
dress()
main()
