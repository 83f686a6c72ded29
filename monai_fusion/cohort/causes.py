"""Reasons without what is of one study alone: for the store without paths, for the report grouped by cause."""

from __future__ import annotations

import re

from monai_fusion.cohort.study import Study
from monai_fusion.escaping import printable

__all__ = ["cause_of", "without_paths"]

_UID = re.compile(r"\b\d+(?:\.\d+){4,}\b")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER = re.compile(r"(?<![\w#])-?(?:0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def without_paths(text: str, study: Study) -> str:
    """A message with the study's own paths replaced: by ``MRI`` and ``functional image``, and what lies below them."""
    named = [(path, name) for name in ("MRI", "functional image") for path in _paths(study, name)]
    for path, name in sorted(named, key=lambda pair: -len(pair[0])):
        text = text.replace(path, name).replace(printable(path), name)  # an `InputError` says what is printable
    return " ".join(text.split())


def _paths(study: Study, name: str) -> set[str]:
    paths = study.mri if name == "MRI" else study.functional
    if len(paths) > 1:  # the files of a series
        return {str(path.parent) for path in paths}
    return {str(path) for path in paths}


def cause_of(reason: str) -> str:
    """What many reasons have in common: no file below a folder, no UID, no quoted text, no number.

    Descriptions and UIDs may name the patient, so this is what is printed.
    """
    text = re.sub(r"\b(MRI|functional image)(/[^:;,()]*)", r"a file of the \1", reason)
    text = _UID.sub("(UID)", text)
    text = _QUOTED.sub("(name)", text)
    return _NUMBER.sub("#", text)
