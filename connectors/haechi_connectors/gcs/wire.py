"""From a request's head and its host to the action it asks for. What is ambiguous or new is unrecognised.

Knows the tables, the head and its details; must not know documents' contents or refusals. The paths of the JSON API are
told from those of the XML API as Google does: ``/storage/v1/…`` and its relatives are no bucket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from haechi.domain.facts import Unknown
from haechi.domain.upload import (
    Action,
    ActionKind,
    Assembly,
    BodyShape,
    ExposureChange,
    Framing,
    Location,
    Request,
    RequestEncryption,
)

from haechi_connectors.gcs import clear, details, operations
from haechi_connectors.gcs.documents import NOT_READ
from haechi_connectors.gcs.head import Head, bucket_of, parse_head, split
from haechi_connectors.gcs.hosts import PROVIDER, Host
from haechi_connectors.gcs.json_paths import GRPC, PATH, is_json, resembles_json
from haechi_connectors.gcs.operations import Carries, Level, Operation
from haechi_connectors.heads import AmbiguousError, announces_body, text_of

SERVICE: Final = "gcs"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
JOBS = "jobs"
HARMLESS_IN_READS = frozenset({
    "target-encoding", "bucket-name", "dot-segment", "repeated-argument", "encryption-contradiction", "copy-source",
})  # fmt: skip
"""Ambiguities of a name: whichever way a reading request is understood, it reads."""
JSON_PATTERNS = tuple((row.method, row.pattern, row.operation) for row in operations.JSON_API)
JSON_ARGUMENTS = frozenset({
    "alt", "fields", "key", "oauth_token", "access_token", "prettyPrint", "quotaUser", "userIp", "$.xgafv", "callback",
    "uploadType", "upload_id", "name", "contentEncoding", "kmsKeyName", "predefinedAcl", "projection", "userProject",
    "ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch",
    "ifSourceGenerationMatch", "ifSourceGenerationNotMatch", "ifSourceMetagenerationMatch",
    "ifSourceMetagenerationNotMatch", "destinationKmsKeyName", "destinationPredefinedAcl", "predefinedDefaultObjectAcl",
    "generation", "sourceGeneration", "rewriteToken", "maxBytesRewrittenPerCall", "project", "serviceAccountEmail",
    "enableObjectRetention", "overrideUnlockedRetention", "copySourceAcl", "recursive", "allowNonEmpty",
    "provisionalUserProject", "restoreToken", "softDeleted", "entity",
    "dropContextGroups",
})  # fmt: skip
"""Arguments of the JSON API that make no other operation of a request."""
FOLDERS = ("folders.", "managedFolders.")


@dataclass(frozen=True, slots=True)
class _Read:
    """What a head was understood as."""

    operation: Operation
    place: Location
    source: Location | None = None
    assembly: Assembly | None = None
    framing: Framing = Framing.PLAIN
    entity: str = ""


def action(request: Request, host: Host | None) -> Action:
    """Name what the request does; ``host`` is None where its host is not the store's. Never raises."""
    if host is None:
        return _unrecognised(request, Host(request.host), None, "host")
    try:
        head = parse_head(request)
    except AmbiguousError as problem:
        if request.method in READING and problem.reason in HARMLESS_IN_READS and not announces_body(request):
            return Action(PROVIDER, SERVICE, "Read", ActionKind.READ, route=host.route)
        return _unrecognised(request, host, None, problem.reason)
    try:
        return _action(host, head, _named(host, head))
    except AmbiguousError as problem:
        if head.method in READING and problem.reason in HARMLESS_IN_READS and not head.announces_body:
            return Action(PROVIDER, SERVICE, "Read", ActionKind.READ, route=host.route)
        return _unrecognised(request, host, head, problem.reason)


def speaks(request: Request, host: Host) -> bool:
    """Whether a request to a host of several services is this store's."""
    return not host.others or resembles_json(request.target)


