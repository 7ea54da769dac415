"""What signs the leaves, as a folder keeps it: a root, an intermediate, and the keys.

Theory. They are of use only together, so they lie in one file that is replaced as one: a crash leaves the old or the
new. Files of their own, written one after the other, could leave a key without its certificate, and an agent that does
not start.

==================  ==================================================================================
file                holds
==================  ==================================================================================
``authority.pem``   the intermediate's key, intermediate, root; where it is kept, the root's key
``root.pem``        a copy of the root, for people and their tools; never read back
==================  ==================================================================================

Earlier agents had ``intermediate.key``, ``intermediate.pem``, ``root.pem`` and ``root.key``: taken over when read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from haechi.domain.errors import HaechiError
from haechi.durable import replace_file

_WHOLE: Final = "authority.pem"
_ROOT: Final = "root.pem"
_EARLIER: Final = ("intermediate.key", "intermediate.pem", "root.key")
_KEYS = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Issuer:
    """The intermediate with its key, and the root that clients trust. ``root_key`` None: destroyed, as it should be."""

    root: x509.Certificate
    intermediate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    root_key: ec.EllipticCurvePrivateKey | None = None

    @property
    def root_pem(self) -> bytes:
        """The certificate that clients trust."""
        return self.root.public_bytes(Encoding.PEM)

    @property
    def intermediate_pem(self) -> bytes:
        """The certificate that signs the leaves."""
        return self.intermediate.public_bytes(Encoding.PEM)

    @property
    def pem(self) -> bytes:
        """All of it, private keys too."""
        kept = private_pem(self.root_key) if self.root_key else b""
        return private_pem(self.key) + self.intermediate_pem + self.root_pem + kept

    @classmethod
    def of(cls, pem: bytes) -> Issuer:
        """What ``pem`` holds. Raises ``ValueError`` where that is not all there, or does not belong together."""
        try:
            intermediate, root = x509.load_pem_x509_certificates(pem)
            intermediate.verify_directly_issued_by(root)
            key, *kept = (load_pem_private_key(found.group(), None) for found in _KEYS.finditer(pem))
        except (TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise ValueError("not a chain") from error
        root_key = kept[0] if kept else None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != intermediate.public_key():
            raise ValueError("another key than the intermediate's")
        if root_key is None:
            return cls(root, intermediate, key)
        if not isinstance(root_key, ec.EllipticCurvePrivateKey) or root_key.public_key() != root.public_key():
            raise ValueError("another key than the root's")
        return cls(root, intermediate, key, root_key)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key, not encrypted: only for files and sockets of the agent's own user."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def is_kept(folder: Path) -> bool:
    """Whether a folder holds an issuer, in whatever shape."""
    return (folder / _WHOLE).exists() or (folder / _ROOT).exists()


def read_issuer(folder: Path) -> Issuer:
    """The issuer of a folder; one of the earlier layout is in the present one afterwards.

    Raises ``HaechiError``: ``datapath.authority-missing``, ``datapath.authority-unreadable``,
    ``datapath.authority-unwritable``.
    """
    if not is_kept(folder):
        raise HaechiError("datapath.authority-missing", folder=str(folder))
    try:
        names: tuple[str, ...] = (_WHOLE,)
        if not (folder / _WHOLE).exists():
            names = (*_EARLIER[:2], _ROOT, *(name for name in _EARLIER[2:] if (folder / name).exists()))
        issuer = Issuer.of(b"".join((folder / name).read_bytes() for name in names))
        tidy = names == (_WHOLE,) and (folder / _ROOT).exists() and (folder / _ROOT).read_bytes() == issuer.root_pem
    except (OSError, ValueError) as error:
        raise HaechiError("datapath.authority-unreadable", folder=str(folder)) from error
    if not tidy or any((folder / name).exists() for name in _EARLIER):
        keep_issuer(folder, issuer)
    return issuer


def keep_issuer(folder: Path, issuer: Issuer) -> None:
    """Put an issuer in the place of a folder's. Raises ``HaechiError('datapath.authority-unwritable')``."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(folder / _WHOLE, issuer.pem)
        replace_file(folder / _ROOT, issuer.root_pem, mode=0o644)
        for name in _EARLIER:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise HaechiError("datapath.authority-unwritable", folder=str(folder), reason=reason) from error
