"""Which public keys may sign what, and until when: ``trust.yaml``.

The file is the root of all that is signed, so it comes with the installation and belongs to root; a file that others
may write is refused. Nothing falls back: no key, no role, too early, too late, revoked or another algorithm are all
refusals with a name. A signature carries no trusted time, so a key's end ends all that it signed: sign anew before it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import jwt
import msgspec

from haechi.domain.errors import HaechiError
from haechi.domain.registry import Period, begins, ends
from haechi.outbound.trust.document import FIRST_YEAR, LAST_YEAR, Document, moment, parse_document, read_bytes
from haechi.outbound.trust.keys import PublicKey, load_public_key, open_jws, thumbprint
from haechi.ports.clock import Clock

MAX_SIGNATURE = 8 * 1024
MAX_ENVELOPE = 256 * 1024
SCHEMA = "haechi.trust/1"


class Role(StrEnum):
    """What a key may sign."""

    POLICY = "policy"
    REGISTRY = "registry"
    RELEASE = "release"
    EXCEPTION = "exception"
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One key and what it is trusted for."""

    id: str
    key: PublicKey
    roles: frozenset[str]
    name: str = ""
    period: Period = field(default_factory=Period)
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed: the key's id, the name that the trust list gives it, and in which role."""

    key: str
    name: str
    role: str


class Trust(Protocol):
    """Whose signatures count, now."""

    @property
    def revision(self) -> str:
        """Changes with the keys."""

    def verify(self, role: str, payload: bytes, signature: bytes | str) -> Signer:
        """Check a detached signature. Raises ``HaechiError('trust.…')`` unless a key in force signed just this."""

    def holds(self, signer: Signer) -> None:
        """Raises as ``verify`` unless the key of a signature that was checked before still is in force."""

    def open(self, role: str, token: bytes | str) -> tuple[bytes, Signer]:
        """Check a JWS that carries its payload, and give the payload. Raises as ``verify``."""


class TrustStore:
    """The keys of one trust list. ``revision`` is the list's digest."""

    def __init__(self, keys: Sequence[TrustedKey], clock: Clock, revision: str = "") -> None:
        self._keys: Mapping[str, TrustedKey] = {key.id: key for key in keys}
        self._clock = clock
        self.revision = revision

    @classmethod
    def load(cls, path: Path, clock: Clock) -> TrustStore:
        """Read a trust list.

        Raises ``HaechiError``: ``trust.missing``, ``trust.writable-by-others``, ``trust.malformed`` (with line and
        field), ``trust.key-unreadable``, ``trust.key-not-ed25519``, ``trust.key-id``, ``trust.key-twice``.
        """
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise HaechiError("trust.missing", file=str(path), cause=error.strerror or "") from error
        if stat.S_IMODE(mode) & 0o022:
            raise HaechiError("trust.writable-by-others", file=str(path), mode=f"{stat.S_IMODE(mode):04o}")
        raw = read_bytes(path, "trust")
        keys = _keys_of(parse_document(raw, str(path), "trust"))
        return cls(keys, clock, f"sha256:{hashlib.sha256(raw).hexdigest()}")

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        """All keys of the list, also those that are not in force."""
        return tuple(self._keys.values())

    def verify(self, role: str, payload: bytes, signature: bytes | str) -> Signer:
        """Check a detached signature. Raises ``HaechiError('trust.…')`` unless a key in force signed just this."""
        if len(signature) > MAX_SIGNATURE:
            raise HaechiError("trust.signature-malformed", role=role)
        trusted, _ = self._open(role, _bytes(signature), payload)
        return Signer(trusted.id, trusted.name, role)

    def holds(self, signer: Signer) -> None:
        """Raises as ``verify`` unless the key of a signature that was checked before still is in force.

        A key's id is its thumbprint, so no other key can stand in for it: the bytes need not be gone through again.
        """
        self._in_force(self._named(signer.key, signer.role), signer.role)

    def open(self, role: str, token: bytes | str) -> tuple[bytes, Signer]:
        """Check a JWS that carries its payload, and give the payload. Raises as ``verify``."""
        if len(token) > MAX_ENVELOPE:
            raise HaechiError("trust.signature-malformed", role=role)
        trusted, payload = self._open(role, _bytes(token), None)
        return payload, Signer(trusted.id, trusted.name, role)

    def _open(self, role: str, token: bytes, detached: bytes | None) -> tuple[TrustedKey, bytes]:
        try:
            named = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise HaechiError("trust.signature-malformed", role=role) from error
        trusted = self._named(named, role)
        self._in_force(trusted, role)
        try:
            return trusted, open_jws(role, token, trusted.key, detached)
        except jwt.InvalidSignatureError as error:
            raise HaechiError("trust.signature-wrong", role=role, key=trusted.id) from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise HaechiError("trust.signature-malformed", role=role) from error

    def _named(self, key: object, role: str) -> TrustedKey:
        trusted = self._keys.get(key) if isinstance(key, str) else None
        if trusted is None:
            raise HaechiError("trust.key-unknown", role=role, key=str(key)[:64])
        return trusted

    def _in_force(self, trusted: TrustedKey, role: str) -> None:
        if trusted.revoked:
            raise HaechiError("trust.key-revoked", role=role, key=trusted.id, name=trusted.name)
        if role not in trusted.roles:
            raise HaechiError("trust.key-role", role=role, key=trusted.id, name=trusted.name)
        if not trusted.period.holds(self._clock.now()):
            raise HaechiError("trust.key-not-in-force", role=role, key=trusted.id, name=trusted.name)