def _named(host: Host, head: Head) -> _Read:
    """Raises ``AmbiguousError`` with the reason for which the request is not recognised."""
    if any(name.startswith("x-goog-upload-") for name in head.fields):
        raise AmbiguousError("upload-protocol")  # another protocol of sessions, which Google keeps for other products
    if JOBS in host.apis:
        if head.method not in READING or head.has_body:
            raise AmbiguousError("server-side-job")
        return _Read(operations.read("Read"), details.place(host, ""))
    if not host.bucket and is_json(head.path):
        if "json" not in host.apis:
            raise AmbiguousError("operation")
        return _json(host, head)
    if "xml" not in host.apis:
        raise AmbiguousError("operation")
    return _xml(host, head)


# --- JSON ---------------------------------------------------------------------------------------------------------


def _json(host: Host, head: Head) -> _Read:
    if head.path.startswith(GRPC):
        raise AmbiguousError("grpc")
    match = PATH.fullmatch(head.path)
    if match is None:
        raise AmbiguousError("batch" if head.path.startswith("/batch") else "api-version")
    root, path = match["root"], match["rest"][1:]
    if root == "/batch/storage/":
        raise AmbiguousError("batch")
    if "upload" in root:
        return _upload(host, head, path)
    if head.method in READING:
        if head.has_body:
            raise AmbiguousError("unexpected-body")
        found = re.match(r"b/(?P<bucket>[^/]+)(?:/o/(?P<object>[^/]+))?", path)
        place = _named_place(host, found.groupdict() if found else {})
        return _Read(operations.read("Read"), place)
    if root == "/download/storage/":
        raise AmbiguousError("operation")
    _check_arguments(head)
    for method, pattern, operation in JSON_PATTERNS:
        named = pattern.fullmatch(path) if method == head.method else None
        if named is not None:
            return _json_operation(host, head, operation, named.groupdict())
    if head.method == "POST" and (named := re.fullmatch(r"b/(?P<bucket>[^/]+)/o", path)):
        if {"uploadType", "upload_id"} & set(head.query) or head.media_type.startswith("multipart/"):
            raise AmbiguousError("upload-type")  # an upload, at an address where none belongs
        return _json_operation(
            host, head, operations.INSERT_EMPTY, {"key": head.query.get("name"), **named.groupdict()}
        )
    raise AmbiguousError("operation")


def _json_operation(host: Host, head: Head, operation: Operation, names: Mapping[str, str | None]) -> _Read:
    if operation.carries is Carries.NOTHING and head.announces_body and operation.kind is not ActionKind.COPY:
        raise AmbiguousError("unexpected-body")
    place = _named_place(host, names)
    source = None
    if operation.kind is ActionKind.COPY:
        if operation.carries is Carries.NOTHING and head.announces_body:
            raise AmbiguousError("unexpected-body")
        bucket, key = names.get("from_bucket") or names.get("bucket"), names.get("from_object") or names.get("object")
        source = details.place(host, bucket_of(bucket or ""), text_of(key or ""))
    if operation.name == "buckets.insert":
        place = details.place(host, "")
    return _Read(operation, place, source, entity=text_of(names.get("entity") or ""))


def _named_place(host: Host, names: Mapping[str, str | None]) -> Location:
    """The place that the segments of a path name. A key that came from the query is decoded already."""
    bucket, encoded, key = names.get("bucket"), names.get("object"), names.get("key")
    if not bucket:
        return details.place(host, "")
    return details.place(host, bucket_of(bucket), text_of(encoded) if encoded else key or "")


