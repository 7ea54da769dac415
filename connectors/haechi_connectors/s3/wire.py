"""From a request's head and its host to the action it asks for. What is ambiguous or new is unrecognised.

Knows the tables, the head and its details; must not know sites, documents' contents or refusals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

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

from haechi_connectors.heads import AmbiguousError, announces_body
from haechi_connectors.s3 import clear, details, documents
from haechi_connectors.s3.control import CONTROL, OUTPOSTS_SERVICE, VERSION
from haechi_connectors.s3.head import Head, parse_head
from haechi_connectors.s3.hosts import ALIASES, Host
from haechi_connectors.s3.operations import (
    CHANGES,
    COPY,
    COPY_PART,
    FORM_POST,
    LAMBDA_RESPONSE,
    PARAMETERS,
    READS,
    SUBRESOURCES,
    Carries,
    Level,
    Operation,
)

READING = frozenset({"GET", "HEAD", "OPTIONS"})
HARMLESS_IN_READS = frozenset(
    {"target-encoding", "bucket-name", "dot-segment", "repeated-argument", "encryption-contradiction", "copy-source"}
)
"""Ambiguities of a name: whichever way a reading request is understood, it reads."""
KNOWN_SOURCES = frozenset({"x-amz-copy-source", "x-amz-rename-source"})
APPEND = "append:"
"""How the ids of assemblies begin that are objects which grow."""
DIRECTORIES = ("--x-s3", "--xa-s3")
"""How directory buckets end, and the access points to them."""
CONTROL_PATTERNS = tuple((row.method, row.pattern, row.operation) for row in CONTROL)
CONTROL_SERVICES = frozenset({"s3-control", "s3-outposts", "s3-express-control"})


def action(request: Request, host: Host | None) -> Action:
    """Name what the request does; ``host`` is None where its host is not S3's. Never raises."""
    if host is None:
        return _unrecognised(request, Host("s3-unknown", request.host), None, "host")
    try:
        head = parse_head(request, host)
    except AmbiguousError as problem:
        if request.method in READING and problem.reason in HARMLESS_IN_READS and not announces_body(request):
            return Action(host.provider, host.service, "Read", ActionKind.READ, route=host.route)
        return _unrecognised(request, host, None, problem.reason)
    try:
        return _named(host, head)
    except AmbiguousError as problem:
        return _unrecognised(request, host, head, problem.reason)


def _named(host: Host, head: Head) -> Action:
    """Raises ``AmbiguousError`` with the reason for which the request is not recognised."""
    method = head.method
    control = head.path.startswith((VERSION + "/", "/S3Outposts/")) and not host.pathless
    if control and host.service in CONTROL_SERVICES:
        return _control(host, head)
    if host.service == "s3-control" or (host.service in ("s3-unknown", "s3-website") and method not in READING):
        if method in READING and not head.has_body:
            return Action(host.provider, host.service, "Read", ActionKind.READ, _place(host, head), route=host.route)
        raise AmbiguousError("operation")
    level = Level.OBJECT if head.key else Level.BUCKET if head.bucket else Level.SERVICE
    if host.service == "s3-object-lambda" and method == "POST" and head.key == "WriteGetObjectResponse":
        return _action(host, head, LAMBDA_RESPONSE)
    if method in READING:
        return _reading(host, head, level)
    operation = _change(head, level)
    if operation.carries is Carries.NOTHING and head.announces_body:
        raise AmbiguousError("unexpected-body")
    return _action(host, head, operation, form=operation is FORM_POST)


def _reading(host: Host, head: Head, level: Level) -> Action:
    if head.has_body:
        raise AmbiguousError("unexpected-body")
    present = [name for name in head.query if name in SUBRESOURCES or name == "list-type"]
    name = READS.get((head.method, level, present[0] if present else ""), "Read")
    return _action(host, head, Operation(name, ActionKind.READ))