def _bytes(token: bytes | str) -> bytes:
    return (token if isinstance(token, bytes) else token.encode("utf-8", "replace")).strip()


def _keys_of(document: Document) -> list[TrustedKey]:
    data = document.data
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise document.fault((), "schema")
    unknown = set(data) - {"schema", "keys"}
    if unknown:
        raise document.fault((sorted(unknown)[0],), "unknown-field")
    listed = data.get("keys")
    if not isinstance(listed, list):
        raise document.fault(("keys",), "not-a-list")
    keys: dict[str, TrustedKey] = {}
    for at, entry in enumerate(listed):
        key = _key_of(document, at, entry)
        if key.id in keys:
            raise HaechiError("trust.key-twice", file=document.name, line=document.line(("keys", at)), key=key.id)
        keys[key.id] = key
    return list(keys.values())


_FIELDS = {"id", "name", "roles", "key", "not_before", "not_after", "revoked"}


def _key_of(document: Document, at: int, entry: Any) -> TrustedKey:
    where = ("keys", at)
    if not isinstance(entry, dict):
        raise document.fault(where, "not-a-mapping")
    unknown = set(entry) - _FIELDS
    if unknown:
        raise document.fault((*where, sorted(unknown)[0]), "unknown-field")
    roles = entry.get("roles")
    if not isinstance(roles, list) or not roles or any(role not in list(Role) for role in roles):
        raise document.fault((*where, "roles"), "roles")
    revoked = entry.get("revoked", False)
    if not isinstance(revoked, bool):
        raise document.fault((*where, "revoked"), "not-a-boolean")
    given = entry.get("key")
    text = msgspec.json.encode(given).decode() if isinstance(given, dict) else given
    if not isinstance(text, str):
        raise document.fault((*where, "key"), "not-a-key")
    key = load_public_key(text, f"{document.name}:{document.line((*where, 'key'))}")
    if entry.get("id", thumbprint(key)) != thumbprint(key):
        raise HaechiError("trust.key-id", file=document.name, line=document.line((*where, "id")), key=thumbprint(key))
    start, end = (_moment(document, (*where, name), entry.get(name)) for name in ("not_before", "not_after"))
    period = Period(begins(start) if start else None, ends(end) if end else None)
    return TrustedKey(thumbprint(key), key, frozenset(roles), str(entry.get("name", "")), period, revoked)


def _moment(document: Document, where: tuple[str | int, ...], value: Any) -> dt.date | dt.datetime | None:
    if value is None:
        return None
    found = moment(value)
    if found is None:
        raise document.fault(where, "not-a-date")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise document.fault(where, f"year: {FIRST_YEAR} to {LAST_YEAR}")
    return found
