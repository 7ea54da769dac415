"""What the headers of a request say beside its operation: credential, encryption, grants, copy source, body shape.

Works on decoded heads and on form fields alike. Raises ``AmbiguousError`` where headers contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import BodyShape, ExposureChange, Framing, Location, RequestEncryption

from haechi_connectors.heads import AmbiguousError
from haechi_connectors.s3.head import Head
from haechi_connectors.s3.hosts import ALIASES, Host
from haechi_connectors.s3.operations import Carries

Fields = Mapping[str, str]

SSE = "x-amz-server-side-encryption"
MODES = {"AES256": "provider", "aws:kms": "kms", "aws:kms:dsse": "kms-dual"}
PUBLIC_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
"""Everyone, and everyone with any AWS account."""
# The bucket's owner is no target: whose the bucket is, is judged as a fact of the destination.
CANNED: Mapping[str, tuple[bool, tuple[str, ...]]] = {
    "private": (False, ()),
    "public-read": (True, (PUBLIC_GROUPS[0],)),
    "public-read-write": (True, (PUBLIC_GROUPS[0],)),
    "authenticated-read": (True, (PUBLIC_GROUPS[1],)),
    "aws-exec-read": (False, ("aws-exec-read",)),
    "bucket-owner-read": (False, ()),
    "bucket-owner-full-control": (False, ()),
    "log-delivery-write": (False, ("http://acs.amazonaws.com/groups/s3/LogDelivery",)),
}
GRANTS = ("full-control", "read", "write", "read-acp", "write-acp")
GRANTEE = re.compile(r'\s*(id|uri|emailaddress)\s*=\s*(?:"([^"]*)"|([^",\s]+))\s*', re.IGNORECASE)
SIGNED_STREAMS = frozenset({
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
})  # fmt: skip
UNSIGNED_STREAM = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
FORM_TYPE = re.compile(
    r'multipart/form-data\s*;\s*(?:charset=[\w-]+\s*;\s*)?boundary=(?:"([^"]{1,70})"|([^\s;",]{1,70}))\s*'
    r"(?:;\s*charset=[\w-]+\s*)?",
    re.IGNORECASE,
)
ARN_SOURCE = re.compile(
    r"arn:[a-z-]+:(?:s3|s3-outposts):(?P<region>[a-z0-9-]*):\d{12}:"
    r"(?:outpost/[^/]+/)?(?:accesspoint|bucket)/(?P<name>[^/]+)/object/(?P<key>.+)",
    re.DOTALL,
)


def credential(fields: Fields, query: Mapping[str, str]) -> tuple[str, bool]:
    """The public identifier of the credential, and whether the signature sits in the URL."""
    lower = {name.lower(): value for name, value in query.items()}
    presigned = "x-amz-signature" in lower or ("signature" in lower and "awsaccesskeyid" in lower)
    authorization = fields.get("authorization", "")
    match = re.match(r"AWS4-[A-Z0-9-]+\s.*?Credential=([^/,\s]+)/", authorization) or re.match(
        r"AWS ([^:\s]+):", authorization
    )
    if match:
        return match.group(1), presigned
    found = lower.get("x-amz-credential", "").partition("/")[0] or lower.get("awsaccesskeyid", "")
    return found, presigned


def encryption(fields: Fields) -> RequestEncryption:
    """The encryption that the request asks of the provider. Raises ``AmbiguousError``."""
    asked = fields.get(SSE, "")
    key_id = fields.get(f"{SSE}-aws-kms-key-id", "")
    client = any(fields.get(f"{SSE}-customer-{name}") for name in ("algorithm", "key", "key-md5"))
    if client and (asked or key_id):
        raise AmbiguousError("encryption-contradiction")
    if key_id and not asked.startswith("aws:kms"):
        raise AmbiguousError("encryption-contradiction")
    if client:
        return RequestEncryption("client-key")
    return RequestEncryption(MODES.get(asked, asked), key_id) if asked else RequestEncryption()


def grants(fields: Fields, canned_name: str = "x-amz-acl") -> tuple[ExposureChange, ...]:
    """Exposures by canned ACL and grant headers. The default, private, is none."""
    changes = []
    canned = fields.get(canned_name, "")
    if canned and canned != "private":
        public, targets = CANNED.get(canned, (None, ()))
        known: Known[bool] = Unknown("unknown-acl") if public is None else public
        changes.append(ExposureChange("acl", canned, known, targets))
    for permission in GRANTS:
        value = fields.get(f"x-amz-grant-{permission}", "")
        if value:
            changes.append(_grant(permission, value))
    return tuple(changes)


def _grant(permission: str, value: str) -> ExposureChange:
    grantees = []
    for item in value.split(","):
        match = GRANTEE.fullmatch(item)
        if match is None:
            return ExposureChange("acl", f"grant-{permission}", Unknown("unreadable-grant"), (value[:200],))
        grantees.append(match.group(2) or match.group(3) or "")
    return ExposureChange("acl", f"grant-{permission}", any(g in PUBLIC_GROUPS for g in grantees), tuple(grantees))


def source(value: str, host: Host, bucket: str = "") -> Location:
    """The place that a copy or rename takes from. ``bucket`` where the header names a key alone.

    Raises ``AmbiguousError`` for what is not a source.
    """
    raw, _, _ = value.partition("?versionId=")
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise AmbiguousError("copy-source") from problem
    region: Known[str] = Unknown("not-in-request")
    arn = ARN_SOURCE.fullmatch(text)
    if arn:
        container = text[: text.index("/object/")]
        region = arn["region"] or region
        return Location(host.provider, container, arn["key"], region, host.endpoint, arn["name"], host.store)
    if bucket:
        return Location(host.provider, bucket, text.removeprefix("/"), region, host.endpoint, store=host.store)
    container, slash, key = text.removeprefix("/").partition("/")
    if not slash or not container or not key or container.startswith("arn:"):
        raise AmbiguousError("copy-source")
    alias = container if container.endswith(ALIASES) else ""
    return Location(host.provider, container, key, region, host.endpoint, alias, host.store)


def form_boundary(content_type: str) -> str:
    """The boundary of a form. Raises ``AmbiguousError``."""
    match = FORM_TYPE.fullmatch(content_type)
    if match is None:
        raise AmbiguousError("boundary")
    return match.group(1) or match.group(2)


def shape(head: Head, carries: Carries, *, form: bool = False) -> BodyShape:
    """How the body lies on the wire. Raises ``AmbiguousError``."""
    codings = tuple(c.strip().lower() for c in head.value("content-encoding").split(",") if c.strip())
    stream = head.value("x-amz-content-sha256")
    chunked = stream.startswith("STREAMING-")
    if chunked and stream not in SIGNED_STREAMS and stream != UNSIGNED_STREAM:
        raise AmbiguousError("streaming-kind")
    if not chunked and "aws-chunked" in codings:
        raise AmbiguousError("chunking-contradiction")
    if chunked and (form or carries is not Carries.OBJECT) and head.has_body:
        raise AmbiguousError("chunking-contradiction")
    trailer = chunked and stream.endswith("-TRAILER")
    if head.value("x-amz-trailer") and not trailer:
        raise AmbiguousError("trailer-contradiction")
    decoded = head.value("x-amz-decoded-content-length")
    if (decoded and not re.fullmatch(r"[0-9]{1,18}", decoded)) or (chunked and not decoded):
        raise AmbiguousError("decoded-length")
    framing = Framing.NONE
    if form:
        framing = Framing.FORM
    elif carries is Carries.OBJECT:
        framing = Framing.AWS_CHUNKED if chunked else Framing.PLAIN
    elif carries is Carries.DOCUMENT and head.has_body:
        framing = Framing.DOCUMENT
    return BodyShape(
        framing,
        head.length,
        int(decoded) if decoded else None,
        form_boundary(head.value("content-type")) if form else "",
        tuple(coding for coding in codings if coding not in ("aws-chunked", "identity")),
        head.value("content-type"),
        trailer,
        stream in SIGNED_STREAMS,
    )
