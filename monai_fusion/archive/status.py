"""Status codes of a storage request, the same for DIMSE (PS3.7 C) and the FailureReason of STOW-RS (PS3.18 I.2)."""

from __future__ import annotations

from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS, code_to_category

from monai_fusion.archive.client import Answer

__all__ = ["answer_of", "in_words"]


def in_words(code: int) -> str:
    """For example ``"A700 Out of Resources"``."""
    _, words = STORAGE_SERVICE_CLASS_STATUS.get(code) or GENERAL_STATUS.get(code) or ("", "")
    return f"{code:04X} {words}".strip()


def answer_of(code: int) -> Answer:
    """A storage status: success, a warning (stored with a reservation), or a failure."""
    category = code_to_category(code)
    return Answer(category in ("Success", "Warning"), "" if category == "Success" else in_words(code))
