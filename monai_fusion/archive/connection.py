"""Talking to an archive: quietly, and with errors that the command line knows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from monai_fusion.archive.client import ArchiveClient, ArchiveError, open_archive
from monai_fusion.archive.settings import ArchiveSettings
from monai_fusion.errors import FusionError
from monai_fusion.logs import quiet

__all__ = ["connected"]

#: They log queries, URLs and responses, so identifiers.
_CHATTY = ("pynetdicom", "dicomweb_client", "urllib3", "requests", "pydicom")


@contextmanager
def connected(settings: ArchiveSettings, error: type[FusionError]) -> Iterator[ArchiveClient]:
    """A client; an `ArchiveError` becomes `error`.

    Raises:
        InputError: the settings cannot be used.
    """
    with quiet(_CHATTY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's show the value that they are about
        try:
            yield open_archive(settings)
        except ArchiveError as reason:
            raise error(str(reason)) from reason
