"""An archive that speaks DIMSE: C-FIND, C-GET, C-MOVE and C-STORE by pynetdicom, Study Root model."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find  # type: ignore[attr-defined]

from monai_fusion.archive.client import (
    Answer,
    ArchiveClient,
    ArchivedSeries,
    ArchivedStudy,
    ArchiveError,
    Outgoing,
    UnreachableError,
)
from monai_fusion.archive.dimse_socket import socket_handlers
from monai_fusion.archive.settings import ArchiveSettings
from monai_fusion.archive.status import answer_of, in_words

__all__ = ["DimseArchive"]

_SUCCESS, _PENDING = 0x0000, (0xFF00, 0xFF01)

#: A-ASSOCIATE-RJ by the service user, its reasons (PS3.8 9.3.4).
_REJECTED = {
    3: "does not know the calling AE title {calling}; have it registered in the archive, or set --aet",
    7: "does not know the called AE title {called}; check the address",
}

_LEVELS = {
    "STUDY": ("StudyInstanceUID", "StudyDate"),
    "SERIES": (
        "SeriesInstanceUID",
        "Modality",
        "SeriesNumber",
        "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    "IMAGE": ("SOPInstanceUID", "SOPClassUID"),
}


class DimseArchive(ArchiveClient):
    """See `ArchiveClient`. Every association is released, or aborted where something went wrong."""

    def __init__(self, settings: ArchiveSettings) -> None:
        super().__init__(settings)
        self.tls = settings.tls_context() if settings.address.is_encrypted else None

    def find_studies(self, keys: Mapping[str, str]) -> list[ArchivedStudy]:
        return [self.study_from(one) for one in self._find("STUDY", **keys)]

    def find_series(self, study_uid: str) -> list[ArchivedSeries]:
        return [self.series_from(study_uid, one) for one in self._find("SERIES", StudyInstanceUID=study_uid)]

    def find_instances(self, study_uid: str, series_uid: str) -> dict[str, str]:
        found = self._find("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
        return dict(self.instance_from(one) for one in found)

    def _find(self, level: str, **keys: str) -> list[Dataset]:
        query = self.identifier(level, **{**dict.fromkeys(_LEVELS[level], ""), **keys})
        found = []
        with self.associate([(Find, [])]) as association:
            self.check_accepted(association, Find, "C-FIND")
            for status, identifier in association.send_c_find(query, Find):
                code = self.status_of(status)
                if code in _PENDING and identifier is not None:
                    found.append(identifier)
                elif code != _SUCCESS:
                    raise ArchiveError(
                        f"{self.name}: refused the query (status {in_words(code)}); see the archive's log"
                    )
        return found

    def retrieve(self, series: ArchivedSeries, sop_classes: Sequence[str], keep: Callable[[Dataset], None]) -> None:
        from monai_fusion.archive.dimse_retrieve import retrieve_series

        retrieve_series(self, series, sop_classes, keep)

    def store(self, files: Sequence[Outgoing], tell: Callable[[Outgoing, Answer], None]) -> None:
        contexts = []
        for sop_class, syntax in sorted({(file.sop_class, file.transfer_syntax) for file in files}):
            contexts.append((sop_class, [syntax]))
            if not UID(syntax).is_compressed and syntax != ImplicitVRLittleEndian:
                contexts.append((sop_class, [ImplicitVRLittleEndian]))  # which every archive must understand
        with self.associate(contexts) as association:
            for file in files:
                dataset = pydicom.dcmread(file.path)
                try:
                    status = association.send_c_store(dataset)
                except ValueError:  # no presentation context was accepted for it
                    words = f"{UID(file.sop_class).name} in {UID(file.transfer_syntax).name}"
                    tell(file, Answer(False, f"the archive does not accept {words}"))
                else:
                    tell(file, answer_of(self.status_of(status)))

    def identifier(self, level: str, **keys: str) -> Dataset:
        """The keys of a query or retrieval at a level."""
        dataset = Dataset()
        dataset.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(dataset, keyword, value or None)
        return dataset

    def status_of(self, status: Dataset) -> int:
        """The status; an empty answer means that the peer broke off or did not answer in time."""
        if "Status" not in status:
            raise UnreachableError(
                f"{self.name}: broke off, or gave no answer within {self.settings.timeout:g} s; does it know the AE "
                f"title {self.settings.calling_aet} (--aet), and does its log say more?"
            )
        return int(status.Status)

    def check_accepted(self, association: Association, model: str, service: str) -> None:
        """Refuses to go on where the archive does not offer a service."""
        if model not in [context.abstract_syntax for context in association.accepted_contexts]:
            raise ArchiveError(f"{self.name}: does not offer {service} to {self.settings.calling_aet}")

    @contextmanager
    def associate(
        self, contexts: Sequence[tuple[str, Sequence[str]]], roles: Sequence[Any] = (), keep: Any = None
    ) -> Iterator[Association]:
        """An association, released in the end.

        Args:
            contexts: abstract and transfer syntaxes; of none, the uncompressed ones.
            roles: role selection items, for C-GET.
            keep: handler of the C-STORE requests of a C-GET.
        """
        settings, address = self.settings, self.settings.address
        entity = AE(ae_title=settings.calling_aet)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = settings.timeout
        entity.connection_timeout = settings.timeout
        for abstract, syntaxes in contexts:
            if syntaxes:
                entity.add_requested_context(abstract, list(syntaxes))
            else:
                entity.add_requested_context(abstract)
        handlers: list[Any] = socket_handlers(settings.timeout)
        if keep is not None:
            handlers.append((evt.EVT_C_STORE, keep))
        assert address.port is not None
        try:
            association = entity.associate(
                address.host,
                address.port,
                ae_title=address.called_aet,
                ext_neg=list(roles),
                evt_handlers=handlers,
                tls_args=None if self.tls is None else (self.tls, address.host),
            )
        except OSError as error:  # the host's name cannot be resolved
            raise self._unreachable(error) from error
        try:
            if not association.is_established:
                self._explain(association)
            yield association
            association.release()
        except RuntimeError as error:  # so pynetdicom says that there is no association any more
            if association.is_established:
                raise
            raise UnreachableError(f"{self.name}: broke off; look into the archive's log") from error
        finally:
            if association.is_established:
                association.abort()
            association.kill()
            association.dul.join(settings.timeout)  # until then it may log, and that after the silence has ended

    def _explain(self, association: Association) -> None:
        """Says why an association was not established; pynetdicom tells only its log."""
        settings, address = self.settings, self.settings.address
        if association.is_rejected:
            answer = association.acceptor.primitive
            reason = getattr(answer, "diagnostic", 0) if getattr(answer, "result_source", 1) == 1 else 0
            words = _REJECTED.get(reason, "rejects the association; have {calling} registered in the archive")
            told = words.format(calling=settings.calling_aet, called=address.called_aet)
            kind = UnreachableError if getattr(answer, "result", 1) == 2 else ArchiveError  # 2: rejected transient
            raise kind(f"{self.name}: {told}")
        if association.acceptor.primitive is not None and not association.accepted_contexts:
            raise ArchiveError(
                f"{self.name}: accepts none of the services or image kinds asked for; see the archive's log"
            )
        try:
            with socket.create_connection((address.host, address.port or 0), settings.timeout) as plain:
                if self.tls is not None:
                    self.tls.wrap_socket(plain, server_hostname=address.host).close()
        except OSError as error:
            raise self._unreachable(error) from error
        raise UnreachableError(
            f"{self.name}: closed the connection, or gave no answer within {settings.timeout:g} s; "
            "check the port, the AE titles and (dimse-tls) the client certificate"
        )

    def _unreachable(self, error: OSError) -> ArchiveError:
        import ssl

        if isinstance(error, ssl.SSLError):
            words = getattr(error, "verify_message", "") or error.reason
            return ArchiveError(
                f"{self.name}: no trusted connection ({words}); "
                "set ca_file to the authority that signed its certificate, and check the host name"
            )
        return UnreachableError(
            f"{self.name}: cannot be reached ({error.strerror or error}); check the address and the archive"
        )
