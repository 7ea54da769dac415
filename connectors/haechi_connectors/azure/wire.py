"""From a request's head and its host to the action it asks for. What is ambiguous or new is unrecognised.

Knows the tables, the head and its details; must not know documents' contents or refusals.
"""

from __future__ import annotations

import re
from dataclasses import replace

from haechi.domain.upload import Action, ActionKind, Assembly, BodyShape, Framing, Location, Request, RequestEncryption

from haechi_connectors.azure import details
from haechi_connectors.azure.head import Head, parse_head
from haechi_connectors.azure.hosts import PROVIDER, Host, Hosts
from haechi_connectors.azure.operations import (
    ARGUMENTS,
    BLOB,
    BLOB_TYPES,
    BY_SOURCE,
    COPY_BLOB,
    DATA_LAKE,
    ON_BOTH,
    PUT_BLOB,
    PUT_FROM_URL,
    RENAME,
    Carries,
    Level,
    Operation,
    Pieces,
    read,
)
from haechi_connectors.heads import AmbiguousError, announces_body

READING = frozenset({"GET", "HEAD", "OPTIONS"})
HARMLESS_IN_READS = frozenset({
    "target-encoding", "account-name", "container-name", "blob-name", "dot-segment", "repeated-argument",
})  # fmt: skip
"""Ambiguities of a name: whichever way a reading request is understood, it reads."""
KNOWN_SOURCES = frozenset({"x-ms-copy-source", "x-ms-rename-source", "x-ms-undelete-source"})
BLOCKS, GROWING = "blocks:", "append:"
"""How the ids of assemblies begin: named blocks of a blob, and blobs and files that are written to in place."""
ITSELF = frozenset({"SnapshotBlob", "UndeleteBlob"})
"""Copies of what lies, or lay, at the very place."""
OFFSET = re.compile(r"[0-9]{1,18}")
RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})")


def action(request: Request, host: Host | None, hosts: Hosts) -> Action:
    """Name what the request does; ``host`` is None where its host is not Azure's. Never raises."""
    if host is None:
        return _unrecognised(request, Host("unknown", request.host), None, "host")
    try:
        head = parse_head(request, host)
    except AmbiguousError as problem:
        if request.method in READING and problem.reason in HARMLESS_IN_READS and not announces_body(request):
            return Action(host.provider, host.service, "Read", ActionKind.READ, route=host.route)
        return _unrecognised(request, host, None, problem.reason)
    try:
        return _named(host, head, hosts)
    except AmbiguousError as problem:
        return _unrecognised(request, host, head, problem.reason)


def _named(host: Host, head: Head, hosts: Hosts) -> Action:
    """Raises ``AmbiguousError`` with the reason for which the request is not recognised."""
    if head.method in READING:
        if head.announces_body:
            raise AmbiguousError("unexpected-body")
        return _action(host, head, read("Read"), hosts)
    if host.service not in ("blob", "dfs"):
        raise AmbiguousError("operation")
    operation = _change(host, head)
    if operation.carries is Carries.NOTHING and head.announces_body:
        raise AmbiguousError("unexpected-body")
    return _action(host, head, operation, hosts)


def _change(host: Host, head: Head) -> Operation:
    if any(name not in ARGUMENTS for name in head.query):
        raise AmbiguousError("unknown-argument")
    for name in head.fields:
        if name.startswith("x-ms-") and name.endswith("-source") and name not in KNOWN_SOURCES:
            raise AmbiguousError("unknown-source")
    level = Level.BLOB if head.key else Level.CONTAINER if head.container else Level.SERVICE
    comp, restype = (head.query.get(name, "").lower() for name in ("comp", "restype"))
    verb, resource = (head.query.get(name, "").lower() for name in ("action", "resource"))
    if host.service == "dfs" and not comp and not restype:
        return _of_lake(head, DATA_LAKE.get((head.method, level, resource, verb)))
    if verb or resource or (host.service == "dfs" and (restype or comp not in ON_BOTH)):
        raise AmbiguousError("operation")
    found = BLOB.get((head.method, level, restype, comp))
    if found is None:
        raise AmbiguousError("operation")
    return _by_headers(head, found)


def _of_lake(head: Head, found: Operation | None) -> Operation:
    renames = "x-ms-rename-source" in head.fields
    if renames and head.method == "PUT" and head.key and head.query.get("resource") is None:
        return RENAME
    if found is None:
        raise AmbiguousError("operation")
    if (
        renames
        or "x-ms-copy-source" in head.fields
        or (found.name == "LeasePath" and not head.value("x-ms-lease-action"))
    ):
        raise AmbiguousError("rename-source" if renames else "operation")
    return found


