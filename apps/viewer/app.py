"""A first viewer: choose two images on this machine, fuse them by the bundle, look at them slice by slice.

Started by `monai-fusion view`, which keeps it on 127.0.0.1. It has no pipeline of its own: `monai_fusion.fuse` runs the
bundle, and `SlicePlan` turns the slices.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import streamlit as st
import torch
from PIL import Image

from monai_fusion import FusionResult, fuse
from monai_fusion.errors import FusionError
from monai_fusion.slices import AXES, SlicePlan
from monai_fusion.transforms import COLOR_MAPS

NOTICE = "For research use only. Not for diagnostic use."


def panes(result: FusionResult) -> dict[str, np.ndarray]:
    """Label and image, ``(C, ...)`` uint8, C 1 or 3."""
    grey = {"MRI": result.sources["mri"], "PET or SPECT": result.sources["functional"], "Fused": result.fused}
    shown = {label: np.round(image[None] * 255).astype(np.uint8) for label, image in grey.items()}
    return {**shown, "Fused, colour": np.moveaxis(result.color, -1, 0)}


def as_displayed(image: np.ndarray, plan: SlicePlan, k: int, affine: np.ndarray) -> Image.Image:
    """Slice `k` in the radiologist's orientation, with square pixels."""
    tile = plan.take(torch.from_numpy(np.ascontiguousarray(image)), k, k + 1)[0].permute(1, 2, 0).numpy()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    finest = min(spacing[plan.rows], spacing[plan.columns])
    size = (round(tile.shape[1] * spacing[plan.columns] / finest), round(tile.shape[0] * spacing[plan.rows] / finest))
    return Image.fromarray(np.broadcast_to(tile, (*tile.shape[:2], 3)).copy()).resize(size, Image.Resampling.BICUBIC)


def choose() -> None:
    """The sidebar: which images, and how; keeps the result in the session."""
    given = [*sys.argv[1:], "", ""]
    with st.sidebar.form("choice"):
        mri = st.text_input("MRI", given[0], help="NIfTI file, DICOM folder or picture on this machine")
        functional = st.text_input("PET or SPECT", given[1])
        transform = st.text_input("Transform, optional", help="ITK .tfm or .h5 of a registration, MRI to PET or SPECT")
        color_map = st.selectbox("Colour of the uptake", COLOR_MAPS, index=COLOR_MAPS.index("rainbow"))
        if not st.form_submit_button("Fuse"):
            return
    st.session_state.pop("result", None)
    how = {"color_map": color_map, "functional_transform": str(Path(transform).expanduser()) if transform else None}
    try:
        with st.spinner("Reading and fusing"):
            st.session_state["result"] = fuse(Path(mri).expanduser(), Path(functional).expanduser(), **how)
    except FusionError as error:
        st.error(str(error))
    except Exception as error:  # an exception's text may hold patient data, and Streamlit logs what it is not spared
        st.error(f"Something went wrong ({type(error).__name__}). The images were not fused.")


def show(result: FusionResult) -> None:
    """The four images, one slice at a time, and what the report warns of."""
    for warning in result.report["warnings"]:
        st.warning(warning)
    if result.fused.ndim == 2:
        for column, (label, image) in zip(st.columns(4), panes(result).items()):
            column.image(
                np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1), caption=label, width="stretch"
            )
    else:
        name = st.segmented_control("Plane", list(AXES), default="axial") or "axial"
        plan = SlicePlan.for_volume(result.affine, name)
        count = result.fused.shape[plan.axis]
        k = st.slider("Slice", 0, count - 1, count // 2, key=f"slice {name}")
        left, right, top, bottom = plan.letters(result.affine)
        for column, (label, image) in zip(st.columns(4), panes(result).items()):
            column.image(as_displayed(image, plan, k, result.affine), caption=label, width="stretch")
        st.caption(f"Sides of the patient: {left} at the left of the image, {right} right, {top} top, {bottom} bottom.")
    with st.expander("What was read, and how it was scaled"):
        st.json(result.report, expanded=False)


st.set_page_config(page_title="monai-fusion", layout="wide")
choose()
if "result" in st.session_state:
    show(st.session_state["result"])
else:
    st.info("Choose an MRI and a PET or SPECT of the same patient on the left.")
st.caption(NOTICE)
