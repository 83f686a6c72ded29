"""What is known of an archive: its entry in the file of named archives, credentials, TLS and timeouts."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from monai_fusion.archive.address import Address, check_aet, parse_address, parse_host_port
from monai_fusion.errors import InputError

__all__ = ["ArchiveSettings", "read_settings"]

_LONGEST = 4096  # characters: of a token
_SECRETS = ("password", "token")
_PATHS = ("ca_file", "client_certificate", "client_key")


@dataclass(frozen=True)
class ArchiveSettings:
    """How to reach an archive. All but `name` are keys of an entry in the file of archives.

    Args:
        name: what the user calls it; for messages.
        address: where it is.
        calling_aet: our application entity title; the destination of a C-MOVE too.
        listen: host and port for the storage service of a C-MOVE; None without one.
        retrieve: ``"get"`` or ``"move"``; by default C-GET, and C-MOVE where that is refused and `listen` is set.
        ca_file: PEM file with the authority that signed the archive's certificate.
        client_certificate, client_key: PEM files, for archives that ask who calls.
        verify: whether the archive's certificate is checked.
        timeout: seconds to wait for a connection, and for each answer.
        user, password: for HTTP basic authentication.
        token: for HTTP bearer authentication.
    """

    name: str
    address: Address
    calling_aet: str = "MONAIFUSION"
    listen: tuple[str, int] | None = None
    retrieve: str | None = None
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    verify: bool = True
    timeout: float = 30.0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def tls_context(self) -> ssl.SSLContext:
        """TLS as a client.

        Raises:
            InputError: a certificate file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.client_certificate is not None:
                # an empty password, so that an encrypted key is refused and not asked for at the terminal
                context.load_cert_chain(self.client_certificate, self.client_key, password="")
        except OSError as error:  # ssl.SSLError among them
            raise InputError(
                f"{self.name}: its certificate files cannot be used ({error.strerror}); "
                "ca_file, client_certificate and client_key are PEM files, the key without a password"
            ) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def read_settings(archive: str, file: str | Path | None = None, **given: Any) -> ArchiveSettings:
    """What is known of an archive.

    Args:
        archive: an address, or a name in the file of archives.
        file: the file of archives; ``~/.config/monai-fusion/archives.toml`` by default.
        given: fields of `ArchiveSettings` that go before the file's; None is not given.

    Raises:
        InputError: no such name, or an entry that cannot be used.
    """
    if "://" in archive:
        entry, where, base = {"address": archive}, "the command line", Path()
        name = parse_address(archive).url or archive
    else:
        path = Path(file) if file is not None else _default_file()
        entry, where, base, name = _read_entry(path, archive), str(path), path.parent, archive
    if not {"user", *_SECRETS} & set(entry):
        variables = {key: os.environ.get(f"MONAI_FUSION_ARCHIVE_{key.upper()}") for key in ("user", *_SECRETS)}
        entry |= {key: value for key, value in variables.items() if value}
    entry |= {key: value for key, value in given.items() if value is not None}
    return ArchiveSettings(name=name, **_checked(entry, f"{where}, archive {name}", base))


def _default_file() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "monai-fusion" / "archives.toml"


def _read_entry(path: Path, name: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = path.read_text(encoding="utf-8")
        archives = tomllib.loads(text)
    except OSError as error:
        raise InputError(
            f"{path}: the file of archives cannot be read ({error.strerror}); write it (see docs/archive.md), "
            f"or give an address instead of the name {name!r}"
        ) from error
    except (ValueError, RecursionError) as error:  # no TOML or no UTF-8; the text might show a password
        raise InputError(f"{path}: is no TOML file; see docs/archive.md for what it looks like") from error
    for key, value in archives.items():
        if not isinstance(value, dict):
            raise InputError(f"{path}: {key} stands outside of an archive; write it below the [NAME] of one")
    entry = archives.get(name)
    if entry is None:
        known = ", ".join(archives) or "none"
        raise InputError(f"{path}: there is no archive {name!r}; there is: {known}")
    if any(key in entry for key in _SECRETS) and path.stat().st_mode & 0o077:
        raise InputError(f"{path}: holds a password or token and others may read it; chmod 600 {path}")
    return dict(entry)


def _is_kind(key: str, value: Any) -> bool:
    """Text is bounded and printable, but for the three from which a password or token is made."""
    if key == "verify":
        return isinstance(value, bool)
    if key == "timeout":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    if not isinstance(value, (str, Path)) or len(str(value)) > _LONGEST:
        return False
    return str(value).isprintable() or key in ("user", *_SECRETS)


def _checked(entry: Mapping[str, Any], where: str, base: Path) -> dict[str, Any]:
    """The values of an entry in the types of `ArchiveSettings`."""
    known = [one.name for one in fields(ArchiveSettings) if one.name != "name"]
    for key, value in entry.items():
        if key not in known:
            raise InputError(f"{where}: there is no setting {key!r}; there is: {', '.join(known)}")
        if not _is_kind(key, value):
            expected = {"verify": "true or false", "timeout": "a number of seconds above 0"}.get(
                key, "a text on one line"
            )
            raise InputError(f"{where}: {key} is not {expected}")
    if "address" not in entry:
        raise InputError(f"{where}: has no address; write address = 'https://host:port/dicom-web'")
    values: dict[str, Any] = {**entry, "address": parse_address(entry["address"])}
    if values.get("retrieve", "get") not in ("get", "move"):
        raise InputError(f"{where}: retrieve is {values['retrieve']!r}; write 'get' or 'move'")
    if "listen" in values:
        values["listen"] = parse_host_port(values["listen"])
    if "calling_aet" in values:
        values["calling_aet"] = check_aet(values["calling_aet"])
    for key in _PATHS:
        if key in values:
            values[key] = base / Path(values[key]).expanduser()
            if not values[key].is_file():
                raise InputError(f"{where}: {key}: there is no file {values[key]}")
    if "client_key" in values and "client_certificate" not in values:
        raise InputError(f"{where}: client_key has no client_certificate beside it")
    if ("user" in values) != ("password" in values):
        raise InputError(f"{where}: user and password go together; one of them is missing")
    return values
