"""Every operation of the two APIs: JSON by method and path, XML by method, level and subresource.

Theory. The JSON API names its operation by path, the XML API by method, whether there is a key, and a *subresource*: a
query argument such as ``acl``. Reading methods need no table. What changes state and is not here is unrecognised. The
JSON names are those of the API's discovery document (``storage:v1``), which a
test holds the table against. Must not know hosts or bodies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.upload import ActionKind


class Level(StrEnum):
    """What the path of the XML API names."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


class Carries(StrEnum):
    """What the body of an operation is."""

    NOTHING = "nothing"
    OBJECT = "object"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``aspect`` and ``value`` describe the exposure that it changes, empty where it changes none;
    ``public`` is set where the operation alone tells. ``resource`` says how its document is read (``documents``).
    """

    name: str
    kind: ActionKind
    carries: Carries = Carries.NOTHING
    aspect: str = ""
    value: str = ""
    public: bool | None = None
    resource: str = ""


def read(name: str, carries: Carries = Carries.NOTHING) -> Operation:
    """Moves nothing out and opens nothing."""
    return Operation(name, ActionKind.READ, carries)


def expose(name: str, aspect: str, value: str = "", *, resource: str = "") -> Operation:
    """Changes what its document says about ``aspect``."""
    return Operation(name, ActionKind.EXPOSE, Carries.DOCUMENT, aspect, value, resource=resource)


def prepare(name: str, resource: str) -> Operation:
    """Begins something, with a document about it."""
    return Operation(name, ActionKind.PREPARE, Carries.DOCUMENT, resource=resource)


@dataclass(frozen=True, slots=True)
class Row:
    """One operation of the JSON API: ``path`` below ``/storage/v1/``, with the names of its segments in braces:
    bucket, object, and of a copy's other end from_bucket, from_object.
    """

    method: str
    path: str
    operation: Operation

    @property
    def pattern(self) -> re.Pattern[str]:
        """The path as an expression with those groups; an object's name is one encoded segment."""
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))


def _rows(*rows: tuple[str, str, Operation]) -> tuple[Row, ...]:
    return tuple(Row(method, path, operation) for method, path, operation in rows)


COPY = ActionKind.COPY
_FROM_TO = "b/{from_bucket}/o/{from_object}/%s/b/{bucket}/o/{object}"

