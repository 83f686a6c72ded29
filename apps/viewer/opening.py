"""The first page: where the images come from, which of them is which, and how far the work is."""

from __future__ import annotations

import streamlit as st
from page import guarded, show_error, show_table, show_text, this_session

from monai_fusion.errors import InputError
from monai_fusion.viewer import actions
from monai_fusion.viewer.browse import subfolders
from monai_fusion.viewer.images import guess_pair
from monai_fusion.viewer.scene import NOTICE
from monai_fusion.viewer.service import current_service
from monai_fusion.viewer.session_file import read_session_file

__all__ = ["choose", "show_progress"]

_COLUMNS = ("modality", "description", "matrix", "spacing", "slices", "date", "notes")


def choose() -> None:
    """Where nothing is open."""
    session, service = this_session(), current_service()
    given = service.options.mri, service.options.functional
    if any(given) and "given" not in st.session_state:
        st.session_state["given"] = True
        actions.open_given(session, *given)
        st.rerun()
    with st.container(key="opening"):
        st.html('<div class="title">MRI with PET or SPECT</div>')
        st.caption(f"Choose an MRI and a PET or SPECT of the same patient. {NOTICE}")
        if session.error:
            show_error(session.error)
        columns = st.columns(3 if service.options.data_folder else 2, gap="large")
        with columns[0]:
            _upload()
        if service.options.data_folder:
            with columns[1]:
                _browse()
        with columns[-1]:
            st.markdown("**Demo**")
            st.caption("A synthetic head, its PET from another scanner position, with one hot and one cold lesion.")
            if st.button("Open the demo pair", key="demo"):
                actions.open_demo(session, service)
                st.rerun()
        if session.images:
            _table()


@st.fragment(run_every=0.25)
@guarded
def show_progress() -> None:
    """While a job runs; it can be called off."""
    session = this_session()
    job = session.job
    if job is None or not job.running:
        st.rerun()
    with st.container(key="opening"):
        st.progress(job.fraction, job.text)
        if st.button("Cancel", key="cancel"):
            job.cancel()
            st.rerun()


def _upload() -> None:
    """Files are taken over at once, and the uploader forgets them."""
    st.markdown("**Upload**")
    number = st.session_state.setdefault("uploads", 0)
    files = st.file_uploader(
        "A zip, or DICOM, NIfTI or PNG files; or a session file of this viewer",
        accept_multiple_files=True,
        key=f"upload-{number}",
    )
    if not files:
        return
    session = this_session()
    st.session_state["uploads"] = number + 1  # a new uploader: Streamlit lets go of what the last one held
    views = [file for file in files if file.name.lower().endswith(".session.json")]
    images = [(file.name, file) for file in files if file not in views]
    if images:
        actions.open_uploads(session, images)
    elif len(views) == 1:
        try:
            actions.open_session_file(session, current_service(), read_session_file(views[0].getvalue()))
        except InputError as error:
            session.error = str(error)
    st.rerun()


def _browse() -> None:
    """One level at a time, within the administrator's folder."""
    st.markdown("**Folder on the server**")
    root = current_service().options.data_folder
    assert root is not None
    here = st.session_state.setdefault("folder", "")
    show_text(f"/{here}")
    number = st.session_state.setdefault("steps", 0)  # a new box a step: the browser repeats what the last one held

    @guarded
    def enter() -> None:
        name = st.session_state[f"subfolder-{number}"]
        parts = here.split("/") if here else []
        st.session_state["folder"] = "/".join(parts[:-1] if name == ".." else [*parts, name])
        st.session_state["steps"] = number + 1

    try:
        names = [*([".."] if here else []), *subfolders(root, here)]
    except InputError:
        st.session_state["folder"] = ""
        raise
    st.selectbox(
        "Folder",
        names,
        index=None,
        key=f"subfolder-{number}",
        on_change=enter,
        placeholder="Subfolder",
        label_visibility="collapsed",
    )
    if st.button("List the images in this folder", key="list"):
        actions.open_folder(this_session(), root, here)
        st.rerun()


def _table() -> None:
    """The images that were found, and which is which."""
    session = this_session()
    images = session.images
    st.markdown("**Images**")
    show_table([{name.capitalize(): str(getattr(image, name)) for name in _COLUMNS} for image in images])
    guessed = guess_pair(images)
    left, right, go, no = st.columns([5, 5, 2, 2], vertical_alignment="bottom")
    chosen = [
        column.selectbox(label, range(len(images)), guess, lambda i: str(images[i]), key=key)
        for column, label, guess, key in (
            (left, "MRI", guessed[0], "mri"),
            (right, "PET or SPECT", guessed[1], "functional"),
        )
    ]
    accept = st.checkbox(
        "Show them even if their registration fails, to move the functional image by hand", key="accept"
    )
    if go.button("Fuse", type="primary", key="fuse", disabled=None in chosen, width="stretch"):
        mri, functional = (images[i] for i in chosen if i is not None)
        actions.open_choice(session, mri, functional, accept)
        st.rerun()
    if no.button("Forget these", key="forget", width="stretch", help="Removes what was uploaded from the server."):
        session.forget()
        st.rerun()
