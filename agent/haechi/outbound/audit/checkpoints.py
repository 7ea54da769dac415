"""Signed statements that a record had a hash: made, written beside the log, and read again.

A checkpoint is useful in so far as somebody else has seen it: hand ``checkpoints.jsonl`` (or single lines of it) to
another party, and whoever changes the log later cannot change what that party holds.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

import jwt
import msgspec
import structlog

from haechi.domain.audit import Checkpoint, Link, canonical
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.durable import replace_file
from haechi.outbound.audit.segments import KEYS
from haechi.outbound.trust.keys import PublicKey, SigningKey, jwk_of, load_public_key, open_jws, thumbprint

ROLE = "checkpoint"
MAX_LINE = 8 * 1024
_UNREADABLE = "unreadable"
MAX_WITNESSES = 1000
"""How many of the newest local checkpoints are held against the log; those in the chain itself are all checked."""

_log = structlog.get_logger(__name__)

Keys = Mapping[str, PublicKey]


class _Statement(msgspec.Struct, frozen=True):
    kind: str
    seq: int
    hash: str
    time: str


def sign(key: SigningKey, link: Link, time: str) -> Checkpoint:
    """State that the chain stood at ``link`` at ``time``."""
    statement = canonical({"kind": ROLE, "seq": link.seq, "hash": link.hash, "time": time})
    return Checkpoint(link.seq, link.hash, time, key.id, key.envelop(ROLE, statement))


def opened(jws: str, keys: Keys) -> Checkpoint:
    """The checkpoint in a JWS. Raises ``ValueError`` unless one of ``keys`` signed it."""
    try:
        named = str(jwt.get_unverified_header(jws).get("kid"))
        if named not in keys:
            raise ValueError("unknown key")
        statement = msgspec.json.decode(open_jws(ROLE, jws, keys[named]), type=_Statement)
    except (jwt.PyJWTError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if statement.kind != ROLE:
        raise ValueError("no checkpoint")
    return Checkpoint(statement.seq, statement.hash, statement.time, named, jws)


def read(path: Traversable, keys: Keys, newest: int = MAX_WITNESSES) -> tuple[tuple[Checkpoint, ...], int]:
    """The newest checkpoints of a file (each line a JSON object with ``jws``, or a bare JWS), and how many lines were
    none. Raises ``HaechiError('audit.checkpoint-missing')``.
    """
    kept: deque[bytes] = deque(maxlen=newest)
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE):
                if line.strip():
                    kept.append(line.strip())
    except OSError as error:
        raise HaechiError("audit.checkpoint-missing", file=str(path), cause=error.strerror or "") from error
    good: list[Checkpoint] = []
    bad = 0
    for line in kept:
        try:
            good.append(opened(_jws_of(line), keys))
        except ValueError:
            bad += 1
    return tuple(good), bad


def _jws_of(line: bytes) -> str:
    if not line.startswith(b"{"):
        return line.decode("ascii")
    try:
        said = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        jws: str = msgspec.json.decode(said["jws"], type=str)
    except (msgspec.DecodeError, KeyError) as error:
        raise ValueError("no checkpoint") from error
    return jws


def read_keys(path: Traversable) -> dict[str, PublicKey]:
    """Public keys from a file: JWKS, one JWK, or PEM. Raises ``HaechiError('trust.key-…')``."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise HaechiError("trust.key-missing", file=str(path), cause=type(error).__name__) from error
    try:
        listed = msgspec.json.decode(text, type=dict).get("keys") if text.lstrip().startswith("{") else None
    except msgspec.DecodeError as error:
        raise HaechiError("trust.key-unreadable", file=str(path), cause="JSON") from error
    texts = [msgspec.json.encode(item).decode() for item in listed] if isinstance(listed, list) else [text]
    keys = [load_public_key(item, str(path)) for item in texts]
    return {thumbprint(key): key for key in keys}


def publish_key(folder: Path, key: SigningKey) -> None:
    """Keep the public keys that ever signed here beside the log. Raises ``OSError``."""
    path = folder / KEYS
    known: dict[str, PublicKey] = {}
    try:
        known = read_keys(path)
    except HaechiError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            # Without these keys what they signed counts as forged: they are somebody's to mend, never thrown away.
            kept = _set_aside(path)
            _log.error("audit-keys-unreadable", kept_as=kept.name, cause=error.code)
    if key.id in known:
        return
    jwks: dict[str, JSON] = {"keys": [_entry(k) for k in (*known.values(), key.public)]}
    replace_file(path, msgspec.json.format(canonical(jwks), indent=2) + b"\n")


def keys_set_aside(folder: Traversable) -> list[str]:
    """The names of files that held public keys and could not be read."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(f"{KEYS}.{_UNREADABLE}-"))


def _set_aside(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.{_UNREADABLE}-{n}") for n in itertools.count(1))
    return path.rename(next(name for name in names if not os.path.lexists(name)))


def _entry(key: PublicKey) -> dict[str, str]:
    return {**jwk_of(key), "kid": thumbprint(key)}


def lines(checkpoints: Iterable[Checkpoint]) -> bytes:
    """Checkpoints as lines of ``checkpoints.jsonl``."""
    return b"".join(canonical(checkpoint.as_json()) + b"\n" for checkpoint in checkpoints)
