"""A request's head made unambiguous: path and query decoded once, header values with their contradictions found.

Where two servers could read a head differently, ``AmbiguousError`` names why, and the request is judged as
unrecognised. Must not know operations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from haechi.domain.upload import Request

from haechi_connectors.heads import (
    SINGLE,
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
from haechi_connectors.s3.hosts import Host

BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
JOINED = ("x-amz-meta-", "x-amz-user-agent")
"""Headers that may be repeated though they begin with ``x-amz-``: nothing in them decides anything."""


@dataclass(frozen=True, slots=True)
class Head(DecodedHead):
    """The decoded head. ``query`` keeps names as sent (case matters to S3); ``fields`` hold what presigned URLs moved
    into the query, too.
    """

    bucket: str
    key: str
    path: str


def parse_head(request: Request, host: Host) -> Head:
    """Decode a head. Raises ``AmbiguousError``."""
    path, query = target_of(request)
    pairs = pairs_of(query, plus=True)
    fields = _fields(request, pairs)
    check_framing(request.method, fields)
    bucket, key = _split(path, host)
    return Head(request.method, arguments_of(pairs), fields, bucket, key, text_of(path))


def _split(path: str, host: Host) -> tuple[str, str]:
    """Bucket and key. A key is taken as it is, ``//`` and ``..`` included, for S3 does so; but where the bucket stands
    in the path too, a server that cleans paths would find another bucket: that is ambiguous.
    """
    if host.pathless:
        return host.bucket, text_of(path[1:])
    if host.service == "s3-control":
        return "", ""
    segment, _, rest = path[1:].partition("/")
    if not segment and not rest:
        return "", ""
    key = text_of(rest)
    if "%" in segment or not BUCKET.fullmatch(segment):
        raise AmbiguousError("bucket-name")
    if any(part in (".", "..") for part in key.split("/")):
        raise AmbiguousError("dot-segment")
    return segment, key


def _fields(request: Request, pairs: Sequence[Pair]) -> Mapping[str, str]:
    moved = [(name.lower(), value) for name, value in pairs if name.lower().startswith("x-amz-")]
    named = ((name.lower().strip(), value) for name, value in (*request.headers, *moved))
    return fields_of(named, _decides)


def _decides(name: str) -> bool:
    return name in SINGLE or (name.startswith("x-amz-") and not name.startswith(JOINED))