def _upload(host: Host, head: Head, path: str) -> _Read:
    match = re.fullmatch(r"b/(?P<bucket>[^/]+)/o", path)
    if match is None:
        raise AmbiguousError("operation")
    _check_arguments(head)
    place = details.place(host, bucket_of(match["bucket"]), head.query.get("name", ""))
    if "upload_id" in head.query:
        return _session(head, place)
    kind = head.query.get("uploadType", "")
    if head.method in READING and not head.has_body:
        return _Read(operations.read("Read"), place)
    if head.method != "POST":
        raise AmbiguousError("operation")
    if kind == "media":
        if not place.key:
            raise AmbiguousError("no-name")
        return _Read(operations.INSERT_MEDIA, place)
    if kind == "multipart":
        return _Read(operations.INSERT_RELATED, place, framing=Framing.RELATED)
    if kind == "resumable":
        return _Read(operations.BEGIN_SESSION, place, assembly=Assembly("", grows=True))
    raise AmbiguousError("upload-type")


def _check_arguments(head: Head) -> None:
    unknown = [name for name in head.query if name not in JSON_ARGUMENTS and not name.lower().startswith("x-goog-")]
    if unknown:
        raise AmbiguousError("unknown-argument")


def _session(head: Head, place: Location) -> _Read:
    """A request to a session that an earlier one began; its id is all that names the object, as a rule."""
    session = details.session_of(head.query.get("upload_id", ""))
    if head.method == "DELETE":
        if head.announces_body:
            raise AmbiguousError("unexpected-body")
        return _Read(operations.SESSION_CANCEL, place, assembly=Assembly(session, grows=True, abandons=True))
    if head.method != "PUT":
        raise AmbiguousError("operation")
    piece = details.chunk(head, session)
    if piece is None:
        return _Read(operations.SESSION_STATUS, place)
    return _Read(operations.SESSION_CHUNK, place, assembly=piece)


# --- XML ----------------------------------------------------------------------------------------------------------


def _xml(host: Host, head: Head) -> _Read:
    bucket, key = split(head.path, host)
    level = Level.OBJECT if key else Level.BUCKET if bucket else Level.SERVICE
    place = details.place(host, bucket, key)
    if head.method in READING:
        if head.has_body:
            raise AmbiguousError("unexpected-body")
        return _Read(operations.read("Read"), place)
    known = operations.SUBRESOURCES | operations.PARAMETERS
    if any(name not in known and not name.lower().startswith("x-") for name in head.query):
        raise AmbiguousError("unknown-argument")
    if "upload_id" in head.query:
        if level is not Level.OBJECT or any(name in operations.SUBRESOURCES for name in head.query):
            raise AmbiguousError("operation")
        return _session(head, place)
    return _xml_change(host, head, level, place)


def _xml_change(host: Host, head: Head, level: Level, place: Location) -> _Read:
    named = [name for name in head.query if name in operations.SUBRESOURCES]
    if len(named) > 1:
        raise AmbiguousError("several-subresources")
    subresource = named[0] if named else ""
    for name in head.fields:
        if name.startswith("x-goog-") and name.endswith("-source") and name != "x-goog-copy-source":
            raise AmbiguousError("unknown-source")
    resumable = head.value("x-goog-resumable")
    if resumable:
        if head.method != "POST" or level is not Level.OBJECT or resumable != "start" or named or head.announces_body:
            raise AmbiguousError("resumable")
        return _Read(operations.XML_BEGIN_SESSION, place, assembly=Assembly("", grows=True))
    if head.method == "POST" and level is not Level.SERVICE and not named and head.media_type == "multipart/form-data":
        return _Read(operations.FORM_POST, replace(place, key=""), framing=Framing.FORM)
    operation = operations.XML_API.get((head.method, level, subresource))
    if operation is None:
        raise AmbiguousError("operation")
    if operation.carries is Carries.NOTHING and head.announces_body:
        raise AmbiguousError("unexpected-body")
    source = None
    if "x-goog-copy-source" in head.fields:
        operation, source = _xml_copy(head, operation), details.source(head.value("x-goog-copy-source"), host)
    return _Read(operation, place, source, details.part_of(head, operation.name))


