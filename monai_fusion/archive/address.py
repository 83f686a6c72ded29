"""Where an archive is: the root of a DICOMweb service, or a DIMSE application entity."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from monai_fusion.errors import InputError

__all__ = ["Address", "check_aet", "parse_address", "parse_host_port"]

_FORMS = "https://host:port/dicom-web or dimse://CALLED_AET@host:port (dimse-tls:// with TLS)"


@dataclass(frozen=True)
class Address:
    """An archive's address.

    Args:
        scheme: ``"http"``, ``"https"``, ``"dimse"`` or ``"dimse-tls"``.
        host, port: where it listens; the port of http and https may be left to the scheme.
        url: the root of the DICOMweb service, without a slash at its end; empty for DIMSE.
        called_aet: the archive's application entity title; empty for DICOMweb.
    """

    scheme: str
    host: str
    port: int | None
    url: str = ""
    called_aet: str = ""

    @property
    def is_dicomweb(self) -> bool:
        return self.scheme.startswith("http")

    @property
    def is_encrypted(self) -> bool:
        return self.scheme in ("https", "dimse-tls")


def parse_address(text: str) -> Address:
    """Takes an address apart.

    Raises:
        InputError: it is none, or it holds a password: those are never written on a command line.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:  # its text may hold a password that was taken for a port
        raise InputError(f"the archive's address cannot be read; write {_FORMS}") from error
    dicomweb = parts.scheme in ("http", "https")
    if parts.password is not None or (dicomweb and parts.username is not None):
        raise InputError(
            "the archive's address holds a user or password; leave them out of it and put them into the environment, "
            "~/.netrc or the file of archives (see docs/archive.md)"
        )
    if parts.query or parts.fragment:
        raise InputError(f"{text}: an archive's address has no ? and no #; write {_FORMS}")
    if dicomweb and parts.hostname:
        return Address(parts.scheme, parts.hostname, port, url=text.rstrip("/"))
    if (
        parts.scheme in ("dimse", "dimse-tls")
        and parts.hostname
        and port
        and parts.username
        and parts.path in ("", "/")
    ):
        return Address(parts.scheme, parts.hostname, port, called_aet=check_aet(unquote(parts.username)))
    raise InputError(f"{text}: is no address of an archive; write {_FORMS}")


def check_aet(title: str) -> str:
    """An application entity title as PS3.5 has it: 1 to 16 characters, no backslash, no control character.

    Raises:
        InputError: it is none.
    """
    if not 1 <= len(title.strip()) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise InputError(f"{title!r}: is no AE title; write 1 to 16 letters, digits or signs without a backslash")
    return title.strip()


def parse_host_port(text: str) -> tuple[str, int]:
    """``HOST:PORT``, where the storage service of a C-MOVE listens.

    Raises:
        InputError: it is none.
    """
    try:
        parts = urlsplit(f"//{text}")
        if parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise InputError(f"{text}: is no address to listen on; write HOST:PORT, for example 127.0.0.1:11113")
