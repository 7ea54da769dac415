"""Trust bundles: the system's roots, the company's extra ones and ours in one file, because the usual variables
(``AWS_CA_BUNDLE``, ``SSL_CERT_FILE`` …) replace a store instead of adding to it.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

from haechi.domain.errors import HaechiError
from haechi.durable import replace_file

TRUSTSTORE_PASSWORD = "haechi"  # noqa: S105 - a trust store holds no secret; Java wants some password
_PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_roots(places: Iterable[str] = _PLACES) -> Path:
    """The file of the system's roots. Raises ``HaechiError('datapath.no-system-roots')``."""
    default = ssl.get_default_verify_paths().cafile
    for place in (*places, *([default] if default else [])):
        if Path(place).is_file():
            return Path(place)
    raise HaechiError("datapath.no-system-roots", places=", ".join(places))


def write_bundle(path: Path, system: Path, extra: Iterable[Path], *own: bytes) -> None:
    """Write roots for others to read (0644). Raises ``HaechiError('datapath.bad-root')``."""
    parts = [system.read_bytes(), *(read_roots(file) for file in extra), *own]
    replace_file(path, b"\n".join(part.strip() for part in parts) + b"\n", mode=0o644)


def read_roots(file: Path) -> bytes:
    """The PEM certificates of a file. Raises ``HaechiError('datapath.bad-root')``."""
    try:
        data = file.read_bytes()
        x509.load_pem_x509_certificates(data)
    except (OSError, ValueError) as error:
        raise HaechiError("datapath.bad-root", file=str(file)) from error
    return data


def write_java_truststore(path: Path, bundle: Path) -> None:
    """The same roots as a PKCS#12 trust store for Java."""
    with warnings.catch_warnings():
        # Some systems still carry roots with a serial number of zero; that is theirs to mend.
        warnings.simplefilter("ignore")
        certificates = x509.load_pem_x509_certificates(bundle.read_bytes())
    entries = [PKCS12Certificate(certificate, f"root-{n}".encode()) for n, certificate in enumerate(certificates)]
    store = serialize_java_truststore(entries, BestAvailableEncryption(TRUSTSTORE_PASSWORD.encode()))
    replace_file(path, store, mode=0o644)
