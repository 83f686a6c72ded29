"""Retrieving a series by C-GET, or by C-MOVE to a storage service of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydicom import uid as uids
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get  # type: ignore[attr-defined]
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as Move  # type: ignore[attr-defined]

from monai_fusion.archive.client import ArchivedSeries, ArchiveError, UnreachableError
from monai_fusion.archive.dimse_socket import socket_handlers
from monai_fusion.archive.status import in_words
from monai_fusion.errors import InputError

if TYPE_CHECKING:
    from monai_fusion.archive.dimse import DimseArchive

__all__ = ["retrieve_series"]

_UNCOMPRESSED = [uids.ExplicitVRLittleEndian, uids.ImplicitVRLittleEndian]

#: What pydicom decodes with the codecs extra. Each in a presentation context of its own, so that the archive need not
#: recompress what it holds.
_COMPRESSED = [
    uids.JPEGBaseline8Bit,
    uids.JPEGExtended12Bit,
    uids.JPEGLossless,
    uids.JPEGLosslessSV1,
    uids.JPEGLSLossless,
    uids.JPEGLSNearLossless,
    uids.JPEG2000Lossless,
    uids.JPEG2000,
    uids.HTJ2KLossless,
    uids.HTJ2KLosslessRPCL,
    uids.HTJ2K,
    uids.RLELossless,
]

#: What is asked for where the archive's index does not tell the SOP classes: all that fusion reads.
_READABLE = [
    uids.MRImageStorage,
    uids.EnhancedMRImageStorage,
    uids.PositronEmissionTomographyImageStorage,
    uids.EnhancedPETImageStorage,
    uids.NuclearMedicineImageStorage,
    uids.CTImageStorage,
    uids.EnhancedCTImageStorage,
]

#: Statuses of a C-GET after which a C-MOVE may do.
_REFUSED = (0x0122, 0x0124, 0x0211)

_STORED, _NOT_AUTHORISED, _OUT_OF_RESOURCES = 0x0000, 0x0124, 0xA700

_SUCCESS, _WARNING, _PENDING = 0x0000, 0xB000, 0xFF00


class _RefusedError(ArchiveError):
    """The archive does not do a C-GET."""


class _BrokeOffError(UnreachableError):
    """It broke off before the first instance, which may be its way of refusing."""


class _Intake:
    """Handles C-STORE requests: keeps each instance, and the first error for the thread that waits."""

    def __init__(self, keep: Callable[[Dataset], None]) -> None:
        self.keep = keep
        self.count = 0
        self.error: Exception | None = None

    def __call__(self, event: evt.Event) -> int:
        if self.error is not None:
            return _OUT_OF_RESOURCES
        try:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self.keep(dataset)
        except ArchiveError as error:
            self.error = error
            return _NOT_AUTHORISED
        except Exception as error:
            self.error = error
            return _OUT_OF_RESOURCES
        self.count += 1
        return _STORED


def retrieve_series(
    archive: DimseArchive, series: ArchivedSeries, sop_classes: Sequence[str], keep: Callable[[Dataset], None]
) -> None:
    """See `ArchiveClient.retrieve`."""
    settings = archive.settings
    if settings.retrieve == "move":
        _move(archive, series, sop_classes, keep)
        return
    try:
        _get(archive, series, sop_classes, keep)
    except (_RefusedError, _BrokeOffError) as refusal:
        if settings.retrieve == "get":
            raise
        if settings.listen is None:
            raise type(refusal)(f"{refusal} For a C-MOVE instead, set listen (--listen HOST:PORT)") from refusal
        _move(archive, series, sop_classes, keep)


def _get(
    archive: DimseArchive, series: ArchivedSeries, sop_classes: Sequence[str], keep: Callable[[Dataset], None]
) -> None:
    classes = sop_classes or _READABLE
    contexts: list[tuple[str, list[str]]] = [(Get, [])]
    for sop_class in classes:
        contexts.append((sop_class, list(_UNCOMPRESSED)))
        contexts += [(sop_class, [syntax]) for syntax in _COMPRESSED]
    roles = [build_role(sop_class, scp_role=True) for sop_class in classes]
    intake = _Intake(keep)
    with archive.associate(contexts[:128], roles, intake) as association:
        if Get not in [context.abstract_syntax for context in association.accepted_contexts]:
            raise _RefusedError(f"{archive.name}: does not offer C-GET to {archive.settings.calling_aet}.")
        responses = association.send_c_get(_series_level(archive, series), Get)
        try:
            _wait(archive, responses, intake, "C-GET")
        except UnreachableError as error:
            raise error if intake.count else _BrokeOffError(str(error)) from error


def _move(
    archive: DimseArchive, series: ArchivedSeries, sop_classes: Sequence[str], keep: Callable[[Dataset], None]
) -> None:
    settings = archive.settings
    intake = _Intake(keep)
    with _listening(archive, sop_classes or _READABLE, intake), archive.associate([(Move, [])]) as association:
        archive.check_accepted(association, Move, "C-MOVE")
        responses = association.send_c_move(_series_level(archive, series), settings.calling_aet, Move)
        _wait(archive, responses, intake, "C-MOVE")


def _series_level(archive: DimseArchive, series: ArchivedSeries) -> Dataset:
    return archive.identifier("SERIES", StudyInstanceUID=series.study_uid, SeriesInstanceUID=series.uid)


def _wait(archive: DimseArchive, responses: Iterator[Any], intake: _Intake, service: str) -> None:
    """Until the last response. What is missing then is found by counting, whatever the archive says of it."""
    name, settings = archive.name, archive.settings
    for status, _ in responses:
        if intake.error is not None:
            raise intake.error
        code = archive.status_of(status)
        failed = int(status.get("NumberOfFailedSuboperations") or 0)
        if code in (_SUCCESS, _PENDING) or (code == _WARNING and not failed):
            continue
        if service == "C-GET" and code in _REFUSED:
            raise _RefusedError(f"{name}: refuses C-GET (status {in_words(code)}).")
        if service == "C-MOVE" and not failed:
            raise ArchiveError(
                f"{name}: refuses the C-MOVE (status {in_words(code)}); have the destination {settings.calling_aet} "
                f"registered in the archive, with the host and port that reach {_listen_text(archive)}"
            )
        raise ArchiveError(
            f"{name}: could not send {failed or 'some'} of the instances (status {in_words(code)}); "
            "see the archive's log" + ("" if service == "C-GET" else f", does it reach {_listen_text(archive)}?")
        )
    if intake.error is not None:
        raise intake.error


def _listen_text(archive: DimseArchive) -> str:
    host, port = archive.settings.listen or ("", 0)
    return f"{host}:{port}"


@contextmanager
def _listening(archive: DimseArchive, sop_classes: Sequence[str], intake: _Intake) -> Iterator[None]:
    """A storage service for as long as a C-MOVE runs; it takes associations to our AE title alone."""
    settings = archive.settings
    if settings.listen is None:
        raise InputError(f"{archive.name}: a C-MOVE needs a place to listen; set listen (--listen HOST:PORT)")
    entity = AE(ae_title=settings.calling_aet)
    entity.require_called_aet = True
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = settings.timeout
    for sop_class in sop_classes:
        entity.add_supported_context(sop_class, _UNCOMPRESSED + _COMPRESSED)
    handlers = [(evt.EVT_C_STORE, intake), *socket_handlers(settings.timeout)]
    try:
        server = entity.start_server(
            settings.listen, block=False, evt_handlers=handlers, ssl_context=_server_tls(archive)
        )
    except OSError as error:
        raise InputError(
            f"{archive.name}: cannot listen on {_listen_text(archive)} ({error.strerror}); choose another --listen"
        ) from error
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()


def _server_tls(archive: DimseArchive) -> Any:
    """Where the archive is reached by TLS, the storage service asks for TLS too, with the same certificates."""
    import ssl

    settings = archive.settings
    if not settings.address.is_encrypted:
        return None
    if settings.client_certificate is None:
        raise InputError(f"{archive.name}: a C-MOVE over TLS needs client_certificate and client_key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.ca_file)
    context.load_cert_chain(settings.client_certificate, settings.client_key, password="")
    if settings.verify:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
