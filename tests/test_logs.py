import logging
import warnings
from contextlib import suppress

import pytest

from monai_fusion.logs import quiet


def test_silence_ends_with_the_block(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> None:
    outer, inner = logging.getLogger("chatty"), logging.getLogger("chatty.inner")
    with suppress(RuntimeError), quiet(["chatty"]):
        inner.critical("a name")
        warnings.warn_explicit("a name", UserWarning, "values.py", 1, module="pydicom.valuerep")
        raise RuntimeError
    assert (caplog.records, list(recwarn)) == ([], [])
    assert outer.level == logging.NOTSET
    inner.error("heard")
    assert [record.message for record in caplog.records] == ["heard"]
