"""What the headers of a request say beside its operation: credential, encryption, grants, source, body, words.

Works on decoded heads. Raises ``AmbiguousError`` where headers contradict each other.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, unquote_plus

import jwt
from haechi.domain.disclosure import Said, Where
from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import BodyShape, ExposureChange, Framing, Location, Request, RequestEncryption

from haechi_connectors.azure.head import Head, parse_head
from haechi_connectors.azure.hosts import Hosts
from haechi_connectors.azure.operations import Carries, Operation
from haechi_connectors.heads import AmbiguousError

Fields = Mapping[str, str]

METADATA = "x-ms-meta-"
SHARED = re.compile(r"SharedKey(?:Lite)? ([a-z0-9-]{1,63}):", re.IGNORECASE)
BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/=-]{1,16384})", re.IGNORECASE)
KEYS = ("x-ms-encryption-key", "x-ms-encryption-key-sha256", "x-ms-encryption-algorithm")
PUBLIC = {"container": True, "blob": True, "": False}
SCOPE = "scope/"
"""How the names of encryption scopes begin where a key's id is asked for."""
ACE = re.compile(r"(?:default:)?(user|group|mask|other):([^:,]*):([r-][w-][x-])", re.IGNORECASE)
LARGEST_URL = 8192


def credential(fields: Fields, query: Fields) -> tuple[str, bool]:
    """The public identifier of the credential, and whether the signature sits in the URL: the object id of a person or
    program (bearer token, user delegation), else the account whose key signed; empty where nothing tells.
    """
    presigned = "sig" in query
    authorization = fields.get("authorization", "")
    shared = SHARED.match(authorization)
    if shared:
        return shared[1].lower(), presigned
    bearer = BEARER.fullmatch(authorization)
    if bearer:
        return _subject(bearer[1]), presigned
    found = query.get("suoid") or query.get("saoid") or query.get("skoid") or ""
    return found[:100], presigned


