"""Keys in files, and signatures made with them (JWS, RFC 7515; detached, RFC 7797).

Ed25519 (EdDSA, RFC 8037), and P-256 (ES256, RFC 7518) for bundles that OPA verifies: the keys in OPA's own
configuration cannot be Ed25519. The key's type says how it signs, never the token. A private key is a PKCS#8 PEM file
that is encrypted with a passphrase or readable by its owner alone. A key's id is its JWK thumbprint (RFC 7638), so it
cannot name another key. ``typ`` ties a signature to its purpose: what was signed as a release never verifies as a
registry.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import jwt
import jwt.api_jws
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.algorithms import ECAlgorithm
from jwt.utils import base64url_encode

from haechi.domain.audit import canonical
from haechi.domain.errors import HaechiError
from haechi.durable import create_file

MAX_KEY_FILE = 16 * 1024

Passphrase = bytes | Callable[[], bytes] | None
"""The passphrase, or what asks a person for it when it turns out to be needed."""

PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey
"""An elliptic one is always P-256."""
PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class KeyKind(StrEnum):
    """What kinds of keys may sign; the value is what the command line calls them."""

    ED25519 = "ed25519"
    P256 = "p256"

    @property
    def algorithm(self) -> str:
        """The JWS ``alg``."""
        return "EdDSA" if self is KeyKind.ED25519 else "ES256"


def kind_of(key: object) -> KeyKind | None:
    """The kind of a private or public key; None where it is no kind that may sign."""
    if isinstance(key, Ed25519PublicKey | Ed25519PrivateKey):
        return KeyKind.ED25519
    if not isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return None
    return KeyKind.P256 if isinstance(key.curve, ec.SECP256R1) else None


def algorithm_of(key: PublicKey | PrivateKey) -> str:
    """How a key signs. Raises ``ValueError`` for one that may not."""
    kind = kind_of(key)
    if kind is None:
        raise ValueError("no kind of key that may sign")
    return kind.algorithm


def jwk_of(key: PublicKey) -> dict[str, str]:
    """The public key as a JWK (RFC 8037; RFC 7518, 6.2)."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        made = ECAlgorithm.to_jwk(key, as_dict=True)
        return {name: str(made[name]) for name in ("kty", "crv", "x", "y")}
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(raw).decode()}


