"""A request's head made unambiguous: path and query decoded once, header values with their contradictions found.

Where two servers could read a head differently, ``AmbiguousError`` names why, and the request is judged as
unrecognised. The XML API takes ``x-amz-…`` for ``x-goog-…`` (interoperability); here both are ``x-goog-…``. Must not
know operations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from haechi.domain.upload import Request

from haechi_connectors.gcs.hosts import Host, normal

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
PRINTABLE = re.compile(r"[\x21-\x7e]*")
BUCKET = re.compile(r"[a-z0-9_][a-z0-9._-]{1,221}")
LENGTH = re.compile(r"[0-9]{1,18}")
OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
OVERRIDING = frozenset({"$httpmethod", "$httpheaders", "$httpbody", "$req"})
"""Arguments by which Google's own JavaScript (Closure's ``goog.net.rpc.HttpCors``) sends another method or headers."""
SINGLE = frozenset({
    "authorization", "content-encoding", "content-length", "content-range", "content-type", "host", "transfer-encoding",
    "x-upload-content-length", "x-upload-content-type",
})  # fmt: skip
"""Headers of which two different values are a contradiction, beside all ``x-goog-…``."""
JOINED = ("x-goog-meta-", "x-goog-api-client", "x-goog-user-agent")
"""Headers that may be repeated: nothing in them decides anything."""
SIGNING = ("x-goog-algorithm", "x-goog-credential", "x-goog-date", "x-goog-expires", "x-goog-security-token",
           "x-goog-signature", "x-goog-signedheaders")  # fmt: skip
"""Arguments of a signed URL that are no headers."""


class AmbiguousError(Exception):
    """The head can be read in more than one way. ``reason`` is a stable code."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Head:
    """The decoded head. ``path`` is still encoded; ``query`` keeps names as sent; ``fields`` have lower-case names."""

    method: str
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

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.value("content-type").partition(";")[0].strip().lower()


def parse_head(request: Request) -> Head:
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
    if any(name.lower() in OVERRIDING for name, _ in pairs):
        raise AmbiguousError("method-override")
    return Head(request.method, path, _arguments(pairs), fields)


def text_of(raw: str) -> str:
    """Percent-decoded once. Raises ``AmbiguousError`` for what is no UTF-8."""
    if BAD_ESCAPE.search(raw):
        raise AmbiguousError("target-encoding")
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise AmbiguousError("target-encoding") from problem


def bucket_of(segment: str) -> str:
    """A bucket as it stands in a path. Raises ``AmbiguousError``."""
    if "%" in segment or not BUCKET.fullmatch(segment):
        raise AmbiguousError("bucket-name")
    return segment


def split(path: str, host: Host) -> tuple[str, str]:
    """Bucket and key of a path of the XML API. A key is taken as it is; but where the bucket stands in the path too, a
    server that cleans paths would find another bucket: that is ambiguous. Raises ``AmbiguousError``.
    """
    if host.bucket:
        return host.bucket, text_of(path[1:])
    segment, _, rest = path[1:].partition("/")
    if not segment and not rest:
        return "", ""
    key = text_of(rest)
    if any(part in (".", "..") for part in key.split("/")):
        raise AmbiguousError("dot-segment")
    return bucket_of(segment), key


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


def _query(query: str) -> Sequence[tuple[str, str]]:
    pairs = []
    for argument in query.split("&"):
        if argument:
            name, _, value = argument.partition("=")
            pairs.append((text_of(name), text_of(value.replace("+", " "))))
    return pairs


def _arguments(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    arguments: dict[str, str] = {}
    for name, value in pairs:
        if arguments.setdefault(name, value) != value:
            raise AmbiguousError("repeated-argument")
    return arguments


def _fields(request: Request, pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Headers, and arguments that stand for one."""
    fields: dict[str, str] = {}
    lower = [(name.lower().strip(), value) for name, value in pairs]
    moved = [pair for pair in lower if pair[0].startswith(("x-goog-", "x-amz-")) and _neutral(pair[0]) not in SIGNING]
    for raw, value in (*((name.lower().strip(), value) for name, value in request.headers), *moved):
        name = _neutral(raw)
        decides = name in SINGLE or (name.startswith("x-goog-") and not name.startswith(JOINED))
        if name not in fields:
            fields[name] = value.strip()
        elif fields[name] != value.strip() and decides:
            raise AmbiguousError("repeated-header")
    return fields


def _neutral(name: str) -> str:
    return f"x-goog-{name[6:]}" if name.startswith("x-amz-") else name