JSON_API = _rows(
    # buckets
    ("POST", "b", prepare("buckets.insert", "bucket")),
    ("PUT", "b/{bucket}", expose("buckets.update", "", resource="bucket-whole")),
    ("PATCH", "b/{bucket}", expose("buckets.patch", "", resource="bucket")),
    ("DELETE", "b/{bucket}", read("buckets.delete")),
    ("PUT", "b/{bucket}/iam", expose("buckets.setIamPolicy", "policy", resource="policy")),
    ("POST", "b/{bucket}/lockRetentionPolicy", read("buckets.lockRetentionPolicy")),
    ("POST", "b/{bucket}/relocate", expose("buckets.relocate", "replication", "relocate", resource="relocation")),
    (
        "POST",
        "b/{bucket}/restore",
        Operation("buckets.restore", ActionKind.EXPOSE, Carries.NOTHING, "other", "restore"),
    ),
    # access control of buckets and objects
    ("POST", "b/{bucket}/acl", expose("bucketAccessControls.insert", "acl", resource="entry")),
    ("PUT", "b/{bucket}/acl/{entity}", expose("bucketAccessControls.update", "acl", resource="entry")),
    ("PATCH", "b/{bucket}/acl/{entity}", expose("bucketAccessControls.patch", "acl", resource="entry")),
    ("DELETE", "b/{bucket}/acl/{entity}", read("bucketAccessControls.delete")),
    ("POST", "b/{bucket}/defaultObjectAcl", expose("defaultObjectAccessControls.insert", "acl", resource="entry")),
    (
        "PUT",
        "b/{bucket}/defaultObjectAcl/{entity}",
        expose("defaultObjectAccessControls.update", "acl", resource="entry"),
    ),
    (
        "PATCH",
        "b/{bucket}/defaultObjectAcl/{entity}",
        expose("defaultObjectAccessControls.patch", "acl", resource="entry"),
    ),
    ("DELETE", "b/{bucket}/defaultObjectAcl/{entity}", read("defaultObjectAccessControls.delete")),
    ("POST", "b/{bucket}/o/{object}/acl", expose("objectAccessControls.insert", "acl", resource="entry")),
    ("PUT", "b/{bucket}/o/{object}/acl/{entity}", expose("objectAccessControls.update", "acl", resource="entry")),
    ("PATCH", "b/{bucket}/o/{object}/acl/{entity}", expose("objectAccessControls.patch", "acl", resource="entry")),
    ("DELETE", "b/{bucket}/o/{object}/acl/{entity}", read("objectAccessControls.delete")),
    ("PUT", "b/{bucket}/o/{object}/iam", expose("objects.setIamPolicy", "policy", resource="policy")),
    # objects
    ("POST", "b/{bucket}/o/bulkRestore", expose("objects.bulkRestore", "other", "restore", resource="plain")),
    ("POST", "b/{bucket}/o/watch", expose("objects.watchAll", "other", "notification", resource="channel")),
    ("PUT", "b/{bucket}/o/{object}", expose("objects.update", "", resource="object")),
    ("PATCH", "b/{bucket}/o/{object}", expose("objects.patch", "", resource="object")),
    ("DELETE", "b/{bucket}/o/{object}", read("objects.delete")),
    ("POST", "b/{bucket}/o/{object}/restore", Operation("objects.restore", COPY)),
    (
        "POST",
        "b/{bucket}/o/{object}/compose",
        Operation("objects.compose", ActionKind.ASSEMBLE, Carries.DOCUMENT, resource="composition"),
    ),
    ("POST", _FROM_TO % "copyTo", Operation("objects.copy", COPY, Carries.DOCUMENT, resource="object")),
    ("POST", _FROM_TO % "rewriteTo", Operation("objects.rewrite", COPY, Carries.DOCUMENT, resource="object")),
    ("POST", "b/{bucket}/o/{from_object}/moveTo/o/{object}", Operation("objects.move", COPY)),
    # folders
    ("POST", "b/{bucket}/folders", prepare("folders.insert", "folder")),
    ("DELETE", "b/{bucket}/folders/{object}", read("folders.delete")),
    ("POST", "b/{bucket}/folders/{object}/deleteRecursive", read("folders.deleteRecursive")),
    ("POST", "b/{bucket}/folders/{from_object}/renameTo/folders/{object}", Operation("folders.rename", COPY)),
    ("POST", "b/{bucket}/managedFolders", prepare("managedFolders.insert", "folder")),
    ("PATCH", "b/{bucket}/managedFolders/{object}", expose("managedFolders.update", "replication", resource="cache")),
    ("DELETE", "b/{bucket}/managedFolders/{object}", read("managedFolders.delete")),
    (
        "PUT",
        "b/{bucket}/managedFolders/{object}/iam",
        expose("managedFolders.setIamPolicy", "policy", resource="policy"),
    ),
    # who is told, and where copies are kept near
    (
        "POST",
        "b/{bucket}/notificationConfigs",
        expose("notifications.insert", "other", "notification", resource="notification"),
    ),
    ("DELETE", "b/{bucket}/notificationConfigs/{entity}", read("notifications.delete")),
    ("POST", "b/{bucket}/anywhereCaches", expose("anywhereCaches.insert", "replication", "cache", resource="cache")),
    (
        "PATCH",
        "b/{bucket}/anywhereCaches/{entity}",
        expose("anywhereCaches.update", "other", "cache", resource="plain"),
    ),
    ("POST", "b/{bucket}/anywhereCaches/{entity}/pause", read("anywhereCaches.pause")),
    ("POST", "b/{bucket}/anywhereCaches/{entity}/disable", read("anywhereCaches.disable")),
    (
        "POST",
        "b/{bucket}/anywhereCaches/{entity}/resume",
        Operation("anywhereCaches.resume", ActionKind.EXPOSE, Carries.NOTHING, "replication", "cache"),
    ),
    ("POST", "b/{bucket}/rapidCaches", expose("rapidCaches.insert", "replication", "cache", resource="cache")),
    ("PATCH", "b/{bucket}/rapidCaches/{entity}", expose("rapidCaches.update", "other", "cache", resource="plain")),
    ("POST", "b/{bucket}/rapidCaches/{entity}/disable", read("rapidCaches.disable")),
    ("POST", "b/{bucket}/operations/{entity}/cancel", read("operations.cancel")),
    (
        "POST",
        "b/{bucket}/operations/{entity}/advanceRelocateBucket",
        expose("operations.advanceRelocateBucket", "replication", "relocate", resource="relocation"),
    ),
    ("POST", "channels/stop", read("channels.stop", Carries.DOCUMENT)),
    # credentials for the XML API
    (
        "POST",
        "projects/{entity}/hmacKeys",
        Operation("projects.hmacKeys.create", ActionKind.EXPOSE, Carries.NOTHING, "other", "hmac-key"),
    ),
    (
        "PUT",
        "projects/{entity}/hmacKeys/{key}",
        expose("projects.hmacKeys.update", "other", "hmac-key", resource="plain"),
    ),
    ("DELETE", "projects/{entity}/hmacKeys/{key}", read("projects.hmacKeys.delete")),
)
"""The JSON API without uploads. Fixed paths stand before patterns that would take them."""

