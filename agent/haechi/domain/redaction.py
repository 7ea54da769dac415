"""Mask credentials in what is about to be recorded or logged, and say what was masked.

Pure and total: hostile text is masked, never refused. A value is masked whole; half of a secret is still half a
secret. Public identifiers (access key ids, ``X-Amz-Credential``) stay: an auditor needs to know whose credential
was used. What this cannot know: secrets that somebody put into an object's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

MASK = "***"

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-amz-security-token",
        "x-amz-s3session-token",
        "x-amz-signature",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-copy-source-server-side-encryption-customer-key",
        "x-goog-encryption-key",
        "x-goog-copy-source-encryption-key",
        "x-goog-iam-authorization-token",
        "x-ms-encryption-key",
        "x-ms-copy-source-authorization",
        "x-api-key",
        "x-auth-token",
        "x-storage-token",
        "x-subject-token",
        "x-csrf-token",
        "private-token",
        "api-key",
    }
)
"""Header names whose whole value is a credential or a key. The digests of customer keys are not secret: they stay."""

LINK_HEADERS = frozenset({"location", "content-location", "referer", "origin", "x-ms-copy-source", "x-ms-source-url"})
"""Header names whose value is an address, which may carry credentials in its query or before its host."""

SECRET_PARAMETERS = frozenset(
    {
        "x-amz-signature",
        "x-amz-security-token",
        "x-goog-signature",
        "signature",
        "sig",
        "token",
        "access_token",
        "refresh_token",
        "id_token",
        "auth",
        "authorization",
        "code",
        "key",
        "api_key",
        "apikey",
        "api-key",
        "secret",
        "client_secret",
        "password",
        "passwd",
        "pwd",
        "session",
        "sessionid",
        "upload_token",
        "x-amz-server-side-encryption-customer-key",
    }
)
"""Query parameters, compared after decoding and without regard to case."""

_NESTED_DECODING = 3
"""How often a parameter's name is decoded before it is compared: proxies and tools encode names again."""

_SHORT = 64
"""Characters of a parameter's name that is worth remembering; a client may send any."""
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*@")
_SECRET_WORDS = re.compile("token|secret|password|passwd|signature|credential-key|private-key", re.ASCII)


def redact_target(target: str) -> tuple[str, tuple[str, ...]]:
    """Mask a request target or URL. Gives it back with every other byte untouched, and the names of what was masked.

    Masked are secret query parameters, also in a fragment, and whatever stands before ``@`` of an authority.
    """
    masked: list[str] = []
    found = _USERINFO.match(target)
    if found:
        target = f"{found.group(1) or ''}//{MASK}@{target[found.end() :]}"
        masked.append("userinfo")
    cut = min((at for at in (target.find("?"), target.find("#")) if at >= 0), default=-1)
    if cut < 0:
        return target, tuple(masked)
    path, rest = target[:cut], target[cut:]
    pieces = re.split("([?#&;])", rest)
    for at, piece in enumerate(pieces):
        name, _, value = piece.partition("=")
        look = _usual_name if len(name) <= _SHORT else _secret_name
        secret = look(name) if value and value != MASK else ""
        if secret:
            pieces[at] = f"{name}={MASK}"
            masked.append(secret)
    return path + "".join(pieces), tuple(dict.fromkeys(masked))


def redact_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Mask headers (names in any case; order and repetition kept), and name what was masked."""
    kept: list[tuple[str, str]] = []
    masked: list[str] = []
    for name, value in headers:
        lowered = name.strip().lower()
        if is_secret_header(lowered):
            kept.append((name, MASK if value else value))
            if value and value != MASK:
                masked.append(lowered)
        elif lowered in LINK_HEADERS:
            text, inside = redact_target(value)
            kept.append((name, text))
            masked.extend(f"{lowered}:{what}" for what in inside)
        else:
            kept.append((name, value))
    return tuple(kept), tuple(dict.fromkeys(masked))


def is_secret_header(name: str) -> bool:
    """Whether a header's value is a credential: the known ones, and any whose name says so. ``name`` in lower case."""
    return name in SECRET_HEADERS or (bool(_SECRET_WORDS.search(name)) and not name.endswith(("-md5", "-algorithm")))


def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter's value is a credential. ``name`` decoded, in lower case."""
    return name in SECRET_PARAMETERS or bool(_SECRET_WORDS.search(name.replace("_", "-")))


def _secret_name(name: str) -> str:
    """The decoded name of a parameter whose value is a credential; empty for others."""
    decoded = _decoded(name)
    return decoded if is_secret_parameter(decoded) else ""


_usual_name = lru_cache(maxsize=512)(_secret_name)
"""Few names come again and again."""


def _decoded(name: str) -> str:
    for _ in range(_NESTED_DECODING):
        plain = unquote_plus(name)
        if plain == name:
            break
        name = plain
    return name.strip().lower()
