"""A DIMSE archive of pynetdicom's own services that can be made to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

_KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class FakeDimse:
    """Holds instances by SOPInstanceUID. Each test replaces one of the methods by which it answers."""

    def __init__(self) -> None:
        self.held: dict[str, Dataset] = {}
        self.stop = threading.Event()
        self.port = 0
        self.associations: list[evt.Event] = []

    @property
    def address(self) -> str:
        return f"dimse://FAKE@127.0.0.1:{self.port}"

    def found(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        """C-FIND."""
        keyword = _KEYS[event.identifier.QueryRetrieveLevel]
        matching = {str(one[keyword].value): one for one in self.matching(event.identifier)}
        for instance in matching.values():
            answer = Dataset()
            for element in event.identifier:
                setattr(answer, element.keyword, instance.get(element.keyword))
            yield 0xFF00, answer

    def sent(self, event: evt.Event) -> Iterator[Any]:
        """C-GET."""
        matching = self.matching(event.identifier)
        yield len(matching)
        for instance in matching:
            yield 0xFF00, instance

    def stored(self, event: evt.Event) -> int:
        """C-STORE."""
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.held[str(dataset.SOPInstanceUID)] = dataset
        return 0x0000

    def matching(self, identifier: Dataset) -> list[Dataset]:
        asked = [identifier[keyword] for keyword in _KEYS.values() if identifier.get(keyword)]
        return [one for one in self.held.values() if all(one[key.tag].value == key.value for key in asked)]


@contextmanager
def fake_dimse() -> Iterator[FakeDimse]:
    archive = FakeDimse()
    entity = AE(ae_title="FAKE")
    entity.supported_contexts = StoragePresentationContexts
    for context in entity.supported_contexts:
        context.scu_role = context.scp_role = True
        context.transfer_syntax = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
    by_event: dict[Any, Callable[[evt.Event], Any]] = {
        evt.EVT_C_FIND: lambda event: archive.found(event),
        evt.EVT_C_GET: lambda event: archive.sent(event),
        evt.EVT_C_STORE: lambda event: archive.stored(event),
        evt.EVT_ACCEPTED: archive.associations.append,
        evt.EVT_RELEASED: archive.associations.append,
        evt.EVT_ABORTED: archive.associations.append,
    }
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(by_event.items()))
    assert server is not None
    archive.port = server.server_address[1]
    try:
        yield archive
    finally:
        archive.stop.set()
        server.shutdown()