INSERT_EMPTY = Operation("objects.insert", ActionKind.PREPARE, Carries.DOCUMENT, resource="object")
INSERT_MEDIA = Operation("objects.insert", ActionKind.UPLOAD, Carries.OBJECT)
INSERT_RELATED = Operation("objects.insert", ActionKind.UPLOAD, Carries.OBJECT, resource="object")
BEGIN_SESSION = Operation("objects.insert resumable", ActionKind.PREPARE, Carries.DOCUMENT, resource="object")
SESSION_CHUNK = Operation("objects.insert chunk", ActionKind.UPLOAD, Carries.OBJECT)
SESSION_STATUS = read("objects.insert status")
SESSION_CANCEL = read("objects.insert cancel")
FORM_POST = Operation("POST Object", ActionKind.UPLOAD, Carries.OBJECT)
XML_BEGIN_SESSION = Operation("POST Object resumable", ActionKind.PREPARE)
XML_COPY = Operation("PUT Object copy", COPY)
XML_COPY_PART = Operation("PUT Object part copy", COPY)

S, B, K = Level.SERVICE, Level.BUCKET, Level.OBJECT
XML_API: Mapping[tuple[str, Level, str], Operation] = {
    ("PUT", B, ""): prepare("PUT Bucket", "xml-bucket"),
    ("DELETE", B, ""): read("DELETE Bucket"),
    ("PUT", B, "acl"): expose("PUT Bucket acl", "acl", resource="xml-acl"),
    ("PUT", B, "defaultObjectAcl"): expose("PUT Bucket defaultObjectAcl", "acl", resource="xml-acl"),
    ("PUT", B, "billing"): expose("PUT Bucket billing", "other", "billing", resource="xml"),
    ("PUT", B, "cors"): expose("PUT Bucket cors", "cors", resource="xml"),
    ("DELETE", B, "cors"): read("DELETE Bucket cors"),
    ("PUT", B, "encryptionConfig"): expose("PUT Bucket encryptionConfig", "encryption", resource="xml-encryption"),
    ("PUT", B, "lifecycle"): expose("PUT Bucket lifecycle", "lifecycle", resource="xml"),
    ("DELETE", B, "lifecycle"): read("DELETE Bucket lifecycle"),
    ("PUT", B, "logging"): expose("PUT Bucket logging", "logging", resource="xml-logging"),
    ("PUT", B, "storageClass"): expose("PUT Bucket storageClass", "other", "storage-class", resource="xml"),
    ("PUT", B, "tagging"): expose("PUT Bucket tagging", "tags", resource="xml"),
    ("DELETE", B, "tagging"): read("DELETE Bucket tagging"),
    ("PUT", B, "versioning"): expose("PUT Bucket versioning", "versioning", resource="xml-versioning"),
    ("PUT", B, "websiteConfig"): expose("PUT Bucket websiteConfig", "website", resource="xml"),
    ("POST", B, "delete"): read("POST Bucket delete", Carries.DOCUMENT),
    ("PUT", K, ""): Operation("PUT Object", ActionKind.UPLOAD, Carries.OBJECT),
    ("DELETE", K, ""): read("DELETE Object"),
    ("PUT", K, "acl"): expose("PUT Object acl", "acl", resource="xml-acl"),
    ("PUT", K, "compose"): Operation(
        "PUT Object compose", ActionKind.ASSEMBLE, Carries.DOCUMENT, resource="composition"
    ),
    ("PUT", K, "retention"): expose("PUT Object retention", "object-lock", resource="xml"),
    ("POST", K, "uploads"): Operation("POST Object uploads", ActionKind.PREPARE),
    ("PUT", K, "uploadId"): Operation("PUT Object part", ActionKind.UPLOAD, Carries.OBJECT),
    ("POST", K, "uploadId"): Operation(
        "POST Object uploadId", ActionKind.ASSEMBLE, Carries.DOCUMENT, resource="xml-parts"
    ),
    ("DELETE", K, "uploadId"): read("DELETE Object uploadId"),
}
"""The XML API."""
SUBRESOURCES = frozenset(
    {name for _, _, name in XML_API if name}
    | {
        "location",
        "storageClass",
        "website",
        "policy",
        "restore",
        "encryption",
        "replication",
        "inventory",
        "torrent",
        "select",
        "rename",
        "append",
        "appendable",
        "legal-hold",
        "object-lock",
        "ownershipControls",
        "publicAccessBlock",
        "publicAccessPrevention",
        "notification",
        "analytics",
        "metrics",
        "intelligent-tiering",
        "accelerate",
        "requestPayment",
        "attributes",
        "autoclass",
        "softDelete",
        "ipFilter",
        "uniformBucketLevelAccess",
        "labels",
        "update",
    }
)
"""Arguments that make another operation of a request; those that no table has are unrecognised."""
PARAMETERS = frozenset(
    {
        "partNumber",
        "generation",
        "ifGenerationMatch",
        "userProject",
        "GoogleAccessId",
        "AWSAccessKeyId",
        "Expires",
        "Signature",
        "key",
        "access_token",
        "prettyPrint",
        "quotaUser",
        "alt",
        "response-content-disposition",
        "response-content-type",
        "X-Goog-Algorithm",
        "X-Goog-Credential",
        "X-Goog-Date",
        "X-Goog-Expires",
        "X-Goog-SignedHeaders",
        "X-Goog-Signature",
        "upload_id",
        "versionId",
    }
)
"""Arguments of the XML API that change nothing of what a request does; so do all that begin with ``x-``."""