def _subject(token: str) -> str:
    """Whose token it says it is: the store verifies it, so that a lie gains nothing."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    found = claims.get("oid") or claims.get("appid") or claims.get("sub") or ""
    return found[:100] if isinstance(found, str) else ""


def encryption(fields: Fields) -> RequestEncryption:
    """The encryption that the request asks of the provider. Raises ``AmbiguousError``."""
    client = any(fields.get(name) for name in KEYS)
    scope = fields.get("x-ms-encryption-scope", "")
    if client and scope:
        raise AmbiguousError("encryption-contradiction")
    if client:
        return RequestEncryption("client-key")
    return RequestEncryption("kms", SCOPE + scope) if scope else RequestEncryption()


def exposures(head: Head, operation: Operation) -> tuple[ExposureChange, ...]:
    """What the request opens, as far as its head tells."""
    changes = []
    public = head.value("x-ms-blob-public-access")
    if operation.name in ("CreateContainer", "CreateFilesystem", "SetContainerAcl"):
        if operation.aspect or public:
            known: Known[bool] = PUBLIC.get(public.lower(), Unknown("unknown-acl"))
            changes.append(ExposureChange("acl", public or "private", known, (public,) if public else ()))
        scope = head.value("x-ms-default-encryption-scope")
        if scope:
            changes.append(ExposureChange("encryption", "scope", False, (SCOPE + scope,)))
    elif operation.name == "SetPathAccessControl":
        changes.append(access_control(head.fields, operation.value))
    elif operation.aspect:
        told: Known[bool] = Unknown("not-read") if operation.public is None else operation.public
        changes.append(ExposureChange(operation.aspect, operation.value, told))
    if operation.name == "CreatePath":
        named = any(head.value(name) for name in ("x-ms-acl", "x-ms-permissions"))
        changes += [access_control(head.fields, "")] if named else []
    if head.container == "$web" and operation.carries is Carries.OBJECT:
        # A static website shows this container to everyone, whatever the container's own setting says.
        changes.append(ExposureChange("website", "$web", Unknown("static-website")))
    return tuple(changes)


def access_control(fields: Fields, value: str) -> ExposureChange:
    """A Data Lake list of rights. Its *other* are all who may sign in to the account, so rights of theirs count as
    public; named users and groups gain access.
    """
    acl, permissions = fields.get("x-ms-acl", ""), fields.get("x-ms-permissions", "")
    entries = [ACE.fullmatch(entry.strip()) for entry in acl.split(",") if entry.strip()]
    targets = tuple(dict.fromkeys(e[2] for e in entries if e and e[1].lower() in ("user", "group") and e[2]))
    named = ":".join(part for part in (value, "list" if acl else "permissions" if permissions else "") if part)
    public: Known[bool] = any(e and e[1].lower() == "other" and e[3] != "---" for e in entries)
    if permissions:
        digits = re.fullmatch(r"[01]?[0-7]{2}([0-7])", permissions)
        letters = re.fullmatch(r"[rwxst-]{6}([rwxt-]{3})\+?", permissions)
        known = digits is not None or letters is not None
        open_to_others = bool(digits and digits[1] != "0") or bool(letters and letters[1] != "---")
        public = public or open_to_others if known else Unknown("unreadable-grant")
    if any(entry is None for entry in entries):
        public = Unknown("unreadable-grant")
    return ExposureChange("acl", named, public, targets)


def block_name(text: str) -> str:
    """A block's name in one spelling. Raises ``AmbiguousError``."""
    try:
        raw = base64.b64decode(text.strip().replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise AmbiguousError("block-id") from problem
    if not 0 < len(raw) <= 64:
        raise AmbiguousError("block-id")
    return base64.b64encode(raw).decode()


def source(url: str, hosts: Hosts) -> Location | None:
    """Where a copy takes from: a blob by its URL. None for a URL that is not of these services: nobody knows what lies
    there. Raises ``AmbiguousError``.
    """
    match = re.match(r"https?://([^/?#@\\]{1,300})(/[^#]*)", url, re.IGNORECASE)
    if match is None or len(url) > LARGEST_URL:
        raise AmbiguousError("copy-source")
    host = hosts.find(match[1])
    if host is None:
        return None
    head = parse_head(Request("GET", "https", match[1], match[2]), host)
    if not head.key or host.service not in ("blob", "dfs"):
        return None
    return Location(
        host.provider, f"{head.account}/{head.container}", head.key, host.region, host.endpoint, store=host.store
    )


def shape(head: Head, operation: Operation) -> BodyShape:
    """How the body lies on the wire. Raises ``AmbiguousError``.

    A structured body carries checksums between its segments, which would cut content apart: it is not read yet.
    """
    if head.value("x-ms-structured-body") and head.has_body:
        raise AmbiguousError("structured-body")
    if head.value("content-encoding").lower() not in ("", "identity") and operation.name not in (
        "PutBlob",
        "AppendPath",
    ):
        raise AmbiguousError("content-encoding")
    stored = head.value("x-ms-blob-content-encoding") or head.value("x-ms-content-encoding")
    said = ",".join(part for part in (head.value("content-encoding"), stored) if part)
    codings = tuple(
        dict.fromkeys(c.strip().lower() for c in said.split(",") if c.strip().lower() not in ("", "identity"))
    )
    framing = Framing.NONE
    if operation.carries is Carries.OBJECT:
        framing = Framing.PLAIN
    elif operation.carries is Carries.DOCUMENT and head.has_body:
        framing = Framing.DOCUMENT
    return BodyShape(framing, head.length, None, "", codings, head.value("content-type"))


def said(container: str, key: str, fields: Fields) -> tuple[Said, ...]:
    """Everything of a head that is stored or logged as it stands; empty texts left out."""
    return tuple(one for one in (Said(Where.CONTAINER, container), Said(Where.KEY, key), *_fields(fields)) if one.text)


def _fields(fields: Fields) -> Iterator[Said]:
    for name, value in fields.items():
        if name == "x-ms-tags":
            yield Said(Where.TAG, unquote_plus(value))
        elif name.startswith(METADATA):
            yield Said(Where.METADATA, f"{name.removeprefix(METADATA)} {_words(value)}")
        elif name == "x-ms-properties":
            yield from _properties(value)
        elif name in ("x-ms-blob-content-disposition", "x-ms-content-disposition", "content-disposition"):
            yield Said(Where.FILENAME, _words(value))


def _properties(value: str) -> Iterator[Said]:
    """Data Lake's metadata: ``name=base64`` pairs. What cannot be decoded is told as it stands."""
    for pair in value.split(","):
        name, _, coded = pair.strip().partition("=")
        try:
            text = base64.b64decode(coded, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            text = coded
        yield Said(Where.METADATA, f"{name} {text}".strip())


def _words(value: str) -> str:
    """A header's value as its writer meant it: text that is not ASCII arrives as UTF-8 that was taken for Latin-1, or
    percent-encoded.
    """
    with contextlib.suppress(UnicodeError):
        value = value.encode("latin-1").decode("utf-8")
    return unquote(value)