def _change(head: Head, level: Level) -> Operation:
    method = head.method
    named = [name for name in head.query if name in SUBRESOURCES]
    unknown = [n for n in head.query if n not in SUBRESOURCES | PARAMETERS and not n.lower().startswith("x-")]
    if unknown:
        raise AmbiguousError("unknown-argument")
    if len(named) > 1:
        raise AmbiguousError("several-subresources")
    subresource = named[0] if named else ""
    for name in head.fields:
        if name.startswith("x-amz-") and name.endswith("-source") and name not in KNOWN_SOURCES:
            raise AmbiguousError("unknown-source")
    form = head.value("content-type").lower().startswith("multipart/form-data")
    if method == "POST" and level is not Level.SERVICE and not subresource and form:
        return FORM_POST
    operation = CHANGES.get((method, level, subresource))
    if operation is None:
        raise AmbiguousError("operation")
    return _by_headers(head, operation)


def _by_headers(head: Head, operation: Operation) -> Operation:
    """Where a header makes another operation of a PUT."""
    copies, renames = "x-amz-copy-source" in head.fields, "x-amz-rename-source" in head.fields
    if renames != (operation.name == "RenameObject"):
        raise AmbiguousError("rename-source")
    if not copies:
        return operation
    if head.announces_body:
        raise AmbiguousError("copy-with-body")
    if operation.name == "PutObject":
        return COPY
    if operation.name == "UploadPart":
        return COPY_PART
    raise AmbiguousError("copy-source")


def _control(host: Host, head: Head) -> Action:
    if not head.path.startswith(VERSION + "/"):
        operation = OUTPOSTS_SERVICE.get((head.method, head.path))
        if operation is None and head.method not in READING:
            raise AmbiguousError("operation")
        return _action(host, replace(head, bucket="", key=""), operation or Operation("Read", ActionKind.READ))
    path = head.path[len(VERSION) :]
    if any(part in (".", "..", "") for part in path[1:].split("/")) and head.method not in READING:
        raise AmbiguousError("dot-segment")
    for method, pattern, operation in CONTROL_PATTERNS:
        match = pattern.fullmatch(path) if method == head.method else None
        if match is not None:
            name = match.group(1) if match.groups() else ""
            bucket = name if path.startswith("/bucket/") else ""
            alias = name if path.startswith(("/accesspoint", "/mrap/")) else ""
            return _action(replace(host, alias=alias), replace(head, bucket=bucket, key=""), operation)
    if head.method in READING and not head.has_body:
        plain = replace(head, bucket="", key="")
        return _action(host, plain, Operation("Read", ActionKind.READ))
    raise AmbiguousError("operation")


def _place(host: Host, head: Head) -> Location:
    alias = host.alias or (head.bucket if head.bucket.endswith(ALIASES) else "")
    return Location(host.provider, head.bucket, head.key, host.region, host.endpoint, alias, host.store)


def _action(host: Host, head: Head, operation: Operation, *, form: bool = False) -> Action:
    access, presigned = details.credential(head.fields, head.query)
    reads = operation.kind is ActionKind.READ
    key = "" if form else head.key
    body = (
        BodyShape()
        if reads and operation.carries is Carries.NOTHING
        else details.shape(head, operation.carries, form=form)
    )
    return Action(
        provider=host.provider,
        service=host.service,
        operation=operation.name,
        kind=operation.kind,
        destination=_place(host, replace(head, key=key)),
        source=_source(host, head, operation),
        body=body,
        route=host.route,
        encryption=RequestEncryption() if reads else details.encryption(head.fields),
        exposures=() if reads else _exposures(head, operation, body),
        assembly=_assembly(head, operation),
        access_key=access,
        presigned=presigned,
        said=() if reads else clear.said(head.bucket, key, head.fields),
    )


