"""The settings of the viewer's design, one by one: a change of any is a decision."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit import config

from monai_fusion.viewer.settings import settings

WANTED: dict[str, Any] = {
    "server.address": "127.0.0.1",
    "server.allowedHosts": ["127.0.0.1", "localhost"],
    "server.headless": True,
    "server.showEmailPrompt": False,
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.xsrfCookieSameSite": "strict",
    "server.maxMessageSize": 64,
    "server.disconnectedSessionTTL": 30,
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "logger.level": "warning",
    "logger.enableRich": False,
}


@pytest.mark.parametrize("name", WANTED)
def test_setting(name: str) -> None:
    assert settings(8501)[name] == WANTED[name]


def test_streamlit_knows_every_setting() -> None:
    assert [name for name in settings(8501) if name not in config._config_options_template] == []


def test_uploads_are_bounded_below_two_gigabytes() -> None:
    assert settings(8501)["server.maxUploadSize"] < 2048