def _xml_copy(head: Head, operation: Operation) -> Operation:
    """Where a header makes a copy of a PUT."""
    if head.announces_body:
        raise AmbiguousError("copy-with-body")
    if operation.name == "PUT Object":
        return operations.XML_COPY
    if operation.name == "PUT Object part":
        return operations.XML_COPY_PART
    raise AmbiguousError("copy-source")


# --- both ---------------------------------------------------------------------------------------------------------


def _action(host: Host, head: Head, read: _Read) -> Action:
    operation, place = read.operation, read.place
    access, presigned = details.credential(head.fields, head.query)
    reads = operation.kind is ActionKind.READ
    body = BodyShape() if reads and operation.carries is Carries.NOTHING else _shape(head, read)
    return Action(
        provider=PROVIDER,
        service=SERVICE,
        operation=operation.name,
        kind=operation.kind,
        destination=place,
        source=read.source,
        body=body,
        route=host.route,
        encryption=RequestEncryption() if reads else details.encryption(head.fields, head.query),
        exposures=() if reads else _exposures(head, read),
        assembly=read.assembly,
        access_key=access,
        presigned=presigned,
        said=() if reads else clear.said(place.container, place.key, head.fields),
    )


def _shape(head: Head, read: _Read) -> BodyShape:
    body = details.shape(head, read.operation.carries, read.framing)
    if read.assembly is not None and body.wire_length is None and body.framing is Framing.PLAIN:
        body = replace(body, wire_length=details.ranged(head))
    named = details.codings(head.query.get("contentEncoding", ""))
    if not named:
        return body
    if body.content_encodings and body.content_encodings != named:
        raise AmbiguousError("content-encoding")
    return replace(body, content_encodings=named)


def _exposures(head: Head, read: _Read) -> tuple[ExposureChange, ...]:
    operation = read.operation
    changes = list(details.grants(head.fields, head.query))
    if not operation.aspect:
        return tuple(changes)
    if operation.carries is Carries.NOTHING:
        changes.append(ExposureChange(operation.aspect, operation.value, False))
    elif operation.aspect == "acl" and not head.has_body:
        if not changes:
            harmless = head.value("x-goog-acl") in details.HARMLESS_ACL
            changes.append(ExposureChange("acl", "private", False) if harmless else ExposureChange("acl"))
    else:
        targets = (read.entity,) if read.entity and operation.aspect == "acl" else ()
        changes.append(ExposureChange(operation.aspect, operation.value, Unknown(NOT_READ), targets))
    return tuple(changes)


def _unrecognised(request: Request, host: Host, head: Head | None, reason: str) -> Action:
    """The worst case, with as much as is certain: its body is still inspected."""
    fields: dict[str, str] = {}
    for name, value in request.headers:
        fields.setdefault(name.lower(), value)
    lengths = {value.strip() for value in request.header_values("content-length")}
    length = lengths.pop() if len(lengths) == 1 else ""
    body = BodyShape(
        Framing.PLAIN,
        int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None,
        content_encodings=details.codings(fields.get("content-encoding", "")),
        content_type=fields.get("content-type", ""),
    )
    place = None
    if head is not None:
        place = _certain(host, head)
        if not head.has_body:
            body = BodyShape()
    access, presigned = details.credential(fields, head.query if head else {})
    return Action(
        PROVIDER,
        SERVICE,
        "Unrecognised",
        ActionKind.UNRECOGNISED,
        place,
        body=body,
        route=host.route,
        access_key=access,
        presigned=presigned,
        reason=reason,
        said=clear.said(place.container, place.key, fields) if place else (),
    )


def _certain(host: Host, head: Head) -> Location | None:
    """The place that an unrecognised request names, where that much can be read."""
    try:
        if JOBS in host.apis:
            return details.place(host, "")
        if not host.bucket and is_json(head.path):
            found = re.search(r"/v1/b/([^/]+)", head.path)
            return details.place(host, bucket_of(found[1])) if found else details.place(host, "")
        return details.place(host, *split(head.path, host))
    except AmbiguousError:
        return None
