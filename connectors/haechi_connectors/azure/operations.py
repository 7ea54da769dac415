"""Every operation of Blob Storage and of Data Lake that changes something, by what names it.

Theory. A blob request is named by method, by what its path names, by ``restype`` and by ``comp``; a Data Lake request
by method, ``resource`` and ``action``. Some PUTs are told apart by headers alone (a copy source, the blob's type, a
page write). What changes state and is not here is unrecognised. The tables are held against the requests that the SDK
builds by tests/unit/azure. Must not know hosts or bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.upload import ActionKind


class Level(StrEnum):
    """What the path names."""

    SERVICE = "service"
    CONTAINER = "container"
    BLOB = "blob"


class Carries(StrEnum):
    """What the body of an operation is."""

    NOTHING = "nothing"
    OBJECT = "object"
    DOCUMENT = "document"


class Pieces(StrEnum):
    """How an operation stands to an object that is made of pieces."""

    NONE = "none"
    BLOCK = "block"
    """A block by its name, kept until a list joins it."""
    LIST = "list"
    """Joins named blocks."""
    APPEND = "append"
    """At the end of an append blob."""
    PAGE = "page"
    """Anywhere in a page blob."""
    PATH = "path"
    """At a position of a Data Lake file."""
    APPEND_NEW = "append-new"
    PAGE_NEW = "page-new"
    PATH_NEW = "path-new"
    """Makes the object anew, empty."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``aspect`` and ``value`` describe the exposure that it changes, empty where it changes none;
    ``public`` is set where the operation alone tells.
    """

    name: str
    kind: ActionKind
    carries: Carries = Carries.NOTHING
    pieces: Pieces = Pieces.NONE
    aspect: str = ""
    value: str = ""
    public: bool | None = None


def read(name: str, carries: Carries = Carries.NOTHING) -> Operation:
    """Moves nothing out and opens nothing."""
    return Operation(name, ActionKind.READ, carries)


def upload(name: str, pieces: Pieces = Pieces.NONE) -> Operation:
    """Its body is stored."""
    return Operation(name, ActionKind.UPLOAD, Carries.OBJECT, pieces)


def copy(name: str, pieces: Pieces = Pieces.NONE) -> Operation:
    """Stores what lies elsewhere already."""
    return Operation(name, ActionKind.COPY, Carries.NOTHING, pieces)


def begin(name: str, pieces: Pieces = Pieces.NONE) -> Operation:
    """Begins something that later requests fill."""
    return Operation(name, ActionKind.PREPARE, Carries.NOTHING, pieces)


def expose(name: str, aspect: str, value: str = "", *, document: bool = True, public: bool | None = None) -> Operation:
    """Changes what its document or its headers say about ``aspect``."""
    carries = Carries.DOCUMENT if document else Carries.NOTHING
    return Operation(name, ActionKind.EXPOSE, carries, Pieces.NONE, aspect, value, public)


S, C, B = Level.SERVICE, Level.CONTAINER, Level.BLOB

PUT_BLOCK_BLOB = upload("PutBlob")
PUT_APPEND_BLOB = begin("PutBlob", Pieces.APPEND_NEW)
PUT_PAGE_BLOB = begin("PutBlob", Pieces.PAGE_NEW)
PUT_FROM_URL = copy("PutBlobFromURL")
COPY_BLOB = copy("CopyBlob")
BLOB_TYPES: Mapping[str, Operation] = {
    "blockblob": PUT_BLOCK_BLOB,
    "appendblob": PUT_APPEND_BLOB,
    "pageblob": PUT_PAGE_BLOB,
}
BY_SOURCE: Mapping[str, Operation] = {
    "PutBlock": copy("PutBlockFromURL", Pieces.BLOCK),
    "AppendBlock": copy("AppendBlockFromURL", Pieces.APPEND),
    "PutPage": copy("PutPageFromURL", Pieces.PAGE),
}
"""What a PUT becomes that names a source."""
PUT_BLOB = "PutBlob"

Key = tuple[str, Level, str, str]
"""Method, level, ``restype`` and ``comp``."""

BLOB: Mapping[Key, Operation] = {
    # blobs
    ("PUT", B, "", ""): PUT_BLOCK_BLOB,
    ("PUT", B, "", "block"): upload("PutBlock", Pieces.BLOCK),
    ("PUT", B, "", "blocklist"): Operation("PutBlockList", ActionKind.ASSEMBLE, Carries.DOCUMENT, Pieces.LIST),
    ("PUT", B, "", "appendblock"): upload("AppendBlock", Pieces.APPEND),
    ("PUT", B, "", "page"): upload("PutPage", Pieces.PAGE),
    ("PUT", B, "", "incrementalcopy"): copy("IncrementalCopyBlob"),
    ("PUT", B, "", "copy"): read("AbortCopyBlob"),
    ("PUT", B, "", "properties"): expose("SetBlobProperties", "other", "properties", document=False, public=False),
    ("PUT", B, "", "metadata"): expose("SetBlobMetadata", "tags", document=False, public=False),
    ("PUT", B, "", "tags"): expose("SetBlobTags", "tags"),
    ("PUT", B, "", "tier"): read("SetBlobTier"),
    ("PUT", B, "", "lease"): read("LeaseBlob"),
    ("PUT", B, "", "seal"): read("SealAppendBlob"),
    ("PUT", B, "", "expiry"): read("SetBlobExpiry"),
    ("PUT", B, "", "legalhold"): read("SetBlobLegalHold"),
    ("PUT", B, "", "immutabilitypolicies"): expose(
        "SetBlobImmutabilityPolicy", "object-lock", "set", document=False, public=False
    ),
    ("DELETE", B, "", "immutabilitypolicies"): expose(
        "DeleteBlobImmutabilityPolicy", "object-lock", "removed", document=False, public=False
    ),
    ("PUT", B, "", "snapshot"): copy("SnapshotBlob"),
    ("PUT", B, "", "undelete"): copy("UndeleteBlob"),
    ("POST", B, "", "query"): read("QueryBlobContents", Carries.DOCUMENT),
    ("DELETE", B, "", ""): read("DeleteBlob"),
    # containers
    ("PUT", C, "container", ""): begin("CreateContainer"),
    ("PUT", C, "container", "acl"): expose("SetContainerAcl", "acl"),
    ("PUT", C, "container", "metadata"): expose("SetContainerMetadata", "tags", document=False, public=False),
    ("PUT", C, "container", "lease"): read("LeaseContainer"),
    ("PUT", C, "container", "undelete"): expose("RestoreContainer", "other", "restore", document=False),
    ("PUT", C, "container", "rename"): expose("RenameContainer", "other", "rename", document=False),
    ("DELETE", C, "container", ""): read("DeleteContainer"),
    # the account
    ("PUT", S, "service", "properties"): expose("SetBlobServiceProperties", "website", "service-properties"),
    ("POST", S, "service", "userdelegationkey"): read("GetUserDelegationKey", Carries.DOCUMENT),
}
"""Operations of the Blob API that change something. Batches (``comp=batch``) are left out: what they do stands in parts
that nobody reads yet, so they are unrecognised.
"""

Lake = tuple[str, Level, str, str]
"""Method, level, ``resource`` and ``action``."""

DATA_LAKE: Mapping[Lake, Operation] = {
    ("PUT", B, "file", ""): begin("CreatePath", Pieces.PATH_NEW),
    ("PUT", B, "directory", ""): begin("CreatePath"),
    ("PATCH", B, "", "append"): upload("AppendPath", Pieces.PATH),
    ("PATCH", B, "", "flush"): read("FlushPath"),
    ("PATCH", B, "", "setproperties"): expose("SetPathProperties", "tags", document=False, public=False),
    ("PATCH", B, "", "setaccesscontrol"): expose("SetPathAccessControl", "acl", document=False),
    ("PATCH", B, "", "setaccesscontrolrecursive"): expose("SetPathAccessControl", "acl", "recursive", document=False),
    ("PATCH", C, "", "setaccesscontrol"): expose("SetPathAccessControl", "acl", document=False),
    ("PATCH", C, "", "setaccesscontrolrecursive"): expose("SetPathAccessControl", "acl", "recursive", document=False),
    ("POST", B, "", ""): read("LeasePath"),
    ("DELETE", B, "", ""): read("DeletePath"),
    ("PUT", C, "filesystem", ""): begin("CreateFilesystem"),
    ("PATCH", C, "filesystem", ""): expose("SetFilesystemProperties", "tags", document=False, public=False),
    ("DELETE", C, "filesystem", ""): read("DeleteFilesystem"),
}
"""Operations of the Data Lake API. What is flushed was judged when it was appended, as if it were stored at once."""
RENAME = copy("RenamePath")
ON_BOTH = frozenset({"expiry", "undelete", "lease", "tags", "tier"})
"""``comp`` of Blob operations that the Data Lake endpoint takes too, or that are harmless there."""

ARGUMENTS = frozenset({
    "restype", "comp", "resource", "action", "timeout", "api-version", "blockid", "snapshot", "versionid", "copyid",
    "position", "retainuncommitteddata", "close", "flush", "mode", "continuation", "recursive", "paginated",
    "maxrecords", "forceflag", "deletetype", "upn", "prefix", "marker", "maxresults", "include", "where", "delimiter",
    # shared access signatures
    "sv", "ss", "srt", "sp", "st", "se", "spr", "sip", "si", "sr", "sig", "sdd", "ses", "skoid", "sktid", "skt", "ske",
    "sks", "skv", "saoid", "suoid", "scid", "sduoid", "skdutid", "srh", "srq",
    "rscc", "rscd", "rsce", "rscl", "rsct",
})  # fmt: skip
"""Arguments that go with a change without naming another operation, in lower case."""
