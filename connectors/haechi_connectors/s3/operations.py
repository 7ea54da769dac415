"""Every operation of the S3 API, by method, level and subresource; and of its control API, by method and path.

Theory. A request names its operation by method, whether it has a key, and a *subresource*: a query argument such as
``acl``. Some PUTs are told apart by a header alone (copy, rename). What changes state and is not here is unrecognised.
The tables are proved against botocore's models by tests/unit/wire/test_botocore_coverage.py. Must not know hosts or
bodies.
"""

from __future__ import annotations

import re
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


def _read(name: str, carries: Carries = Carries.NOTHING) -> Operation:
    return Operation(name, ActionKind.READ, carries)


def _set(name: str) -> Operation:
    """A setting that opens nothing and moves nothing."""
    return Operation(name, ActionKind.READ, Carries.DOCUMENT)


def _expose(name: str, aspect: str, value: str = "") -> Operation:
    return Operation(name, ActionKind.EXPOSE, Carries.DOCUMENT, aspect, value)


def _remove(name: str, aspect: str, *, public: bool) -> Operation:
    """Takes a protection away: ``public`` where that alone may open the content."""
    return Operation(name, ActionKind.EXPOSE, Carries.NOTHING, aspect, "removed", public)


S, B, K = Level.SERVICE, Level.BUCKET, Level.OBJECT

