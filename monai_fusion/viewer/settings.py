"""How Streamlit is set for patient data: on this machine only, silent, and without its own furniture."""

from __future__ import annotations

from typing import Any

__all__ = ["HOSTS", "MAX_UPLOAD_MB", "SESSION_SECONDS", "settings"]

#: The names by which a browser may ask for the page; any other is a sign of DNS rebinding.
HOSTS = ["127.0.0.1", "localhost"]

#: Of one file. The uploader says so in the page, and the server ends a longer request while it arrives.
MAX_UPLOAD_MB = 1024

#: How long the data of a closed or disconnected tab are kept.
SESSION_SECONDS = 30

_SETTINGS: dict[str, Any] = {
    "server.address": "127.0.0.1",  # unset, headless mode looks up the external address
    "server.headless": True,  # `serve` opens the browser itself
    "server.showEmailPrompt": False,
    "server.allowedHosts": HOSTS,
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.xsrfCookieSameSite": "strict",
    "server.maxUploadSize": MAX_UPLOAD_MB,
    "server.maxMessageSize": 64,
    "server.disconnectedSessionTTL": SESSION_SECONDS,
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "runner.postScriptGC": False,  # after each run of the page; with PyTorch's objects it takes longer than the page
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "client.showSidebarNavigation": False,
    "logger.level": "warning",
    "logger.enableRich": False,  # it prints an exception's text past the logging that `private_log` sees
    "theme.base": "dark",
    "theme.primaryColor": "#4aa8ff",
    "theme.backgroundColor": "#0e1013",
    "theme.secondaryBackgroundColor": "#1a1d22",
    "theme.textColor": "#d9dde3",
    "theme.font": "system-ui, sans-serif",
}


def settings(port: int) -> dict[str, Any]:
    """For ``streamlit.App.run(config=...)``; they go before configuration files and the environment."""
    return {**_SETTINGS, "server.port": port}
