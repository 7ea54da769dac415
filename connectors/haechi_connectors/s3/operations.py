"""Every operation of the S3 API, by method, level and subresource. Its control API is in ``control``.

Theory. A request names its operation by method, whether it has a key, and a *subresource*: a query argument such as
``acl``. Some PUTs are told apart by a header alone (copy, rename). What changes state and is not here is unrecognised.
The tables are proved against botocore's models by tests/unit/wire/test_botocore_coverage.py. Must not know hosts or
bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.upload import ActionKind


class Level(StrEnum):
    """What the path names."""

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
    ``public`` is set where the operation alone tells (removing the public access block).
    """

    name: str
    kind: ActionKind
    carries: Carries = Carries.NOTHING
    aspect: str = ""
    value: str = ""
    public: bool | None = None


Key = tuple[str, Level, str]


def read(name: str, carries: Carries = Carries.NOTHING) -> Operation:
    """Moves nothing out and opens nothing."""
    return Operation(name, ActionKind.READ, carries)


def setting(name: str) -> Operation:
    """A setting that opens nothing and moves nothing."""
    return Operation(name, ActionKind.READ, Carries.DOCUMENT)


def expose(name: str, aspect: str, value: str = "") -> Operation:
    """Changes what its document says about ``aspect``."""
    return Operation(name, ActionKind.EXPOSE, Carries.DOCUMENT, aspect, value)


def remove(name: str, aspect: str, *, public: bool) -> Operation:
    """Takes a protection away: ``public`` where that alone may open the content."""
    return Operation(name, ActionKind.EXPOSE, Carries.NOTHING, aspect, "removed", public)


S, B, K = Level.SERVICE, Level.BUCKET, Level.OBJECT

