"""A request's head made unambiguous: path and query decoded once, header values with their contradictions found.

Where two servers could read a head differently, ``AmbiguousError`` names why, and the request is judged as
unrecognised. Must not know operations.

Theory. ``/CONTAINER/BLOB`` below an account's host; ``/ACCOUNT/CONTAINER/BLOB`` where the host does not name one. One
segment alone is a container where ``restype=container`` (Data Lake: always), else a blob of the root container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from haechi.domain.upload import Request

from haechi_connectors import heads
from haechi_connectors.azure.hosts import Host
from haechi_connectors.heads import (
    SINGLE,
    AmbiguousError,
    DecodedHead,
    arguments_of,
    check_framing,
    fields_of,
    pairs_of,
    target_of,
    text_of,
)

ACCOUNT = re.compile(r"[a-z0-9]{3,24}(?:-secondary)?")
CONTAINER = re.compile(r"\$root|\$web|\$logs|\$blobchangefeed|[a-z0-9](?:-?[a-z0-9]){2,62}")
ROOT = "$root"
OVERRIDES = (*heads.OVERRIDES, "x-http-verb-tunneling")
JOINED = ("x-ms-meta-",)
"""Headers that may be repeated though they begin with ``x-ms-``: nothing in them decides anything."""


@dataclass(frozen=True, slots=True)
class Head(DecodedHead):
    """The decoded head. Names of ``query`` are in lower case too: Azure reads both so."""

    account: str
    container: str
    key: str


def parse_head(request: Request, host: Host) -> Head:
    """Decode a head. Raises ``AmbiguousError``."""
    path, query = target_of(request)
    arguments = arguments_of((name.lower(), value) for name, value in pairs_of(query, plus=False))
    named = ((name.strip().lower(), value) for name, value in request.headers)
    fields = fields_of(named, _decides, joined=True)
    check_framing(request.method, fields, OVERRIDES)
    account, container, key = split(path, host, arguments)
    return Head(request.method, arguments, fields, account, container, key)


def split(path: str, host: Host, arguments: Mapping[str, str]) -> tuple[str, str, str]:
    """Account, container and key of a path. Raises ``AmbiguousError``."""
    rest, account = path[1:], host.account
    if not host.pathless:
        account, _, rest = rest.partition("/")
        if account and not ACCOUNT.fullmatch(account):
            raise AmbiguousError("account-name")
        account = account.removesuffix("-secondary")
    first, slash, raw = rest.partition("/")
    container, key = text_of(first), text_of(raw)
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


def _decides(name: str) -> bool:
    return name in SINGLE or (name.startswith("x-ms-") and not name.startswith(JOINED))
