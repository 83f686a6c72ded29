"""The page of an open pair: a menu in one line, and the reading station below it."""

from __future__ import annotations

from typing import Any

import streamlit as st
from downloads import downloads
from page import guarded, show_error, show_table, show_text, this_session
from station import station

from monai_fusion.viewer import actions
from monai_fusion.viewer.corrections import CORRECTIONS, are_possible, check_corrections
from monai_fusion.viewer.measure import table
from monai_fusion.viewer.nudge import REACH_DEGREES, REACH_MM, Nudge
from monai_fusion.viewer.page_state import read_page_state, read_request
from monai_fusion.viewer.provenance import provenance
from monai_fusion.viewer.slice_metrics import slice_metrics

__all__ = ["look"]

#: Columns of the table of measurements, and what the page calls them.
_MEASURED = {
    "id": "", "kind": "Kind", "radius_mm": "Radius, mm", "volume_ml": "Volume, ml", "length_mm": "Length, mm",
    "functional_mean": "{functional} mean", "functional_max": "{functional} max",
    "functional_peak": "{functional} peak", "mri_mean": "{mri} mean", "mri_max": "{mri} max",
}  # fmt: skip
_SHIFTS = {"right": "Right (+) or left, mm", "front": "Front (+) or back, mm", "up": "Up (+) or down, mm"}
_TURNS = {"pitch": "Nod, degrees", "roll": "Tilt, degrees", "yaw": "Turn, degrees"}


@st.fragment
@guarded
def look() -> None:
    """Runs again whenever the station reports something; the rest of the page does not."""
    session = this_session()
    case, scene = session.case, session.scene
    if case is None or scene is None:
        st.rerun()
    key = f"station-{session.opened}"
    state = read_page_state(st.session_state.get(key) or {})
    restored = scene.data["restore"] or {}
    look = {name: value or restored.get(name) for name, value in state.items()}
    look["rois"] = actions.measured(case, look["rois"] or [])
    look["distances"] = actions.lengths(look["distances"] or [])
    look["crosshair"] = look["crosshair"] or [n // 2 for n in case.grid.shape]
    session.look = look
    scene.data["rois"] = look["rois"]
    _menu()
    if session.error:
        show_error(session.error)
    heard = station(scene.data, key=key)
    request = read_request(heard.request)
    if request is not None and request.type == "refuse_window" and request.windows is not None:
        actions.fuse_with_windows(session, request.windows.model_dump(exclude_none=True))
        st.rerun()
    if request is not None and request.type == "scroll_video":
        st.toast("This browser records no video. Keep has the scroll as an animated PNG.")


def _menu() -> None:
    session = this_session()
    with st.container(key="menu", horizontal=True):
        st.html('<span class="menu-name">monai-fusion</span>')
        if st.button("Open another", key="another"):
            session.forget()
            st.rerun()
        with st.popover("Keep", key="keep"):
            _keep()
        with st.popover("Measurements", key="measurements"), st.container(key="measurements-panel"):
            _measurements()
        with st.popover("This slice", key="slice"):
            _slice()
        with st.popover("Position", key="position"), st.container(key="position-panel"):
            _position()
        assert session.case is not None
        if are_possible(session.case.choice.functional.modality):
            with st.popover("Dose and weight", key="dose"):
                _corrections()
        with st.popover("Provenance", key="provenance"):
            _provenance()


def _keep() -> None:
    st.caption("Each file is made when it is asked for, and handed over whole.")
    downloads([{"label": kept.label, "name": kept.content.name, "url": url} for kept, url in this_session().kept])


def _measurements() -> None:
    session = this_session()
    look, scene = session.look, session.scene
    assert scene is not None
    rows = table(look["rois"], look["distances"])
    if not rows:
        st.caption("Nothing is measured yet: O draws a region, D a distance.")
        return
    names, unit = scene.data["names"], scene.data["volumes"]["functional"]["unit"]
    shown = {name: label.format(**names) for name, label in _MEASURED.items()}
    measured_in = f", {names['functional']} in {unit}" if unit else ""
    show_table([{label: _text(row[name]) for name, label in shown.items()} for row in rows])
    show_text(
        f"From the sources' own voxels{measured_in}. "
        "Peak: highest mean over 1 cm³. The CSV file in Keep has the places too."
    )


def _slice() -> None:
    session = this_session()
    assert session.case is not None
    layout = session.look["layout"] or {}
    plane = layout.get("plane") or "axial"
    st.caption(f"Metrics of the fused {plane} slice at the crosshair, against both sources as the network saw them.")
    if st.button("Compute", key="metrics"):
        measured = slice_metrics(session.case, plane, session.look["crosshair"])
        show_table([{"metric": name, "value": f"{value:.3f}"} for name, value in measured.items()])


def _position() -> None:
    """Six sliders; nothing moves until it is asked for."""
    session = this_session()
    case, scene = session.case, session.scene
    assert case is not None
    assert scene is not None
    registration = scene.data["registration"]
    if registration["verdict"] != "none":  # the panel hides the chip that says so
        st.markdown(f"**Registration {registration['verdict']}**")
    show_text(registration["text"])
    with st.form("nudge", border=False):
        now = case.choice.nudge
        values = {}
        for column, names, reach in zip(st.columns(2), (_SHIFTS, _TURNS), (REACH_MM, REACH_DEGREES)):
            for name, label in names.items():
                values[name] = column.slider(
                    label, -reach, reach, float(getattr(now, name)), 0.5, "%.1f", key=f"nudge-{name}"
                )
        first, second = st.columns([5, 7])
        moved = first.form_submit_button("Move and fuse again", width="stretch")
        restarted = second.form_submit_button("Move, and register from there", width="stretch")
        if moved or restarted:
            actions.move_by_hand(session, Nudge(**values), restart=restarted)
            st.rerun()
    if registration["matrix_lps"]:
        with st.expander("Transform, MRI to functional image (LPS, mm)"):
            matrix = registration["matrix_lps"]
            show_table([{str(i): f"{value:.4f}" for i, value in enumerate(row)} for row in matrix], heading=False)


def _corrections() -> None:
    session = this_session()
    assert session.case is not None
    now = session.case.choice.corrections
    st.caption("In the place of the header's values; marked as edited in the page and in the report.")
    with st.form("corrections", border=False):
        texts = {
            name: st.text_input(label, str(now.get(name, "")), key=f"correct-{name}")
            for name, label in CORRECTIONS.items()
        }
        if st.form_submit_button("Apply"):
            actions.with_corrections(session, check_corrections(texts))
            st.rerun()


def _provenance() -> None:
    session = this_session()
    assert session.case is not None
    with st.container(key="facts"):
        for title, rows in provenance(session.case).items():
            st.markdown(f"**{title}**")
            show_table([{"name": name, "value": value} for name, value in rows.items()], heading=False)
    with st.expander("The whole report"):
        st.json(session.case.result.report, expanded=False)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
