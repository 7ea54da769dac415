"""A request's head made unambiguous: path and query decoded once, header values with their contradictions found.

Where two servers could read a head differently, ``AmbiguousError`` names why, and the request is judged as
unrecognised. Must not know operations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from haechi.domain.upload import Request

from haechi_connectors.s3.hosts import Host, normal

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
PRINTABLE = re.compile(r"[\x21-\x7e]*")
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
LENGTH = re.compile(r"[0-9]{1,18}")
OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
SINGLE = frozenset({"content-length", "host", "content-type", "transfer-encoding", "authorization", "content-encoding"})
"""Headers of which two different values are a contradiction, beside all ``x-amz-…``."""
JOINED = ("x-amz-meta-", "x-amz-user-agent")
"""Headers that may be repeated: nothing in them decides anything."""


class AmbiguousError(Exception):
    """The head can be read in more than one way. ``reason`` is a stable code."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Head:
    """The decoded head. ``query`` keeps names as sent (case matters to S3); ``fields`` have lower-case names and hold
    what presigned URLs moved into the query, too.
    """

    method: str
    bucket: str
    key: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """A header's value by its lower-case name; empty where it is not there."""
        return self.fields.get(name, "")

    @property
    def length(self) -> int | None:
        """Content-Length."""
        text = self.value("content-length")
        return int(text) if text else None

    @property
    def announces_body(self) -> bool:
        """Whether a body of at least one byte is announced."""
        return bool(self.length) or "transfer-encoding" in self.fields

    @property
    def has_body(self) -> bool:
        """Whether a body is announced, or not ruled out for a method that has one."""
        if self.length is not None:
            return self.length > 0
        return "transfer-encoding" in self.fields or self.method not in ("GET", "HEAD", "DELETE", "OPTIONS")


def parse_head(request: Request, host: Host) -> Head:
    """Decode a head. Raises ``AmbiguousError``."""
    path, query = _target(request)
    pairs = _query(query)
    fields = _fields(request, pairs)
    if "content-length" in fields and not LENGTH.fullmatch(fields["content-length"]):
        raise AmbiguousError("content-length")
    if "content-length" in fields and "transfer-encoding" in fields:
        raise AmbiguousError("content-length-and-transfer-encoding")
    for name in OVERRIDES:
        if name in fields and fields[name].upper() != request.method:
            raise AmbiguousError("method-override")
    bucket, key = _split(path, host)
    return Head(request.method, bucket, key, _text(path), _arguments(pairs), fields)


def _target(request: Request) -> tuple[str, str]:
    target = request.target
    if not PRINTABLE.fullmatch(target) or "#" in target or "\\" in target:
        raise AmbiguousError("target-encoding")
    scheme = re.match(r"https?://", target, re.IGNORECASE)
    if scheme:
        authority, slash, rest = target[scheme.end() :].partition("/")
        if "?" in authority or "@" in authority or normal(authority) != normal(request.host):
            raise AmbiguousError("target-host")
        target = slash + rest or "/"
    if target == "*" and request.method == "OPTIONS":
        target = "/"
    if not target.startswith("/"):
        raise AmbiguousError("target-form")
    path, _, query = target.partition("?")
    return path, query


def _text(raw: str) -> str:
    """Percent-decoded once. Raises for what is no UTF-8."""
    if BAD_ESCAPE.search(raw):
        raise AmbiguousError("target-encoding")
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise AmbiguousError("target-encoding") from problem


def _split(path: str, host: Host) -> tuple[str, str]:
    """Bucket and key. A key is taken as it is, ``//`` and ``..`` included, for S3 does so; but where the bucket stands
    in the path too, a server that cleans paths would find another bucket: that is ambiguous.
    """
    if host.pathless:
        return host.bucket, _text(path[1:])
    if host.service == "s3-control":
        return "", ""
    segment, _, rest = path[1:].partition("/")
    if not segment and not rest:
        return "", ""
    key = _text(rest)
    if "%" in segment or not BUCKET.fullmatch(segment):
        raise AmbiguousError("bucket-name")
    if any(part in (".", "..") for part in key.split("/")):
        raise AmbiguousError("dot-segment")
    return segment, key


def _query(query: str) -> Sequence[tuple[str, str]]:
    pairs = []
    for argument in query.split("&"):
        if argument:
            name, _, value = argument.partition("=")
            pairs.append((_text(name), _text(value.replace("+", " "))))
    return pairs


def _arguments(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    arguments: dict[str, str] = {}
    for name, value in pairs:
        if arguments.setdefault(name, value) != value:
            raise AmbiguousError("repeated-argument")
    return arguments


def _fields(request: Request, pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    moved = [(name.lower(), value) for name, value in pairs if name.lower().startswith("x-amz-")]
    for raw, value in (*((name.lower(), value) for name, value in request.headers), *moved):
        name = raw.strip()
        decides = name in SINGLE or (name.startswith("x-amz-") and not name.startswith(JOINED))
        if name not in fields:
            fields[name] = value.strip()
        elif fields[name] != value.strip() and decides:
            raise AmbiguousError("repeated-header")
    return fields
