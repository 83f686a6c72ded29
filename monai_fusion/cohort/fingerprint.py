"""Hashes by which a study that was done is known again: of its inputs, the configuration, the weights, the version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai_fusion
from monai_fusion.cohort.study import Study
from monai_fusion.data.source import hash_files
from monai_fusion.data.zip_file import list_files, stamp_of
from monai_fusion.errors import InputError
from monai_fusion.shipped import shipped

__all__ = ["hash_configuration", "hash_study", "stamp_study"]

#: Ids that change how a result is made, but not the result.
_WITHOUT_EFFECT = ("device", "progress")


def hash_configuration(
    root: Path | None, settings: Mapping[str, Any], configuration: Mapping[str, Any] | None = None
) -> str:
    """SHA-256 of what is the same for all studies: bundle, weights, settings, version of this package.

    Args:
        root: the bundle's folder; the one shipped with this package by default.
        settings: ids of its configuration and their values.
        configuration: what takes the place of its configuration, see `open_bundle`.

    Raises:
        InputError: there is no such bundle or file of weights.
    """
    root = shipped("bundles", "mmdrfuse") if root is None else root
    configuration = configuration or {}
    checkpoint = Path({**settings, **configuration}.get("checkpoint", root / "models" / "model.pt"))
    files = [root / "configs" / "inference.json", root / "configs" / "metadata.json", checkpoint]
    for file in files:
        if not file.is_file():
            raise InputError(
                f"{file}: there is no such file; check the bundle (--bundle) and the weights (--checkpoint)"
            )
    set_by_user = [_plain(settings)] if not configuration else [_plain(settings), _plain(configuration)]
    return _hash([monai_fusion.__version__, *(hash_files([file]) for file in files), *set_by_user])


def hash_study(fingerprint: str, study: Study) -> str:
    """SHA-256 of all that the results of a study depend on; the contents of its files count, not where they lie.

    Args:
        fingerprint: what `hash_configuration` gave.
        study: whose files are read.

    Raises:
        InputError: a file cannot be read.
    """
    inputs = [hash_files(_files(paths)) for paths in (study.mri, study.functional)]
    return _hash([fingerprint, inputs, _plain(study.settings)])


def stamp_study(study: Study) -> str:
    """What changes when a file of a study does, without reading it: names, times, sizes.

    A study with the stamp it had is not read again.
    """
    stamps: list[Any] = []
    for path in (*study.mri, *study.functional, *_paths_in(study.settings)):
        try:
            stamps += [(str(file), *stamp_of(file)) for file in list_files(path)]
        except InputError:
            stamps.append((str(path), None))
    return _hash([stamps, _plain(study.settings, contents=False)])


def _files(paths: Sequence[Path]) -> list[Path]:
    return [file for path in paths for file in list_files(path)]


def _paths_in(settings: Mapping[str, Any]) -> list[Path]:
    return [value for value in settings.values() if isinstance(value, Path)]


def _plain(settings: Mapping[str, Any], contents: bool = True) -> dict[str, Any]:
    """Settings as JSON, a path as what the file holds."""

    def plain(value: Any) -> Any:
        if not isinstance(value, Path):
            return value
        return hash_files([value]) if contents else str(value)

    return {name: plain(value) for name, value in settings.items() if name not in _WITHOUT_EFFECT}


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