CHANGES: Mapping[Key, Operation] = {
    # objects
    ("PUT", K, ""): Operation("PutObject", ActionKind.UPLOAD, Carries.OBJECT),
    ("PUT", K, "uploadId"): Operation("UploadPart", ActionKind.UPLOAD, Carries.OBJECT),
    ("PUT", K, "annotation"): Operation("PutObjectAnnotation", ActionKind.UPLOAD, Carries.OBJECT),
    ("PUT", K, "acl"): _expose("PutObjectAcl", "acl"),
    ("PUT", K, "encryption"): _expose("UpdateObjectEncryption", "encryption"),
    ("PUT", K, "renameObject"): Operation("RenameObject", ActionKind.COPY),
    ("PUT", K, "tagging"): _set("PutObjectTagging"),
    ("PUT", K, "retention"): _set("PutObjectRetention"),
    ("PUT", K, "legal-hold"): _set("PutObjectLegalHold"),
    ("POST", K, "uploads"): Operation("CreateMultipartUpload", ActionKind.PREPARE),
    ("POST", K, "uploadId"): Operation("CompleteMultipartUpload", ActionKind.ASSEMBLE, Carries.DOCUMENT),
    ("POST", K, "restore"): _expose("RestoreObject", "other", "restore"),
    ("POST", K, "select"): _read("SelectObjectContent", Carries.DOCUMENT),
    ("DELETE", K, ""): _read("DeleteObject"),
    ("DELETE", K, "uploadId"): _read("AbortMultipartUpload"),
    ("DELETE", K, "tagging"): _read("DeleteObjectTagging"),
    ("DELETE", K, "annotation"): _read("DeleteObjectAnnotation"),
    # buckets
    ("PUT", B, ""): Operation("CreateBucket", ActionKind.PREPARE, Carries.DOCUMENT),
    ("PUT", B, "acl"): _expose("PutBucketAcl", "acl"),
    ("PUT", B, "policy"): _expose("PutBucketPolicy", "policy"),
    ("PUT", B, "publicAccessBlock"): _expose("PutPublicAccessBlock", "public-access-block"),
    ("PUT", B, "replication"): _expose("PutBucketReplication", "replication"),
    ("PUT", B, "website"): _expose("PutBucketWebsite", "website"),
    ("PUT", B, "accelerate"): _expose("PutBucketAccelerateConfiguration", "acceleration"),
    ("PUT", B, "ownershipControls"): _expose("PutBucketOwnershipControls", "ownership"),
    ("PUT", B, "encryption"): _expose("PutBucketEncryption", "encryption"),
    ("PUT", B, "inventory"): _expose("PutBucketInventoryConfiguration", "inventory"),
    ("PUT", B, "analytics"): _expose("PutBucketAnalyticsConfiguration", "inventory", "analytics"),
    ("PUT", B, "cors"): _expose("PutBucketCors", "cors"),
    ("PUT", B, "logging"): _expose("PutBucketLogging", "logging"),
    ("PUT", B, "versioning"): _expose("PutBucketVersioning", "versioning"),
    ("PUT", B, "lifecycle"): _expose("PutBucketLifecycleConfiguration", "lifecycle"),
    ("PUT", B, "notification"): _expose("PutBucketNotificationConfiguration", "other", "notification"),
    ("PUT", B, "abac"): _expose("PutBucketAbac", "other", "abac"),
    ("PUT", B, "metadataInventoryTable"): _expose(
        "UpdateBucketMetadataInventoryTableConfiguration", "inventory", "metadata-table"
    ),
    ("PUT", B, "metadataJournalTable"): _expose(
        "UpdateBucketMetadataJournalTableConfiguration", "inventory", "metadata-table"
    ),
    ("PUT", B, "metadataAnnotationTable"): _expose(
        "UpdateBucketMetadataAnnotationTableConfiguration", "inventory", "metadata-table"
    ),
    ("POST", B, "metadataConfiguration"): _expose("CreateBucketMetadataConfiguration", "inventory", "metadata-table"),
    ("POST", B, "metadataTable"): _expose("CreateBucketMetadataTableConfiguration", "inventory", "metadata-table"),
    ("PUT", B, "tagging"): _set("PutBucketTagging"),
    ("PUT", B, "metrics"): _set("PutBucketMetricsConfiguration"),
    ("PUT", B, "intelligent-tiering"): _set("PutBucketIntelligentTieringConfiguration"),
    ("PUT", B, "object-lock"): _set("PutObjectLockConfiguration"),
    ("PUT", B, "requestPayment"): _set("PutBucketRequestPayment"),
    ("POST", B, "delete"): _read("DeleteObjects", Carries.DOCUMENT),
    ("DELETE", B, ""): _read("DeleteBucket"),
    ("DELETE", B, "publicAccessBlock"): _remove("DeletePublicAccessBlock", "public-access-block", public=True),
    ("DELETE", B, "policy"): _remove("DeleteBucketPolicy", "policy", public=False),
    ("DELETE", B, "encryption"): _remove("DeleteBucketEncryption", "encryption", public=False),
    ("DELETE", B, "ownershipControls"): _remove("DeleteBucketOwnershipControls", "ownership", public=False),
    ("DELETE", B, "analytics"): _read("DeleteBucketAnalyticsConfiguration"),
    ("DELETE", B, "cors"): _read("DeleteBucketCors"),
    ("DELETE", B, "intelligent-tiering"): _read("DeleteBucketIntelligentTieringConfiguration"),
    ("DELETE", B, "inventory"): _read("DeleteBucketInventoryConfiguration"),
    ("DELETE", B, "lifecycle"): _read("DeleteBucketLifecycle"),
    ("DELETE", B, "metadataConfiguration"): _read("DeleteBucketMetadataConfiguration"),
    ("DELETE", B, "metadataTable"): _read("DeleteBucketMetadataTableConfiguration"),
    ("DELETE", B, "metrics"): _read("DeleteBucketMetricsConfiguration"),
    ("DELETE", B, "replication"): _read("DeleteBucketReplication"),
    ("DELETE", B, "tagging"): _read("DeleteBucketTagging"),
    ("DELETE", B, "website"): _read("DeleteBucketWebsite"),
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

VERSION = "/v20180820"


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One operation of the control API: ``path`` below the version prefix, ``{}`` one segment, ``{+}`` several."""

    method: str
    path: str
    operation: Operation

    @property
    def pattern(self) -> re.Pattern[str]:
        """The path as an expression; the first group is the resource's name."""
        escaped = re.escape(self.path).replace(r"\{\+\}", "(.+)").replace(r"\{\}", "([^/]+)")
        return re.compile(escaped)


def _rows(*rows: tuple[str, str, Operation]) -> tuple[ControlRow, ...]:
    return tuple(ControlRow(method, path, operation) for method, path, operation in rows)


def _job(name: str, value: str) -> Operation:
    return Operation(name, ActionKind.EXPOSE, Carries.DOCUMENT, "other", value)


ACCESS = "access-point-policy"
CONTROL = _rows(
    ("POST", "/jobs", _job("CreateJob", "job")),
    ("POST", "/jobs/{}/status", _job("UpdateJobStatus", "job-status")),
    ("POST", "/jobs/{}/priority", _read("UpdateJobPriority")),
    ("PUT", "/jobs/{}/tagging", _set("PutJobTagging")),
    ("DELETE", "/jobs/{}/tagging", _read("DeleteJobTagging")),
    ("PUT", "/accesspoint/{}", _expose("CreateAccessPoint", ACCESS, "created")),
    ("DELETE", "/accesspoint/{}", _read("DeleteAccessPoint")),
    ("PUT", "/accesspoint/{}/policy", _expose("PutAccessPointPolicy", ACCESS)),
    ("DELETE", "/accesspoint/{}/policy", _remove("DeleteAccessPointPolicy", ACCESS, public=False)),
    ("PUT", "/accesspoint/{}/scope", _expose("PutAccessPointScope", ACCESS, "scope")),
    ("DELETE", "/accesspoint/{}/scope", _remove("DeleteAccessPointScope", ACCESS, public=False)),
    ("PUT", "/accesspointforobjectlambda/{}", _expose("CreateAccessPointForObjectLambda", ACCESS, "object-lambda")),
    ("DELETE", "/accesspointforobjectlambda/{}", _read("DeleteAccessPointForObjectLambda")),
    ("PUT", "/accesspointforobjectlambda/{}/policy", _expose("PutAccessPointPolicyForObjectLambda", ACCESS)),
    (
        "DELETE",
        "/accesspointforobjectlambda/{}/policy",
        _remove("DeleteAccessPointPolicyForObjectLambda", ACCESS, public=False),
    ),
    (
        "PUT",
        "/accesspointforobjectlambda/{}/configuration",
        _expose("PutAccessPointConfigurationForObjectLambda", ACCESS, "object-lambda"),
    ),
    ("POST", "/async-requests/mrap/create", _expose("CreateMultiRegionAccessPoint", "replication", "multi-region")),
    ("POST", "/async-requests/mrap/delete", _read("DeleteMultiRegionAccessPoint", Carries.DOCUMENT)),
    ("POST", "/async-requests/mrap/put-policy", _expose("PutMultiRegionAccessPointPolicy", ACCESS, "multi-region")),
    (
        "PATCH",
        "/mrap/instances/{+}/routes",
        _expose("SubmitMultiRegionAccessPointRoutes", "replication", "multi-region-routes"),
    ),
    ("PUT", "/bucket/{}", Operation("CreateBucket", ActionKind.PREPARE, Carries.DOCUMENT)),
    ("DELETE", "/bucket/{}", _read("DeleteBucket")),
    ("PUT", "/bucket/{}/policy", _expose("PutBucketPolicy", "policy")),
    ("DELETE", "/bucket/{}/policy", _remove("DeleteBucketPolicy", "policy", public=False)),
    ("PUT", "/bucket/{}/replication", _expose("PutBucketReplication", "replication")),
    ("DELETE", "/bucket/{}/replication", _read("DeleteBucketReplication")),
    (
        "PUT",
        "/bucket/{}/lifecycleconfiguration",
        _expose("PutBucketLifecycleConfiguration", "lifecycle"),
    ),
    ("DELETE", "/bucket/{}/lifecycleconfiguration", _read("DeleteBucketLifecycleConfiguration")),
    ("PUT", "/bucket/{}/tagging", _set("PutBucketTagging")),
    ("DELETE", "/bucket/{}/tagging", _read("DeleteBucketTagging")),
    ("PUT", "/bucket/{}/versioning", _expose("PutBucketVersioning", "versioning")),
    ("PUT", "/configuration/publicAccessBlock", _expose("PutPublicAccessBlock", "public-access-block", "account")),
    (
        "DELETE",
        "/configuration/publicAccessBlock",
        _remove("DeletePublicAccessBlock", "public-access-block", public=True),
    ),
    ("PUT", "/storagelens/{}", _expose("PutStorageLensConfiguration", "inventory", "storage-lens")),
    ("DELETE", "/storagelens/{}", _read("DeleteStorageLensConfiguration")),
    ("PUT", "/storagelens/{}/tagging", _set("PutStorageLensConfigurationTagging")),
    ("DELETE", "/storagelens/{}/tagging", _read("DeleteStorageLensConfigurationTagging")),
    ("POST", "/storagelensgroup", _set("CreateStorageLensGroup")),
    ("PUT", "/storagelensgroup/{}", _set("UpdateStorageLensGroup")),
    ("DELETE", "/storagelensgroup/{}", _read("DeleteStorageLensGroup")),
    ("POST", "/accessgrantsinstance", _expose("CreateAccessGrantsInstance", "other", "access-grant")),
    ("DELETE", "/accessgrantsinstance", _read("DeleteAccessGrantsInstance")),
    ("POST", "/accessgrantsinstance/grant", _expose("CreateAccessGrant", "other", "access-grant")),
    ("DELETE", "/accessgrantsinstance/grant/{}", _read("DeleteAccessGrant")),
    ("POST", "/accessgrantsinstance/location", _expose("CreateAccessGrantsLocation", "other", "access-grant")),
    ("PUT", "/accessgrantsinstance/location/{}", _expose("UpdateAccessGrantsLocation", "other", "access-grant")),
    ("DELETE", "/accessgrantsinstance/location/{}", _read("DeleteAccessGrantsLocation")),
    (
        "POST",
        "/accessgrantsinstance/identitycenter",
        _expose("AssociateAccessGrantsIdentityCenter", "other", "access-grant"),
    ),
    ("DELETE", "/accessgrantsinstance/identitycenter", _read("DissociateAccessGrantsIdentityCenter")),
    (
        "PUT",
        "/accessgrantsinstance/resourcepolicy",
        _expose("PutAccessGrantsInstanceResourcePolicy", "policy", "access-grant"),
    ),
    (
        "DELETE",
        "/accessgrantsinstance/resourcepolicy",
        _remove("DeleteAccessGrantsInstanceResourcePolicy", "policy", public=False),
    ),
    ("POST", "/tags/{+}", _set("TagResource")),
    ("DELETE", "/tags/{+}", _read("UntagResource")),
)
"""The control API. Fixed paths stand before patterns that would take them."""

OUTPOSTS_SERVICE = {
    ("POST", "/S3Outposts/CreateEndpoint"): _read("CreateEndpoint", Carries.DOCUMENT),
    ("DELETE", "/S3Outposts/DeleteEndpoint"): _read("DeleteEndpoint"),
}
"""The management of Outposts' endpoints shares their host name, and touches no object."""
