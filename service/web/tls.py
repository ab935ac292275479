"""The certificate that the server shows: the user's, or one of its own making, known by its fingerprint."""

from __future__ import annotations

import datetime
import hashlib
import os
import socket
import ssl
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from models.errors import MyocastError
from models.installation import install_command
from service.loopback import is_address, machine_addresses

VALID_DAYS: Final = 365
"""Days that a certificate of our own making is valid; browsers take none of much more."""
RENEW_DAYS: Final = 30
"""Days before its end from which a new one is made."""
FILE: Final = "self-signed.pem"


class TlsError(MyocastError):
    """A certificate or key that cannot be used."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that can be served."""

    context: ssl.SSLContext
    fingerprint: str
    """SHA-256 of the certificate, as browsers show it: AA:BB:…"""


def load(cert: Path, key: Path | None = None) -> Certificate:
    """Load a certificate (with its chain) and its key, PEM files; without `key` both are in one file.

    Raises:
        TlsError: a file cannot be read, is no PEM, needs a password, or the two do not belong together.
    """
    for option, path in (("--tls-cert", cert), ("--tls-key", key)):
        if path is not None and not path.is_file():
            raise TlsError(f"{option} {path}: no such file; give a PEM file")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=b"")
        first = cert.read_text(encoding="ascii", errors="replace")
        der = ssl.PEM_cert_to_DER_cert(_first_certificate(first))
    except (OSError, ValueError) as error:
        reason = _reason(error)
        raise TlsError(
            f"--tls-cert {cert}: cannot be used ({reason}); give a certificate and its own key, PEM without a password"
        ) from None
    return Certificate(context, fingerprint(der))


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate as browsers show it."""
    return hashlib.sha256(der).digest().hex(":").upper()


def self_signed(host: str, folder: Path | None = None) -> Certificate:
    """A certificate of our own making for this machine, made once and used until it ends.

    Args:
        host: that the server is bound to.
        folder: where it is kept; None: where the user's programs keep their state.

    Raises:
        TlsError: the package `cryptography` is missing, or the file cannot be written.
    """
    _check_package()
    folder = folder or state_folder()
    path, names = folder / FILE, _names(host)
    if not _still_good(path, names):
        content = _make(names)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            # The key is readable for its owner alone from the beginning.
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            partial.replace(path)
        except OSError as error:
            raise TlsError(
                f"--tls-self-signed: {path} cannot be written ({error.strerror}); set XDG_STATE_HOME to another folder"
            ) from None
    return load(path)


def state_folder() -> Path:
    """Where a user's programs keep what they made themselves."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "myocast"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "myocast"


def _names(host: str) -> list[str]:
    machine = socket.gethostname().lower()
    found = ["localhost", "127.0.0.1", "::1", machine, f"{machine}.local", *machine_addresses()]
    if not is_address(host) or not ip_address(host).is_unspecified:
        found.append(host.lower())
    return sorted(set(found))


def _still_good(path: Path, names: list[str]) -> bool:
    """Whether the certificate in a file names all of these, and is valid for a while."""
    from cryptography import x509

    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path, password=b"")
        known = x509.load_pem_x509_certificate(path.read_bytes())
        alternatives = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError):
        return False
    told = {str(one.value) for one in alternatives}
    left = known.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return set(names) <= told and left > datetime.timedelta(days=RENEW_DAYS)


def _make(names: list[str]) -> bytes:
    """A new key and a certificate that names these, PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Myocast, self-signed")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address(one)) if is_address(one) else x509.DNSName(one) for one in names]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _check_package() -> None:
    if find_spec("cryptography") is None:
        raise TlsError(
            f"--tls-self-signed needs the package `cryptography`, which is not installed; run: {install_command('tls')}"
        )


def _first_certificate(text: str) -> str:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    at = text.index(begin)
    return text[at : text.index(end, at) + len(end)]


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        words = (error.reason or "no PEM").replace("_", " ").lower()
        return "no PEM, or a password is needed" if words in ("pem lib", "no pem") else words
    return error.strerror or str(error) if isinstance(error, OSError) else "no certificate in it"
