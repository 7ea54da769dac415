"""What the headers and arguments of a request say beside its operation: credential, encryption, grants, copy source,
body shape, place in a session. Works on decoded heads and on form fields. Raises ``AmbiguousError`` for contradictions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.message import Message
from urllib.parse import unquote_to_bytes

from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import Assembly, BodyShape, ExposureChange, Framing, Location, RequestEncryption

from haechi_connectors.gcs.head import Head, bucket_of
from haechi_connectors.gcs.hosts import PROVIDER, Host
from haechi_connectors.gcs.operations import Carries
from haechi_connectors.heads import AmbiguousError

Fields = Mapping[str, str]

EVERYONE = frozenset({"allUsers", "allAuthenticatedUsers"})
"""Everyone, and everyone with any Google account."""
# The bucket's owner is no target: whose the bucket is, is judged as a fact of the destination.
CANNED: Mapping[str, tuple[bool, tuple[str, ...]]] = {
    "private": (False, ()),
    "projectPrivate": (False, ()),
    "project-private": (False, ()),
    "bucketOwnerRead": (False, ()),
    "bucket-owner-read": (False, ()),
    "bucketOwnerFullControl": (False, ()),
    "bucket-owner-full-control": (False, ()),
    "publicRead": (True, ("allUsers",)),
    "public-read": (True, ("allUsers",)),
    "publicReadWrite": (True, ("allUsers",)),
    "public-read-write": (True, ("allUsers",)),
    "authenticatedRead": (True, ("allAuthenticatedUsers",)),
    "authenticated-read": (True, ("allAuthenticatedUsers",)),
}
HARMLESS_ACL = frozenset(name for name, (public, _) in CANNED.items() if not public)
ACL_ARGUMENTS = ("predefinedAcl", "destinationPredefinedAcl", "predefinedDefaultObjectAcl")
KEY_ARGUMENTS = ("kmsKeyName", "destinationKmsKeyName")
CUSTOMER_KEY = ("algorithm", "key", "key-sha256")
RANGE = re.compile(r"bytes (?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18}|\*)|\*)/(?P<total>[0-9]{1,18}|\*)")
APPEND = "append:"
"""How the ids of assemblies begin that are objects which grow."""
GRID = 256 << 10
"""Bytes: a session keeps pieces in multiples of this, but for the last (Google's page "Resumable uploads")."""


def credential(fields: Fields, query: Mapping[str, str]) -> tuple[str, bool]:
    """The public identifier of the credential, and whether the signature sits in the URL. A bearer token has none."""
    lower = {name.lower(): value for name, value in query.items()}
    presigned = any(name in lower for name in ("x-goog-signature", "x-amz-signature")) or (
        "signature" in lower and ("googleaccessid" in lower or "awsaccesskeyid" in lower)
    )
    said = fields.get("authorization", "")
    match = re.match(r"(?:GOOG4|AWS4)-[A-Z0-9-]+\s.*?Credential=([^/,\s]+)/", said) or re.match(
        r"(?:GOOG1|AWS) ([^:\s]+):", said
    )
    if match:
        return match.group(1), presigned
    scoped = lower.get("x-goog-credential", "") or lower.get("x-amz-credential", "")
    return scoped.partition("/")[0] or lower.get("googleaccessid", "") or lower.get("awsaccesskeyid", ""), presigned


def encryption(fields: Fields, query: Mapping[str, str]) -> RequestEncryption:
    """The encryption that the request asks of the provider. Raises ``AmbiguousError``."""
    named = {query.get(name, "") for name in KEY_ARGUMENTS} | {fields.get("x-goog-encryption-kms-key-name", "")}
    keys = sorted(named - {""})
    client = any(fields.get(f"x-goog-encryption-{part}") for part in CUSTOMER_KEY)
    other = any(name.startswith("x-goog-server-side-encryption") for name in fields)
    if len(keys) > 1 or (client and keys) or other:
        raise AmbiguousError("encryption-contradiction")
    if client:
        return RequestEncryption("client-key")
    return RequestEncryption("kms", keys[0]) if keys else RequestEncryption()


def grants(fields: Fields, query: Mapping[str, str]) -> tuple[ExposureChange, ...]:
    """Exposures by canned ACL. Those that open nothing are none."""
    named = [query[name] for name in ACL_ARGUMENTS if query.get(name)]
    named += [fields[name] for name in ("x-goog-acl", "acl") if fields.get(name)]
    changes = [canned(name) for name in dict.fromkeys(named) if name not in HARMLESS_ACL]
    for name, value in fields.items():
        if name.startswith("x-goog-grant-"):
            changes.append(ExposureChange("acl", name[7:], Unknown("unreadable-grant"), (value[:200],)))
    return tuple(changes)


def canned(name: str) -> ExposureChange:
    """What a canned ACL opens."""
    public, targets = CANNED.get(name, (None, ()))
    known: Known[bool] = Unknown("unknown-acl") if public is None else public
    return ExposureChange("acl", name, known, targets)


def source(value: str, host: Host) -> Location:
    """The place that a copy of the XML API takes from: ``bucket/key``, encoded. Raises ``AmbiguousError``."""
    raw, _, _ = value.partition("?versionId=")
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise AmbiguousError("copy-source") from problem
    container, slash, key = text.removeprefix("/").partition("/")
    if not slash or not key:
        raise AmbiguousError("copy-source")
    return place(host, bucket_of(container), key)


def place(host: Host, bucket: str, key: str = "") -> Location:
    """A place at the store behind this host."""
    return Location(PROVIDER, bucket, key, host.region, host.endpoint, store=host.store)


_BOUNDARY = re.compile(r'\s*boundary=(?:"([^"\\]+)"|([^\s"\\;()<>@,:/\[\]?=]+))\s*', re.ASCII | re.IGNORECASE)
"""How clients write it. What else there is goes through the parser of mail."""


def boundary(content_type: str, wanted: str) -> str:
    """The boundary of a form or of related parts; ``wanted`` is the media type. Raises ``AmbiguousError``."""
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != wanted or parameters.lower().count("boundary") != 1:
        raise AmbiguousError("boundary")
    usual = _BOUNDARY.fullmatch(parameters)
    if usual is not None:
        value: object = usual[1] or usual[2]
    else:
        header = Message()
        header["content-type"] = f"{wanted};{parameters}"
        value = header.get_param("boundary")
    if not isinstance(value, str) or not value:
        raise AmbiguousError("boundary")
    if value[0] == value[-1] == "'" and len(value) > 2:  # as Google's command line tools quote it
        return value[1:-1]
    return value


def shape(head: Head, carries: Carries, framing: Framing = Framing.PLAIN) -> BodyShape:
    """How the body lies on the wire; ``framing`` where it is an object. Raises ``AmbiguousError``."""
    if head.value("x-goog-content-sha256").startswith("STREAMING-") or "aws-chunked" in head.value("content-encoding"):
        raise AmbiguousError("streaming-kind")
    kind = Framing.NONE
    if carries is Carries.OBJECT:
        kind = framing
    elif carries is Carries.DOCUMENT and head.has_body:
        kind = Framing.DOCUMENT
    parts = {Framing.FORM: "multipart/form-data", Framing.RELATED: "multipart/related"}.get(kind)
    return BodyShape(
        kind,
        head.length,
        None,
        boundary(head.value("content-type"), parts) if parts else "",
        codings(head.value("content-encoding")) if carries is Carries.OBJECT else (),
        head.value("content-type"),
    )


def codings(*values: str) -> tuple[str, ...]:
    """The codings that these values of Content-Encoding name, outermost last."""
    named: Iterable[str] = (coding.strip().lower() for value in values for coding in value.split(","))
    return tuple(coding for coding in named if coding not in ("", "identity"))


def chunk(head: Head, session: str) -> Assembly | None:
    """Where in its object the body of a request to a session belongs; None where it only asks how far that is. One that
    names the object's size without a body ends it, if that much is there. Raises ``AmbiguousError``.
    """
    said = head.value("content-range")
    if not said:
        return Assembly(session, 0, grows=True, grid=GRID)
    match = RANGE.fullmatch(said)
    if match is None:
        raise AmbiguousError("content-range")
    if match["first"] is None:
        if head.has_body:
            raise AmbiguousError("content-range")
        if match["total"] == "*":
            return None
        return Assembly(session, int(match["total"]), grows=True, grid=GRID)
    first = int(match["first"])
    if match["last"] != "*":
        last = int(match["last"])
        total = last + 1 if match["total"] == "*" else int(match["total"])
        if last < first or last >= total or head.length not in (None, last - first + 1):
            raise AmbiguousError("content-range")
    return Assembly(session, first, grows=True, grid=GRID)


def ranged(head: Head) -> int | None:
    """How many bytes a body is said to have by its range: with the last of them the store may call the object
    complete, whatever the body's own framing says. None where it does not say.
    """
    match = RANGE.fullmatch(head.value("content-range"))
    if match is None or match["first"] is None or match["last"] == "*":
        return None
    return int(match["last"]) + 1 - int(match["first"])


def session_of(upload_id: str) -> str:
    """The assembly's id of a session. Raises ``AmbiguousError``."""
    if not upload_id:
        raise AmbiguousError("upload-id")
    return APPEND + upload_id


def part_of(head: Head, operation: str) -> Assembly | None:
    """The place in an upload in parts of the XML API. Raises ``AmbiguousError``."""
    upload = head.query.get("uploadId")
    if upload is None:
        return None
    if not upload or upload.startswith(APPEND):  # the store's ids are never so: it would pass for a session
        raise AmbiguousError("upload-id")
    number = head.query.get("partNumber", "")
    if operation not in ("PUT Object part", "PUT Object part copy"):
        return Assembly(upload, abandons=operation == "DELETE Object uploadId")
    if not re.fullmatch(r"[0-9]{1,5}", number):
        raise AmbiguousError("part-number")
    return Assembly(upload, int(number))
