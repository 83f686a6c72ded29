"""Long work in a thread of its own, so that the page stays alive, shows how far it is and can call it off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from monai_fusion.errors import FusionError
from monai_fusion.viewer.private_log import log_error, place_of

__all__ = ["Cancelled", "Job"]


class Cancelled(Exception):  # noqa: N818 - no error
    """Raised within the work at its next step, once nobody waits for it any more."""


class Job:
    """Runs `work` at once.

    Args:
        work: called with `Job.step`, which it calls as it goes on. What it gives is `result`.
    """

    def __init__(self, work: Callable[[Callable[[float, str], None]], Any]) -> None:
        self._work = work
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self.fraction, self.text = 0.0, "Starting"
        self.result: Any = None
        self.error = ""
        threading.Thread(target=self._run, name="viewer-job", daemon=True).start()

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def step(self, fraction: float, text: str) -> None:
        """Says how much is done and what comes now.

        Raises:
            Cancelled: it is not wanted any more.
        """
        if self._cancelled.is_set():
            raise Cancelled
        self.fraction, self.text = fraction, text

    def cancel(self) -> None:
        """The page is free at once; the work ends before its next step, and its result is dropped."""
        self._cancelled.set()
        self._ended.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it has ended, after that time at the latest."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            result = self._work(self.step)
            self.step(1.0, "")
            self.result = result
        except Cancelled:
            pass
        except FusionError as error:
            self.error = str(error)
        except BaseException as error:  # its text may hold patient data: type and place alone are told
            log_error(error)
            self.error = f"Something went wrong ({place_of(error)}). Nothing was changed."
        finally:
            self._ended.set()