CHANGES: Mapping[Key, Operation] = {
    # objects
    ("PUT", K, ""): Operation("PutObject", ActionKind.UPLOAD, Carries.OBJECT),
    ("PUT", K, "uploadId"): Operation("UploadPart", ActionKind.UPLOAD, Carries.OBJECT),
    ("PUT", K, "annotation"): Operation("PutObjectAnnotation", ActionKind.UPLOAD, Carries.OBJECT),
    ("PUT", K, "acl"): expose("PutObjectAcl", "acl"),
    ("PUT", K, "encryption"): expose("UpdateObjectEncryption", "encryption"),
    ("PUT", K, "renameObject"): Operation("RenameObject", ActionKind.COPY),
    ("PUT", K, "tagging"): expose("PutObjectTagging", "tags"),
    ("PUT", K, "retention"): setting("PutObjectRetention"),
    ("PUT", K, "legal-hold"): setting("PutObjectLegalHold"),
    ("POST", K, "uploads"): Operation("CreateMultipartUpload", ActionKind.PREPARE),
    ("POST", K, "uploadId"): Operation("CompleteMultipartUpload", ActionKind.ASSEMBLE, Carries.DOCUMENT),
    ("POST", K, "restore"): expose("RestoreObject", "other", "restore"),
    ("POST", K, "select"): read("SelectObjectContent", Carries.DOCUMENT),
    ("DELETE", K, ""): read("DeleteObject"),
    ("DELETE", K, "uploadId"): read("AbortMultipartUpload"),
    ("DELETE", K, "tagging"): read("DeleteObjectTagging"),
    ("DELETE", K, "annotation"): read("DeleteObjectAnnotation"),
    # buckets
    ("PUT", B, ""): Operation("CreateBucket", ActionKind.PREPARE, Carries.DOCUMENT),
    ("PUT", B, "acl"): expose("PutBucketAcl", "acl"),
    ("PUT", B, "policy"): expose("PutBucketPolicy", "policy"),
    ("PUT", B, "publicAccessBlock"): expose("PutPublicAccessBlock", "public-access-block"),
    ("PUT", B, "replication"): expose("PutBucketReplication", "replication"),
    ("PUT", B, "website"): expose("PutBucketWebsite", "website"),
    ("PUT", B, "accelerate"): expose("PutBucketAccelerateConfiguration", "acceleration"),
    ("PUT", B, "ownershipControls"): expose("PutBucketOwnershipControls", "ownership"),
    ("PUT", B, "encryption"): expose("PutBucketEncryption", "encryption"),
    ("PUT", B, "inventory"): expose("PutBucketInventoryConfiguration", "inventory"),
    ("PUT", B, "analytics"): expose("PutBucketAnalyticsConfiguration", "inventory", "analytics"),
    ("PUT", B, "cors"): expose("PutBucketCors", "cors"),
    ("PUT", B, "logging"): expose("PutBucketLogging", "logging"),
    ("PUT", B, "versioning"): expose("PutBucketVersioning", "versioning"),
    ("PUT", B, "lifecycle"): expose("PutBucketLifecycleConfiguration", "lifecycle"),
    ("PUT", B, "notification"): expose("PutBucketNotificationConfiguration", "other", "notification"),
    ("PUT", B, "abac"): expose("PutBucketAbac", "other", "abac"),
    ("PUT", B, "metadataInventoryTable"): expose(
        "UpdateBucketMetadataInventoryTableConfiguration", "inventory", "metadata-table"
    ),
    ("PUT", B, "metadataJournalTable"): expose(
        "UpdateBucketMetadataJournalTableConfiguration", "inventory", "metadata-table"
    ),
    ("PUT", B, "metadataAnnotationTable"): expose(
        "UpdateBucketMetadataAnnotationTableConfiguration", "inventory", "metadata-table"
    ),
    ("POST", B, "metadataConfiguration"): expose("CreateBucketMetadataConfiguration", "inventory", "metadata-table"),
    ("POST", B, "metadataTable"): expose("CreateBucketMetadataTableConfiguration", "inventory", "metadata-table"),
    ("PUT", B, "tagging"): expose("PutBucketTagging", "tags"),
    ("PUT", B, "metrics"): setting("PutBucketMetricsConfiguration"),
    ("PUT", B, "intelligent-tiering"): setting("PutBucketIntelligentTieringConfiguration"),
    ("PUT", B, "object-lock"): expose("PutObjectLockConfiguration", "object-lock"),
    ("PUT", B, "requestPayment"): setting("PutBucketRequestPayment"),
    ("POST", B, "delete"): read("DeleteObjects", Carries.DOCUMENT),
    ("DELETE", B, ""): read("DeleteBucket"),
    ("DELETE", B, "publicAccessBlock"): remove("DeletePublicAccessBlock", "public-access-block", public=True),
    ("DELETE", B, "policy"): remove("DeleteBucketPolicy", "policy", public=False),
    ("DELETE", B, "encryption"): remove("DeleteBucketEncryption", "encryption", public=False),
    ("DELETE", B, "ownershipControls"): remove("DeleteBucketOwnershipControls", "ownership", public=False),
    ("DELETE", B, "analytics"): read("DeleteBucketAnalyticsConfiguration"),
    ("DELETE", B, "cors"): read("DeleteBucketCors"),
    ("DELETE", B, "intelligent-tiering"): read("DeleteBucketIntelligentTieringConfiguration"),
    ("DELETE", B, "inventory"): read("DeleteBucketInventoryConfiguration"),
    ("DELETE", B, "lifecycle"): read("DeleteBucketLifecycle"),
    ("DELETE", B, "metadataConfiguration"): read("DeleteBucketMetadataConfiguration"),
    ("DELETE", B, "metadataTable"): read("DeleteBucketMetadataTableConfiguration"),
    ("DELETE", B, "metrics"): read("DeleteBucketMetricsConfiguration"),
    ("DELETE", B, "replication"): read("DeleteBucketReplication"),
    ("DELETE", B, "tagging"): read("DeleteBucketTagging"),
    ("DELETE", B, "website"): read("DeleteBucketWebsite"),
}
"""Operations that change state, by method, level and subresource."""

