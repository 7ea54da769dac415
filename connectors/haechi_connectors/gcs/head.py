"""A request's head made unambiguous: path and query decoded once, header values with their contradictions found.

Where two servers could read a head differently, ``AmbiguousError`` names why, and the request is judged as
unrecognised. The XML API takes ``x-amz-…`` for ``x-goog-…`` (interoperability); here both are ``x-goog-…``. Must not
know operations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from haechi.domain.upload import Request

from haechi_connectors import heads
from haechi_connectors.gcs.hosts import Host
from haechi_connectors.heads import (
    AmbiguousError,
    DecodedHead,
    Pair,
    arguments_of,
    check_framing,
    fields_of,
    pairs_of,
    target_of,
    text_of,
)

BUCKET = re.compile(r"[a-z0-9_][a-z0-9._-]{1,221}")
OVERRIDING = frozenset({"$httpmethod", "$httpheaders", "$httpbody", "$req"})
"""Arguments by which Google's own JavaScript (Closure's ``goog.net.rpc.HttpCors``) sends another method or headers."""
SINGLE = heads.SINGLE | {"content-range", "x-upload-content-length", "x-upload-content-type"}
"""Headers of which two different values are a contradiction, beside all ``x-goog-…``."""
JOINED = ("x-goog-meta-", "x-goog-api-client", "x-goog-user-agent")
"""Headers that may be repeated: nothing in them decides anything."""
SIGNING = ("x-goog-algorithm", "x-goog-credential", "x-goog-date", "x-goog-expires", "x-goog-security-token",
           "x-goog-signature", "x-goog-signedheaders")  # fmt: skip
"""Arguments of a signed URL that are no headers."""


@dataclass(frozen=True, slots=True)
class Head(DecodedHead):
    """The decoded head. ``path`` is still encoded; ``query`` keeps names as sent."""

    path: str

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.value("content-type").partition(";")[0].strip().lower()


def parse_head(request: Request) -> Head:
    """Decode a head. Raises ``AmbiguousError``."""
    path, query = target_of(request)
    pairs = pairs_of(query, plus=True)
    fields = _fields(request, pairs)
    check_framing(request.method, fields)
    if any(name.lower() in OVERRIDING for name, _ in pairs):
        raise AmbiguousError("method-override")
    return Head(request.method, arguments_of(pairs), fields, path)


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


def _fields(request: Request, pairs: Sequence[Pair]) -> Mapping[str, str]:
    """Headers, and arguments that stand for one."""
    lower = [(name.lower().strip(), value) for name, value in pairs]
    moved = [pair for pair in lower if pair[0].startswith(("x-goog-", "x-amz-")) and _neutral(pair[0]) not in SIGNING]
    sent = ((name.lower().strip(), value) for name, value in request.headers)
    return fields_of(((_neutral(name), value) for name, value in (*sent, *moved)), _decides)


def _decides(name: str) -> bool:
    return name in SINGLE or (name.startswith("x-goog-") and not name.startswith(JOINED))


def _neutral(name: str) -> str:
    return f"x-goog-{name[6:]}" if name.startswith("x-amz-") else name