def thumbprint(key: PublicKey) -> str:
    """The key's id: SHA-256 JWK thumbprint, base64url (RFC 7638)."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(canonical(jwk_of(key)))
    return base64url_encode(digest.finalize()).decode()


def typ_of(role: str) -> str:
    """The JWS ``typ`` of signatures made in a role."""
    return f"haechi-{role}+jws"


def load_public_key(text: str, where: str = "") -> PublicKey:
    """A public key from PEM or from a JWK's JSON. Raises ``HaechiError``: ``trust.key-unreadable``,
    ``trust.key-not-ed25519`` for a kind that may not sign.
    """
    try:
        if text.lstrip().startswith("{"):
            elliptic = json.loads(text).get("kty") == "EC"
            kind = KeyKind.P256 if elliptic else KeyKind.ED25519
            key: object = jwt.PyJWK.from_json(text, algorithm=kind.algorithm).key
        else:
            key = serialization.load_pem_public_key(text.encode())
    except (ValueError, TypeError, AttributeError, RecursionError, UnsupportedAlgorithm, jwt.PyJWTError) as error:
        raise HaechiError("trust.key-unreadable", file=where, cause=type(error).__name__) from error
    if not isinstance(key, Ed25519PublicKey | ec.EllipticCurvePublicKey) or kind_of(key) is None:
        raise HaechiError("trust.key-not-ed25519", file=where)
    return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that signs."""

    key: PrivateKey
    id: str

    @classmethod
    def of(cls, key: PrivateKey) -> SigningKey:
        """Wrap a key that is in memory."""
        return cls(key, thumbprint(key.public_key()))

    @classmethod
    def generate(cls, kind: KeyKind = KeyKind.ED25519) -> SigningKey:
        """Make a new key."""
        made = Ed25519PrivateKey.generate() if kind is KeyKind.ED25519 else ec.generate_private_key(ec.SECP256R1())
        return cls.of(made)

    @classmethod
    def load(cls, path: Path, passphrase: Passphrase = None) -> SigningKey:
        """Read a private key file.

        Raises ``HaechiError``: ``trust.key-missing``, ``trust.key-exposed`` (not encrypted and readable by others),
        ``trust.key-passphrase`` (missing or wrong), ``trust.key-unreadable``, ``trust.key-not-ed25519``.
        """
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                pem = file.read(MAX_KEY_FILE)
        except OSError as error:
            raise HaechiError("trust.key-missing", file=str(path), cause=error.strerror or "") from error
        encrypted = b"ENCRYPTED" in pem
        if not encrypted and mode & 0o077:
            raise HaechiError("trust.key-exposed", file=str(path), mode=f"{mode & 0o777:04o}")
        secret = (passphrase() if callable(passphrase) else passphrase) if encrypted else None
        try:
            key = serialization.load_pem_private_key(pem, secret or None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            code = "trust.key-passphrase" if encrypted else "trust.key-unreadable"
            raise HaechiError(code, file=str(path), cause=type(error).__name__) from error
        if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey) or kind_of(key) is None:
            raise HaechiError("trust.key-not-ed25519", file=str(path))
        return cls.of(key)

    @classmethod
    def load_or_make(cls, path: Path) -> SigningKey:
        """The key in a file of mode 0600, made there if there is none: for keys that a service owns itself."""
        if not path.exists():
            try:
                cls.generate().save(path)
            except HaechiError as error:
                if error.code != "trust.key-exists":
                    raise
        return cls.load(path)

    def save(self, path: Path, passphrase: bytes | None = None) -> None:
        """Write the key to a new file of mode 0600, whole or not at all.

        Raises ``HaechiError``: ``trust.key-exists`` instead of replacing, ``trust.key-unwritable``.
        """
        cipher: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            cipher = serialization.BestAvailableEncryption(passphrase)
        pem = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher)
        try:
            create_file(path, pem)
        except FileExistsError as error:
            raise HaechiError("trust.key-exists", file=str(path)) from error
        except OSError as error:
            raise HaechiError("trust.key-unwritable", file=str(path), cause=error.strerror or "") from error

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.key.public_key()

    @property
    def algorithm(self) -> str:
        """The JWS ``alg`` by which it signs."""
        return algorithm_of(self.key)

    def public_pem(self) -> str:
        """The public half as PEM (SubjectPublicKeyInfo)."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.public.public_bytes(serialization.Encoding.PEM, form).decode()

    def jwk(self) -> dict[str, str]:
        """The public half as a JWK."""
        return jwk_of(self.public)

    def sign(self, role: str, payload: bytes) -> str:
        """A detached JWS over ``payload``: ``header..signature``."""
        return jwt.api_jws.encode(
            payload, self.key, self.algorithm, {"kid": self.id, "typ": typ_of(role)}, is_payload_detached=True
        )

    def envelop(self, role: str, payload: bytes) -> str:
        """A JWS that carries ``payload`` in itself."""
        return jwt.api_jws.encode(payload, self.key, self.algorithm, {"kid": self.id, "typ": typ_of(role)})


def open_jws(role: str, token: bytes | str, key: PublicKey, detached: bytes | None = None) -> bytes:
    """Check one JWS against one key and give its payload. Raises ``jwt.PyJWTError`` for anything that is not right.

    The algorithm is pinned and the key's type is known, so a token cannot choose how it is checked.
    """
    opened = jwt.api_jws.decode_complete(token, key, [algorithm_of(key)], detached_payload=detached)
    if opened["header"].get("typ") != typ_of(role):
        raise jwt.InvalidTokenError("signed for another purpose")
    payload: bytes = opened["payload"]
    return payload
