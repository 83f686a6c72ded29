"""An archive that speaks DICOMweb: QIDO-RS, WADO-RS and STOW-RS by dicomweb-client."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NoReturn

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_netrc_auth

from monai_fusion.archive.client import (
    Answer,
    ArchiveClient,
    ArchivedSeries,
    ArchivedStudy,
    ArchiveError,
    Outgoing,
    UnreachableError,
)
from monai_fusion.archive.settings import ArchiveSettings
from monai_fusion.archive.status import answer_of, in_words
from monai_fusion.errors import FusionError

__all__ = ["DicomwebArchive"]

#: One STOW-RS request holds files up to this size together (or one larger file): it is put together in memory.
BATCH_BYTES = 16 << 20

_AS_STORED = (("application/dicom", "*"),)

_AGAIN: tuple[int, ...] = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

_ADVICE: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "does not accept the user, password or token; set them (see docs/archive.md)",
    HTTPStatus.FORBIDDEN: "does not allow this; have this user's rights in the archive checked",
    HTTPStatus.NOT_FOUND: "has nothing there; check the address, which is the root of its DICOMweb service",
    HTTPStatus.METHOD_NOT_ALLOWED: "does not do this; check the address, which is the root of its DICOMweb service",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "does not take files of this size; have its limit raised, or send by DIMSE",
}


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class DicomwebArchive(ArchiveClient):
    """See `ArchiveClient`. Redirections are refused and proxies not used: patient data goes to this address alone."""

    def __init__(self, settings: ArchiveSettings) -> None:
        super().__init__(settings)
        settings.tls_context()  # refuses certificate files that requests would only stumble over
        session = requests.Session()
        session.trust_env = False
        session.verify = str(settings.ca_file) if settings.verify and settings.ca_file else settings.verify
        if settings.client_certificate is not None:
            key = settings.client_key or settings.client_certificate
            session.cert = (str(settings.client_certificate), str(key))
        session.hooks["response"].append(self._refuse_redirection)
        if settings.token is not None:
            session.auth = _Bearer(settings.token)
        else:
            login = (
                get_netrc_auth(settings.address.url) if settings.user is None else (settings.user, settings.password)
            )
            if login is not None:
                session.auth = HTTPBasicAuth(*(str(word).encode() for word in login))  # as text it would be Latin-1
        timeout = (settings.timeout, settings.timeout)
        self._client = DICOMwebClient(settings.address.url, session=session, timeout=timeout, permissive_uid=True)
        self._client.set_http_retry_params(retry=False)  # `retrying` does, connections that break off included
        self._store_client = DICOMwebClient(settings.address.url, session=session, timeout=timeout, chunk_size=1 << 40)
        self._store_client.set_http_retry_params(retry=False)

    def find_studies(self, keys: Mapping[str, str]) -> list[ArchivedStudy]:
        found = self._search(self._client.search_for_studies, "StudyInstanceUID", search_filters=dict(keys))
        return [self.study_from(one) for one in found]

    def find_series(self, study_uid: str) -> list[ArchivedSeries]:
        found = self._search(self._client.search_for_series, "SeriesInstanceUID", study_instance_uid=study_uid)
        return [self.series_from(study_uid, one) for one in found]

    def find_instances(self, study_uid: str, series_uid: str) -> dict[str, str]:
        search = self._client.search_for_instances
        found = self._search(search, "SOPInstanceUID", study_instance_uid=study_uid, series_instance_uid=series_uid)
        return dict(self.instance_from(one) for one in found)

    def _search(self, search: Callable[..., list[dict[str, Any]]], keyword: str, **keys: Any) -> list[Dataset]:
        """All pages of an answer. An archive that does not know pages sends the first again, which ends it too."""
        found: dict[str, Dataset] = {}
        with self._told():
            while True:
                page = [Dataset.from_json(entry) for entry in search(offset=len(found), **keys)]
                new = {str(one[keyword].value): one for one in page if str(one[keyword].value) not in found}
                if not new:
                    return list(found.values())
                found |= new

    def retrieve(self, series: ArchivedSeries, sop_classes: Sequence[str], keep: Callable[[Dataset], None]) -> None:
        with self._told():
            for instance in self._client.iter_series(series.study_uid, series.uid, media_types=_AS_STORED):
                keep(instance)

    def store(self, files: Sequence[Outgoing], tell: Callable[[Outgoing, Answer], None]) -> None:
        for batch in _batches(files):
            with self._told():
                datasets = [pydicom.dcmread(file.path) for file in batch]
                answers = self._answers(self._post(datasets))
                for file in batch:
                    tell(file, answers.get(file.uid, Answer(False, "the archive did not say what became of it")))

    def _post(self, datasets: Sequence[Dataset]) -> Dataset:
        try:
            return self._store_client.store_instances(datasets)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == HTTPStatus.CONFLICT:
                return Dataset.from_json(error.response.json())  # none was stored; it says why for each
            raise

    @staticmethod
    def _answers(answer: Dataset) -> dict[str, Answer]:
        """What a STOW-RS response (PS3.18 I.2) says of each SOPInstanceUID."""
        answers = {}
        for item in answer.get("ReferencedSOPSequence", []):
            remark = item.get("WarningReason")
            answers[str(item.ReferencedSOPInstanceUID)] = Answer(True, "" if remark is None else in_words(int(remark)))
        for item in answer.get("FailedSOPSequence", []):
            reason = int(item.get("FailureReason", 0x0110))
            answers[str(item.ReferencedSOPInstanceUID)] = Answer(False, answer_of(reason).remark or in_words(reason))
        return answers

    def _refuse_redirection(self, response: requests.Response, *args: Any, **kwargs: Any) -> None:
        if response.is_redirect:
            raise ArchiveError(f"{self.name}: sends us on to another address; give that address instead")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tells what went wrong without the text of the exceptions, which holds URLs and so identifiers."""
        try:
            yield
        except (ArchiveError, FusionError):
            raise
        except requests.exceptions.SSLError as error:
            raise ArchiveError(
                f"{self.name}: no trusted connection ({_cause(error)}); "
                "set ca_file to the authority that signed its certificate, and check the host name"
            ) from error
        except requests.Timeout as error:
            raise UnreachableError(
                f"{self.name}: no answer within {self.settings.timeout:g} s; check the address, or set a longer timeout"
            ) from error
        except requests.HTTPError as error:
            self._tell_http(error)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise UnreachableError(
                f"{self.name}: cannot be reached ({_cause(error)}); check the address and the archive"
            ) from error
        except Exception as error:  # whatever JSON, multipart and DICOM parsers raise on rubbish
            raise ArchiveError(
                f"{self.name}: its answer is no DICOMweb ({type(error).__name__}); "
                "check the address, which is the root of its DICOMweb service"
            ) from error

    def _tell_http(self, error: requests.HTTPError) -> NoReturn:
        assert error.response is not None
        code = error.response.status_code
        kind = UnreachableError if code in _AGAIN else ArchiveError
        advice = _ADVICE.get(code, "could not do this; look into the archive's log")
        raise kind(f"{self.name}: {advice} (HTTP {code})") from error


def _batches(files: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    size = 0
    for file in files:
        length = file.path.stat().st_size
        if batch and size + length > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch:
        yield batch


def _cause(error: BaseException) -> str:
    """The operating system's or TLS's own words under a stack of wrappers."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "the connection broke off"
