"""Serves a scene to the station, as the viewer does: a Streamlit page, and the volumes from a route of the same server.

python tests/viewer/station_server.py PORT [SCENE.npz]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from station_scene import AFFINE, Scene, make_scene, phantom

SHOWN = Scene({})


def measure(scene: Scene, roi: dict[str, Any]) -> dict[str, Any]:
    """Numbers of a spherical ROI, plainly."""
    facts = scene.facts
    affine = np.array(facts["affine"])
    index = np.indices(facts["shape"]).reshape(3, -1)
    mm = affine[:3, :3] @ index + affine[:3, 3:]
    inside = (np.linalg.norm(mm - np.array(roi["center"])[:, None], axis=0) <= roi["radius"]).reshape(facts["shape"])
    numbers: dict[str, Any] = {"volume_ml": float(inside.sum() * np.prod(facts["spacing"]) / 1000)}
    for name in ("mri", "functional"):
        volume = facts["volumes"][name]
        values = scene.volumes[volume["url"].split("/")[-1]][inside] * volume["slope"]
        if values.size:
            numbers[name] = {"mean": float(values.mean()), "max": float(values.max()), "unit": volume["unit"]}
    return {**roi, "numbers": numbers}


async def send_volume(request: Request) -> Response:
    values = SHOWN.volumes.get(request.path_params["token"])
    if values is None:
        return Response(status_code=404)
    body = values.astype(values.dtype.newbyteorder("<")).tobytes(order="F")
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def main() -> None:
    import station_server  # the page's script imports this module by its name, and this program runs as __main__

    if len(sys.argv) > 2:
        with np.load(sys.argv[2]) as arrays:
            scene = make_scene(**arrays, palette="hot_iron")
    else:
        scene = make_scene(AFFINE, **phantom())
    station_server.SHOWN = scene
    app = st.App(
        Path(__file__).with_name("station_page.py"), routes=[Route("/vol/{token}", station_server.send_volume)]
    )
    app.run(
        config={
            "server.address": "127.0.0.1",
            "server.port": int(sys.argv[1]),
            "server.headless": True,
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": False,
            "client.toolbarMode": "minimal",
            "theme.base": "dark",
            "logger.level": "warning",
        }
    )


if __name__ == "__main__":
    main()
