"""A request's head made unambiguous: path and query decoded once, header values with their contradictions found.

Where two servers could read a head differently, ``AmbiguousError`` names why, and the request is judged as
unrecognised. Must not know operations.

Theory. ``/CONTAINER/BLOB`` below an account's host; ``/ACCOUNT/CONTAINER/BLOB`` where the host does not name one. One
segment alone is a container where ``restype=container`` (Data Lake: always), else a blob of the root container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from haechi.domain.upload import Request

from haechi_connectors.azure.hosts import Host, normal

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
PRINTABLE = re.compile(r"[\x21-\x7e]*")
ACCOUNT = re.compile(r"[a-z0-9]{3,24}(?:-secondary)?")
CONTAINER = re.compile(r"\$root|\$web|\$logs|\$blobchangefeed|[a-z0-9](?:-?[a-z0-9]){2,62}")
LENGTH = re.compile(r"[0-9]{1,18}")
ROOT = "$root"
OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override", "x-http-verb-tunneling")
SINGLE = frozenset({"content-length", "host", "content-type", "transfer-encoding", "authorization", "content-encoding"})
"""Headers of which two different values are a contradiction, beside all ``x-ms-…``."""
JOINED = ("x-ms-meta-",)
"""Headers that may be repeated: nothing in them decides anything."""


class AmbiguousError(Exception):
    """The head can be read in more than one way. ``reason`` is a stable code."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Head:
    """The decoded head. Names of ``query`` and ``fields`` are in lower case: Azure reads both so."""

    method: str
    account: str
    container: str
    key: str
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
    path, query = target_of(request.target, request.host, request.method)
    arguments = _arguments(_pairs(query))
    fields = _fields(request)
    if "content-length" in fields and not LENGTH.fullmatch(fields["content-length"]):
        raise AmbiguousError("content-length")
    if "content-length" in fields and "transfer-encoding" in fields:
        raise AmbiguousError("content-length-and-transfer-encoding")
    for name in OVERRIDES:
        if name in fields and fields[name].upper() != request.method:
            raise AmbiguousError("method-override")
    account, container, key = split(path, host, arguments)
    return Head(request.method, account, container, key, arguments, fields)


def target_of(target: str, host: str, method: str) -> tuple[str, str]:
    """Path and query as sent. Raises ``AmbiguousError``."""
    if not PRINTABLE.fullmatch(target) or "#" in target or "\\" in target:
        raise AmbiguousError("target-encoding")
    scheme = re.match(r"https?://", target, re.IGNORECASE)
    if scheme:
        authority, slash, rest = target[scheme.end() :].partition("/")
        if "?" in authority or "@" in authority or normal(authority) != normal(host):
            raise AmbiguousError("target-host")
        target = slash + rest or "/"
    if target == "*" and method == "OPTIONS":
        target = "/"
    if not target.startswith("/"):
        raise AmbiguousError("target-form")
    path, _, query = target.partition("?")
    return path, query


def split(path: str, host: Host, arguments: Mapping[str, str]) -> tuple[str, str, str]:
    """Account, container and key of a path. Raises ``AmbiguousError``."""
    rest, account = path[1:], host.account
    if not host.pathless:
        account, _, rest = rest.partition("/")
        if account and not ACCOUNT.fullmatch(account):
            raise AmbiguousError("account-name")
        account = account.removesuffix("-secondary")
    first, slash, raw = rest.partition("/")
    container, key = _text(first), _text(raw)
    if any(part in (".", "..") for part in key.split("/")) or "\\" in key:
        raise AmbiguousError("dot-segment")
    if not container and not key:
        return account, "", ""
    alone = not slash and host.service != "dfs" and arguments.get("restype", "").lower() != "container"
    if alone and container not in (ROOT, "$web", "$logs"):
        return account, ROOT, _named(container, re.compile(r"[^/\\]{1,1024}"), "blob-name")
    return account, _named(container, CONTAINER, "container-name"), key


def _named(name: str, form: re.Pattern[str], reason: str) -> str:
    if name in (".", "..") or not form.fullmatch(name):
        raise AmbiguousError(reason)
    return name


def _text(raw: str) -> str:
    """Percent-decoded once. Raises for what is no UTF-8."""
    if BAD_ESCAPE.search(raw):
        raise AmbiguousError("target-encoding")
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise AmbiguousError("target-encoding") from problem


def _pairs(query: str) -> Sequence[tuple[str, str]]:
    pairs = []
    for argument in query.split("&"):
        if argument:
            name, _, value = argument.partition("=")
            pairs.append((_text(name).lower(), _text(value)))
    return pairs


def _arguments(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    arguments: dict[str, str] = {}
    for name, value in pairs:
        if arguments.setdefault(name, value) != value:
            raise AmbiguousError("repeated-argument")
    return arguments


def _fields(request: Request) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for raw, value in request.headers:
        name = raw.strip().lower()
        decides = name in SINGLE or (name.startswith("x-ms-") and not name.startswith(JOINED))
        if name not in fields:
            fields[name] = value.strip()
        elif fields[name] != value.strip():
            if decides:
                raise AmbiguousError("repeated-header")
            fields[name] = f"{fields[name]},{value.strip()}"
    return fields