COPY = Operation("CopyObject", ActionKind.COPY)
COPY_PART = Operation("UploadPartCopy", ActionKind.COPY)
FORM_POST = Operation("PostObject", ActionKind.UPLOAD, Carries.OBJECT)
LAMBDA_RESPONSE = Operation("WriteGetObjectResponse", ActionKind.UPLOAD, Carries.OBJECT)

READS: Mapping[Key, str] = {
    ("GET", S, ""): "ListBuckets",
    ("GET", B, ""): "ListObjects",
    ("HEAD", B, ""): "HeadBucket",
    ("GET", K, ""): "GetObject",
    ("HEAD", K, ""): "HeadObject",
    ("GET", K, "uploadId"): "ListParts",
    ("GET", K, "acl"): "GetObjectAcl",
    ("GET", K, "annotation"): "GetObjectAnnotation",
    ("GET", K, "attributes"): "GetObjectAttributes",
    ("GET", K, "legal-hold"): "GetObjectLegalHold",
    ("GET", K, "retention"): "GetObjectRetention",
    ("GET", K, "tagging"): "GetObjectTagging",
    ("GET", K, "torrent"): "GetObjectTorrent",
    ("GET", B, "abac"): "GetBucketAbac",
    ("GET", B, "accelerate"): "GetBucketAccelerateConfiguration",
    ("GET", B, "acl"): "GetBucketAcl",
    ("GET", B, "analytics"): "GetBucketAnalyticsConfiguration",
    ("GET", B, "cors"): "GetBucketCors",
    ("GET", B, "encryption"): "GetBucketEncryption",
    ("GET", B, "intelligent-tiering"): "GetBucketIntelligentTieringConfiguration",
    ("GET", B, "inventory"): "GetBucketInventoryConfiguration",
    ("GET", B, "lifecycle"): "GetBucketLifecycleConfiguration",
    ("GET", B, "list-type"): "ListObjectsV2",
    ("GET", B, "location"): "GetBucketLocation",
    ("GET", B, "logging"): "GetBucketLogging",
    ("GET", B, "metadataConfiguration"): "GetBucketMetadataConfiguration",
    ("GET", B, "metadataTable"): "GetBucketMetadataTableConfiguration",
    ("GET", B, "metrics"): "GetBucketMetricsConfiguration",
    ("GET", B, "notification"): "GetBucketNotificationConfiguration",
    ("GET", B, "object-lock"): "GetObjectLockConfiguration",
    ("GET", B, "ownershipControls"): "GetBucketOwnershipControls",
    ("GET", B, "policy"): "GetBucketPolicy",
    ("GET", B, "policyStatus"): "GetBucketPolicyStatus",
    ("GET", B, "publicAccessBlock"): "GetPublicAccessBlock",
    ("GET", B, "replication"): "GetBucketReplication",
    ("GET", B, "requestPayment"): "GetBucketRequestPayment",
    ("GET", B, "session"): "CreateSession",
    ("GET", B, "tagging"): "GetBucketTagging",
    ("GET", B, "uploads"): "ListMultipartUploads",
    ("GET", B, "versioning"): "GetBucketVersioning",
    ("GET", B, "versions"): "ListObjectVersions",
    ("GET", B, "website"): "GetBucketWebsite",
}
"""Names of what only reads. A GET that is not here is still a read."""

SUBRESOURCES = frozenset(key[2] for key in (*CHANGES, *READS)) - {"", "list-type"}

PARAMETERS = frozenset({
    "annotation-prefix", "annotationName", "bucket-region", "id", "partNumber", "select-type", "versionId",
    "AWSAccessKeyId", "Expires", "Signature", "Policy", "Key-Pair-Id",
})  # fmt: skip
"""Arguments that go with a change without naming another operation; ``x-…`` beside them, which S3 ignores or signs."""