def _source(host: Host, head: Head, operation: Operation) -> Location | None:
    if operation.kind is not ActionKind.COPY:
        return None
    if operation.name == "RenameObject":
        return details.source(head.value("x-amz-rename-source"), host, head.bucket)
    return details.source(head.value("x-amz-copy-source"), host)


def _exposures(head: Head, operation: Operation, body: BodyShape) -> tuple[ExposureChange, ...]:
    changes = list(details.grants(head.fields))
    if operation.name == "CreateBucket" and head.value("x-amz-object-ownership"):
        changes.append(ExposureChange("ownership", head.value("x-amz-object-ownership"), False))
    if operation.aspect and operation.public is not None:
        changes.append(ExposureChange(operation.aspect, operation.value, operation.public))
    elif operation.aspect == "acl" and body.framing is Framing.NONE:
        if not changes:
            canned = head.value("x-amz-acl") == "private"
            changes.append(ExposureChange("acl", "private", False) if canned else ExposureChange("acl"))
    elif operation.aspect:
        changes.append(ExposureChange(operation.aspect, operation.value, Unknown(documents.NOT_READ)))
    return tuple(changes)


def _assembly(head: Head, operation: Operation) -> Assembly | None:
    """The upload id; for an append to a directory bucket's object the key, with the offset as its order. A plain upload
    there is what appends go on from.
    """
    upload = head.query.get("uploadId")
    if upload is not None:
        if not upload or upload.startswith(APPEND):  # the store's ids are never so: it would pass for an append
            raise AmbiguousError("upload-id")
        number = head.query.get("partNumber", "")
        if operation.name not in ("UploadPart", "UploadPartCopy"):
            return Assembly(upload, abandons=operation.name == "AbortMultipartUpload")
        if not re.fullmatch(r"[0-9]{1,5}", number):
            raise AmbiguousError("part-number")
        return Assembly(upload, int(number))
    offset = head.value("x-amz-write-offset-bytes")
    if offset and operation.name == "PutObject":
        if not re.fullmatch(r"[0-9]{1,18}", offset):
            raise AmbiguousError("write-offset")
        return Assembly(f"{APPEND}{head.key}", int(offset), grows=True)
    if operation.name == "PutObject" and head.bucket.endswith(DIRECTORIES):
        return Assembly(f"{APPEND}{head.key}", 0, grows=True, begins=True)
    return None


def _unrecognised(request: Request, host: Host, head: Head | None, reason: str) -> Action:
    """The worst case, with as much as is certain: its body is still inspected."""
    fields: dict[str, str] = {}
    for name, value in request.headers:
        fields.setdefault(name.lower(), value)
    body = BodyShape(Framing.PLAIN, None, None, "", _codings(fields), fields.get("content-type", ""))
    length = fields.get("content-length", "")
    lengths = {value.strip() for value in request.header_values("content-length")}
    if len(lengths) == 1 and re.fullmatch(r"[0-9]{1,18}", length.strip()):
        body = replace(body, wire_length=int(length))
    if head is not None:
        for carries, form in ((Carries.OBJECT, True), (Carries.OBJECT, False)):
            wants = head.value("content-type").lower().startswith("multipart/form-data") == form
            try:
                body = details.shape(head, carries, form=form) if wants else body
            except AmbiguousError:
                continue
        if not head.has_body:
            body = BodyShape()
    destination = _place(host, head) if head is not None else None
    access, presigned = details.credential(fields, head.query if head else {})
    return Action(
        host.provider,
        host.service,
        "Unrecognised",
        ActionKind.UNRECOGNISED,
        destination,
        body=body,
        route=host.route,
        access_key=access,
        presigned=presigned,
        reason=reason,
        said=clear.said(destination.container, destination.key, fields) if destination else (),
    )


def _codings(fields: Mapping[str, str]) -> tuple[str, ...]:
    listed: Iterable[str] = (coding.strip().lower() for coding in fields.get("content-encoding", "").split(","))
    return tuple(coding for coding in listed if coding not in ("", "identity", "aws-chunked"))
