"""The page of the station's tests: the component, widgets that take the focus away, and the state that Python hears."""

from __future__ import annotations

import json
import sys

import streamlit as st

from monai_fusion.shipped import shipped

if str(shipped("apps", "viewer")) not in sys.path:
    sys.path.insert(0, str(shipped("apps", "viewer")))

from station import station
from station_scene import AGAIN
from station_server import SHOWN, measure

st.set_page_config(layout="wide")
st.html(
    "<style>header, footer {display: none} .stMainBlockContainer {padding: 0} "
    ".stMainBlockContainer > div {gap: 0}</style>"
)
runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
kept = st.session_state.get("station")
rois = [measure(SHOWN, roi) for roi in (kept.rois if kept else [])]
facts = {**SHOWN.facts, "rois": rois, **json.loads(st.query_params.get("changes", "{}"))}
if "broken" in st.query_params:
    name = st.query_params["broken"]
    facts["volumes"] = {**facts["volumes"], name: {**facts["volumes"][name], "url": "/vol/unknown"}}
if "functional" in st.query_params:
    changed = {**facts["volumes"]["functional"], **json.loads(st.query_params["functional"])}
    facts["volumes"] = {**facts["volumes"], "functional": changed}
if st.session_state.get("fused again"):
    again = {**facts["volumes"]["fused"], "url": f"/vol/{AGAIN}"}
    facts |= {"id": "again", "volumes": {**facts["volumes"], "fused": again}}
state = station(facts, key="station")
request = dict(state).get("request") or st.session_state.get("request")
st.session_state["request"] = request
if "widgets" in st.query_params:
    with st.sidebar:
        st.button("A button")
        st.checkbox("Fuse again", key="fused again")
        st.selectbox("A list", ["one", "two"])
        st.text_input("A field")
        st.html(f'<pre data-testid="heard">{json.dumps({**dict(state), "request": request, "runs": runs})}</pre>')
