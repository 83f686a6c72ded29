"""A server's log without patient data: of an exception its type and place, of other programs' messages their origin.

The text of an exception, a warning or a library's message may hold a name, a date or a file name. Streamlit, its web
server and every library log through Python's logging, so it is taken out there, before any handler sees it.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from monai_fusion.escaping import printable

__all__ = ["install", "log_error", "place_of"]

#: Whose messages are plain text of their own, without anything of a file or a header.
_OWN = ("monai_fusion", "uvicorn", "streamlit")

_WITHHELD = "(text withheld)"


def place_of(error: BaseException) -> str:
    """``ValueError at dicom_volume.py:120``: what may be logged of an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}"


def install() -> None:
    """From now on, for this process: also for exceptions that nobody catches, in any thread."""
    make = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return _cleaned(make(*args, **kwargs))

    logging.setLogRecordFactory(factory)
    logging.captureWarnings(True)
    sys.excepthook = _hook
    threading.excepthook = lambda args: _hook(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _hook(args.exc_type, args.exc_value, args.exc_traceback)


def _cleaned(record: logging.LogRecord) -> logging.LogRecord:
    info, record.exc_info, record.exc_text, record.stack_info = record.exc_info, None, None, None
    own = record.name.split(".")[0] in _OWN
    text = record.getMessage() if own and not _holds_error(record.args) else _WITHHELD
    if isinstance(info, tuple) and info[1] is not None:
        text = f"{record.msg if own and not record.args else _WITHHELD}: {place_of(info[1])}"
    record.msg, record.args = printable(text), None
    return record


def _holds_error(args: Any) -> bool:
    values = args.values() if isinstance(args, dict) else args or ()
    return any(isinstance(value, BaseException) for value in values)


def _hook(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        log_error(error)


def log_error(error: BaseException) -> None:
    """Logs type and place of an exception, caught or not."""
    logging.getLogger("monai_fusion.viewer").error("%s", place_of(error))
