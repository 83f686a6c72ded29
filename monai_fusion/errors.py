"""The errors a user can mend. Each message is one line: what is wrong, in which file or series, and what to do."""

from __future__ import annotations

from monai_fusion.escaping import printable

__all__ = ["FusionError", "InputError", "OutputError", "reason_of"]


class FusionError(Exception):
    """Base class: the run stopped before anything was written.

    Args:
        message: put on one line, for some libraries say in several what they found; what a terminal would obey is
            escaped, for it may quote a header or a name.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(line.strip() for line in message.splitlines())))


class InputError(FusionError, ValueError):
    """An input, a parameter or a weights file that cannot be used; refused rather than guessed."""


class OutputError(FusionError, OSError):
    """The results could not be written."""


def reason_of(error: BaseException) -> FusionError | None:
    """The `FusionError` behind an exception, if there is one: MONAI wraps what a transform or component raises."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, FusionError):
        cause = cause.__cause__ or cause.__context__
    return cause
