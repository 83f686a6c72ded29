"""The certificate by which the processes of one local cluster know each other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Security

__all__ = ["temporary_security"]

_MARGIN = timedelta(days=365)  # on both sides: a clock that is set back must not make it a certificate of the future
_NAME = "monai-fusion-cohort"


def temporary_security() -> Security:
    """A `distributed.Security` with a key and a self-signed certificate that exist in memory alone.

    As ``Security.temporary``, whose certificate is not valid before it is made: a clock that is set back ends all
    further connections of its cluster.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID
    from distributed import Security

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _MARGIN)
        .not_valid_after(now + _MARGIN)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    roles = {
        f"tls_{role}_{part}": text
        for role in ("client", "scheduler", "worker")
        for part, text in (("key", secret), ("cert", pem))
    }
    return Security(require_encryption=True, tls_ca_file=pem, **roles)
