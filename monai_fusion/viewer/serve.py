"""The viewer's server, on this machine only: Streamlit as a Starlette application, with two routes of our own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib.util
import threading
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from monai_fusion.errors import FusionError, InputError
from monai_fusion.shipped import shipped
from monai_fusion.viewer import private_log
from monai_fusion.viewer.service import Options, current_service, start_service
from monai_fusion.viewer.settings import HOSTS, SESSION_SECONDS, settings

__all__ = ["app_path", "make_app", "serve"]

_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:",  # Streamlit loads components as blobs
        "style-src 'self' 'unsafe-inline' data:",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "connect-src 'self' data: blob:",
        "frame-src 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    ]
)

#: Of every answer: nothing is kept in a cache that need not be, shown in a frame, or asked for from elsewhere.
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_CLOSED = ("/_stcore/metrics",)  # open by default: it counts sessions


def app_path() -> Path:
    """The viewer's page."""
    return shipped("apps", "viewer", "app.py")


def serve(options: Options, port: int, browser: bool = True) -> None:
    """Runs the viewer until it is interrupted.

    Args:
        options: what it begins with, and what may be browsed.
        port: on 127.0.0.1.
        browser: open one.

    Raises:
        InputError: Streamlit is not installed, or there is no such folder or file.
        FusionError: the server ended by itself, for example because the port is taken.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise InputError("the viewer needs Streamlit; pip install 'monai-fusion[viewer]'")
    for path in (options.mri, options.functional, options.data_folder):
        if path is not None and not path.exists():
            raise InputError(f"{path}: there is no such file or folder; check the path")
    private_log.install()
    service = start_service(options)
    address = f"http://{HOSTS[0]}:{port}"
    try:
        _warm_up()
        if browser:
            threading.Timer(1, webbrowser.open, [address]).start()
        print(f"monai-fusion: the viewer is at {address} (Ctrl-C ends it)", flush=True)
        make_app().run(config=settings(port))
    except SystemExit as error:
        if error.code:
            raise FusionError(f"port {port} cannot be used; choose another with --port") from error
    finally:
        service.close()


def make_app() -> Any:
    """The application: Streamlit's, our two routes, and the guard before both."""
    import streamlit as st
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    return st.App(
        app_path(),
        routes=[Route("/vol/{token}", _answer), Route("/export/{token}", _answer)],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
            Middleware(_Guard),
        ],
        lifespan=_lifespan,
    )


class _Guard:
    """Refuses what pages of other origins ask for, adds `_HEADERS` to every answer, and closes what nobody here needs.

    Streamlit knows an origin only after it has asked a server outside for this machine's address: everybody waits until
    that fails.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse
        from starlette.websockets import WebSocketClose

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app, http = self._app, scope["type"] == "http"
        if scope["type"] in ("http", "websocket") and not _is_own(Headers(scope=scope)):
            app = PlainTextResponse("Forbidden", status_code=403) if http else WebSocketClose()
        elif http and scope["path"] in _CLOSED:
            app = PlainTextResponse("Not found", status_code=404)
        await app(scope, receive, send_guarded)


def _is_own(headers: Any) -> bool:
    """Does the request come from a page of this server, or from no page? ``Host`` was checked before; a browser tells
    the origin of each websocket, and of each request that a page of another origin could read or that changes
    something."""
    origins = headers.getlist("origin")
    return origins in ([], [f"http://{headers.get('host', '')}"])


async def _answer(request: Any) -> Any:
    """A volume or an export: whole, or a sentence."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import FileResponse, PlainTextResponse, Response

    route = request.url.path.split("/")[1]
    content = current_service().addresses.find(route, request.path_params["token"])
    headers = {"Cache-Control": "no-store"}
    if content is None:
        return PlainTextResponse("Not found", status_code=404, headers=headers)
    try:
        body, sha256 = await run_in_threadpool(content.get)
    except FusionError as error:
        return PlainTextResponse(" ".join(str(error).split()), status_code=422, headers=headers)
    except Exception as error:  # its text may hold patient data: type and place alone are told
        private_log.log_error(error)
        return PlainTextResponse(
            f"Something went wrong ({private_log.place_of(error)}).", status_code=500, headers=headers
        )
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    headers |= {"Repr-Digest": f"sha-256=:{digest}:"}
    headers |= {"Content-Encoding": "identity"}  # else Streamlit would compress it, which costs more than it saves here
    if content.name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{content.name}"'
    if isinstance(body, Path):
        return FileResponse(body, media_type=content.media_type, headers=headers)
    return Response(body, media_type=content.media_type, headers=headers)


@contextlib.asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    """While the server runs, closes the sessions whose tab has gone."""
    from streamlit.runtime import get_instance

    async def reap() -> None:
        while True:
            await asyncio.sleep(min(5.0, SESSION_SECONDS / 4))
            await asyncio.to_thread(current_service().reap, get_instance().is_active_session, SESSION_SECONDS)

    reaper = asyncio.create_task(reap())
    try:
        yield None
    finally:
        reaper.cancel()
        current_service().close()


def _warm_up() -> None:
    """Opens a pair of a few voxels, so that the first user does not wait for libraries and the compiled kernel.

    Here and not in a thread beside the server: MONAI, imported by two threads at once, fails.
    """
    import numpy as np

    from monai_fusion.data.synthetic_dicom import write_synthetic_series
    from monai_fusion.viewer import actions  # noqa: F401 - the page's
    from monai_fusion.viewer.case import Choice, open_case
    from monai_fusion.viewer.images import find_images
    from monai_fusion.viewer.scene import build_scene

    session = current_service().session("warm up")
    ramp = np.arange(16.0**3).reshape(16, 16, 16)
    for modality in ("MR", "PT"):
        write_synthetic_series(
            session.folder / modality, ramp, np.eye(4), modality, modality, frame_of_reference="warm up"
        )
    mri, functional = (find_images(session.folder / modality)[0] for modality in ("MR", "PT"))
    case = open_case(Choice(mri, functional), session.folder, lambda fraction, text: None)
    for content in build_scene(case, session).contents:
        content.get()
    session.close()