def _by_headers(head: Head, operation: Operation) -> Operation:
    """Where a header makes another operation of a PUT."""
    copies, kind = "x-ms-copy-source" in head.fields, head.value("x-ms-blob-type").lower()
    if "x-ms-rename-source" in head.fields:
        raise AmbiguousError("rename-source")
    if copies and head.announces_body:
        raise AmbiguousError("copy-with-body")
    if operation.name == PUT_BLOB:
        if copies:
            return PUT_FROM_URL if kind else COPY_BLOB
        if kind not in BLOB_TYPES:
            raise AmbiguousError("blob-type")
        return BLOB_TYPES[kind]
    if operation.name == "PutPage":
        write = head.value("x-ms-page-write").lower()
        if write not in ("update", "clear") or (write == "clear" and copies):
            raise AmbiguousError("page-write")
        operation = operation if write == "update" else read("ClearPages")
    if copies and operation.name != "IncrementalCopyBlob":
        if operation.name not in BY_SOURCE:
            raise AmbiguousError("copy-source")
        return BY_SOURCE[operation.name]
    if not copies and operation.name == "IncrementalCopyBlob":
        raise AmbiguousError("copy-source")
    return operation


def _place(host: Host, head: Head) -> Location:
    """A container is named ``ACCOUNT/CONTAINER``: container names repeat from account to account, while an account's
    name is one of its cloud's own, and both endpoints (blob and dfs) name the same container. Empty for the account
    itself.
    """
    container = f"{head.account}/{head.container}" if head.container else ""
    return Location(host.provider, container, head.key, host.region, host.endpoint, store=host.store)


def _action(host: Host, head: Head, operation: Operation, hosts: Hosts) -> Action:
    access, presigned = details.credential(head.fields, head.query)
    reads = operation.kind is ActionKind.READ
    place = _place(host, head)
    quiet = reads and operation.carries is Carries.NOTHING
    return Action(
        provider=host.provider,
        service=host.service,
        operation=operation.name,
        kind=operation.kind,
        destination=place,
        source=_source(host, head, operation, place, hosts),
        body=BodyShape() if quiet else details.shape(head, operation),
        route=host.route,
        encryption=RequestEncryption() if reads else details.encryption(head.fields),
        exposures=() if reads else details.exposures(head, operation),
        assembly=_assembly(head, operation),
        access_key=access,
        presigned=presigned,
        said=() if reads else details.said(place.container, head.key, head.fields),
    )


def _source(host: Host, head: Head, operation: Operation, place: Location, hosts: Hosts) -> Location | None:
    if operation.kind is not ActionKind.COPY:
        return None
    if operation.name in ITSELF:
        return place
    if operation is RENAME:
        path = head.value("x-ms-rename-source")
        if not path.startswith("/"):
            raise AmbiguousError("rename-source")
        prefix = "" if host.pathless else f"/{head.account}"
        return details.source(f"https://{host.endpoint}{prefix}{path}", hosts)
    return details.source(head.value("x-ms-copy-source"), hosts)


def _assembly(head: Head, operation: Operation) -> Assembly | None:
    """A block's name, or where in the object the bytes go: an append blob's end has no number, the ledger's does."""
    match operation.pieces:
        case Pieces.NONE:
            return None
        case Pieces.BLOCK:
            return Assembly(BLOCKS + head.key, name=details.block_name(head.query.get("blockid", "")), alone=True)
        case Pieces.LIST:
            return Assembly(BLOCKS + head.key, alone=True)
        case Pieces.APPEND:
            position = head.value("x-ms-blob-condition-appendpos")
            return Assembly(GROWING + head.key, _offset(position) if position else None, grows=True)
        case Pieces.PATH:
            return Assembly(GROWING + head.key, _offset(head.query.get("position", "")), grows=True)
        case Pieces.PAGE:
            return Assembly(GROWING + head.key, _page(head), grows=True, scattered=True)
    return Assembly(GROWING + head.key, 0, grows=True, begins=True)


def _offset(text: str) -> int:
    if not OFFSET.fullmatch(text):
        raise AmbiguousError("position")
    return int(text)


def _page(head: Head) -> int:
    said = {head.value(name) for name in ("x-ms-range", "range")} - {""}
    match = RANGE.fullmatch(said.pop()) if len(said) == 1 else None
    if match is None or int(match[2]) < int(match[1]):
        raise AmbiguousError("range")
    return int(match[1])


def _unrecognised(request: Request, host: Host, head: Head | None, reason: str) -> Action:
    """The worst case, with as much as is certain: its body is still inspected."""
    fields: dict[str, str] = {}
    for name, value in request.headers:
        fields.setdefault(name.lower(), value)
    coding = fields.get("content-encoding", "")
    codings = tuple(c.strip().lower() for c in coding.split(",") if c.strip().lower() not in ("", "identity"))
    body = BodyShape(Framing.PLAIN, None, None, "", codings, fields.get("content-type", ""))
    lengths = {value.strip() for value in request.header_values("content-length")}
    if len(lengths) == 1 and OFFSET.fullmatch(next(iter(lengths))):
        body = replace(body, wire_length=int(next(iter(lengths))))
    if head is not None and not head.has_body:
        body = BodyShape()
    place = _place(host, head) if head is not None else None
    access, presigned = details.credential(fields, head.query if head else {})
    return Action(
        host.provider or PROVIDER,
        host.service,
        "Unrecognised",
        ActionKind.UNRECOGNISED,
        place,
        body=body,
        route=host.route,
        access_key=access,
        presigned=presigned,
        reason=reason,
        said=details.said(place.container, place.key, fields) if place else (),
    )
