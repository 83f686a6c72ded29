from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from monai_fusion.viewer import app_path


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_file(str(app_path()), default_timeout=60).run()


def fuse(app: AppTest, mri: object, functional: object) -> AppTest:
    app.sidebar.text_input[0].set_value(str(mri))
    app.sidebar.text_input[1].set_value(str(functional))
    return app.sidebar.button[0].click().run()


def test_fuses_and_scrolls(app: AppTest, nifti_pair: tuple[Path, Path]) -> None:
    app = fuse(app, *nifti_pair)
    assert not app.exception
    assert not app.error
    assert len(app.columns) == 4
    assert app.slider[0].max == 19
    result = app.session_state["result"]
    assert result.sources["mri"].shape == result.fused.shape == (40, 48, 20)
    assert np.ptp(result.sources["functional"]) == pytest.approx(1, abs=1e-3)
    app.slider[0].set_value(3).run()
    assert not app.exception
    assert app.caption[-1].value == "For research use only. Not for diagnostic use."


def test_says_what_is_wrong(app: AppTest, nifti_pair: tuple[Path, Path]) -> None:
    app = fuse(app, nifti_pair[0], "/nowhere/pet.nii.gz")
    assert not app.exception
    assert "there is no such file or folder" in app.error[0].value
    assert "result" not in app.session_state
