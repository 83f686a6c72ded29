"""A certificate authority made on the spot by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificates:
    """An authority, and a certificate for 127.0.0.1 signed by it."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True)
    made = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    authority_key = folder / "authority.key"
    _openssl(authority_key, made.authority, "/CN=Hospital CA", "basicConstraints=critical,CA:TRUE")
    signed = ["-CA", str(made.authority), "-CAkey", str(authority_key)]
    _openssl(made.key, made.certificate, "/CN=archive", "subjectAltName=IP:127.0.0.1", *signed)
    return made


def _openssl(key: Path, certificate: Path, subject: str, extension: str, *signed: str) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject]
    command += ["-keyout", str(key), "-out", str(certificate), "-addext", extension, *signed]
    subprocess.run(command, check=True, capture_output=True)
