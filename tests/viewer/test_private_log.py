"""No name reaches the log, whoever logs it and however."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """if True:
    import logging, sys, threading, warnings
    from monai_fusion.viewer.private_log import install
    install()
    logging.basicConfig(level=logging.INFO)
    name = "PLANTED^NAME"
    def fail():
        raise ValueError(f"/data/{name}/1.dcm: PatientName {name}")
    for logger in ("streamlit.error_util", "uvicorn.error", "asyncio", "pydicom", "highdicom.image"):
        try:
            fail()
        except ValueError as error:
            logging.getLogger(logger).exception("Uncaught app execution")
            logging.getLogger(logger).error("Uncaught %s", error)
            logging.getLogger(logger).error("Uncaught", exc_info=error)
    logging.getLogger("pydicom").warning(f"Invalid value for VR PN: {name}")
    logging.getLogger("nibabel").warning("file %s", name)
    logging.getLogger("uvicorn.error").info("Started on %s", "127.0.0.1")
    warnings.warn(f"odd header of {name}")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    fail()
"""


def test_the_log_holds_types_and_places_alone() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "PLANTED" not in told
    assert "/data" not in told
    assert told.count("ValueError at <string>:") >= 12  # ten that were caught, one in a thread, the last
    assert "Started on 127.0.0.1" in told
