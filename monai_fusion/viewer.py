"""Starting the Streamlit viewer of `apps/viewer`, on this machine only."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from monai_fusion.errors import FusionError, InputError
from monai_fusion.shipped import shipped

__all__ = ["app_path", "serve"]

_SETTINGS = {
    "server.address": "127.0.0.1",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "logger.level": "warning",
    "theme.base": "dark",
    "server.showEmailPrompt": "false",
}


def app_path() -> Path:
    """The viewer's program."""
    return shipped("apps", "viewer", "app.py")


def serve(mri: str, functional: str, port: int, browser: bool = True) -> None:
    """Runs the viewer until it is interrupted.

    Args:
        mri, functional: paths that its form shows at the start; may be empty.
        port: on 127.0.0.1.
        browser: open one.

    Raises:
        InputError: Streamlit is not installed.
        FusionError: the server ended by itself, for example because the port is taken.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise InputError("the viewer needs Streamlit; pip install 'monai-fusion[viewer]'")
    settings = {**_SETTINGS, "server.port": str(port), "server.headless": str(not browser).lower()}
    options = [f"--{name}={value}" for name, value in settings.items()]
    code = subprocess.call([sys.executable, "-m", "streamlit", "run", str(app_path()), *options, "--", mri, functional])
    if code != 0:
        raise FusionError(f"the viewer ended with code {code}; if port {port} is taken, choose another with --port")
