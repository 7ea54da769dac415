"""What is the same in every cloud's reading of a request's head: decoded once, its contradictions found.

Where two servers could read a head differently, ``AmbiguousError`` names why, and the request is judged as
unrecognised. Where container and key stand, which headers decide and which arguments stand for one is each cloud's own
(``head`` in its folder). Must not know clouds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from haechi.domain.upload import Request

from haechi_connectors.host_names import normal

BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
PRINTABLE: Final = re.compile(r"[\x21-\x7e]*")
LENGTH: Final = re.compile(r"[0-9]{1,18}")
OVERRIDES: Final = ("x-http-method-override", "x-http-method", "x-method-override")
"""Headers by which some servers take another method than the one sent."""
SINGLE: Final = frozenset({
    "content-length", "host", "content-type", "transfer-encoding", "authorization", "content-encoding",
})  # fmt: skip
"""Headers of which two different values are a contradiction at any store."""

Pair = tuple[str, str]


class AmbiguousError(Exception):
    """The head can be read in more than one way. ``reason`` is a stable code."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class DecodedHead:
    """The decoded head. Names of ``fields`` are in lower case."""

    method: str
    query: Mapping[str, str]
    fields: Mapping[str, str]

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


def announces_body(request: Request) -> bool:
    """Whether a head that was not understood announces a body, in any of its readings."""
    lengths = request.header_values("content-length")
    return bool(request.header_values("transfer-encoding")) or any(value.strip() != "0" for value in lengths)


def target_of(request: Request) -> tuple[str, str]:
    """Path and query as sent. Raises ``AmbiguousError``."""
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


def text_of(raw: str) -> str:
    """Percent-decoded once. Raises ``AmbiguousError`` for what is no UTF-8."""
    if BAD_ESCAPE.search(raw):
        raise AmbiguousError("target-encoding")
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise AmbiguousError("target-encoding") from problem


def pairs_of(query: str, *, plus: bool) -> list[Pair]:
    """Names and values of the arguments, decoded; ``plus``: it stands for a space in values. Raises
    ``AmbiguousError``.
    """
    pairs = []
    for argument in query.split("&"):
        if argument:
            name, _, value = argument.partition("=")
            pairs.append((text_of(name), text_of(value.replace("+", " ") if plus else value)))
    return pairs


def arguments_of(pairs: Iterable[Pair]) -> Mapping[str, str]:
    """Arguments by their names. Raises ``AmbiguousError`` for two values of one."""
    arguments: dict[str, str] = {}
    for name, value in pairs:
        if arguments.setdefault(name, value) != value:
            raise AmbiguousError("repeated-argument")
    return arguments


def fields_of(named: Iterable[Pair], decides: Callable[[str], bool], *, joined: bool = False) -> Mapping[str, str]:
    """Headers by their names, which are in lower case. Of one that is repeated with another value the first counts, or
    all where they are ``joined``. Raises ``AmbiguousError`` where it ``decides`` something.
    """
    fields: dict[str, str] = {}
    for name, value in named:
        if name not in fields:
            fields[name] = value.strip()
        elif fields[name] != value.strip():
            if decides(name):
                raise AmbiguousError("repeated-header")
            if joined:
                fields[name] = f"{fields[name]},{value.strip()}"
    return fields


def check_framing(method: str, fields: Mapping[str, str], overrides: Iterable[str] = OVERRIDES) -> None:
    """Raises ``AmbiguousError`` where servers could disagree about the body's length or the method."""
    if "content-length" in fields and not LENGTH.fullmatch(fields["content-length"]):
        raise AmbiguousError("content-length")
    if "content-length" in fields and "transfer-encoding" in fields:
        raise AmbiguousError("content-length-and-transfer-encoding")
    for name in overrides:
        if name in fields and fields[name].upper() != method:
            raise AmbiguousError("method-override")
