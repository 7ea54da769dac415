"""Every operation of the S3 control API (access points, batch jobs, Outposts buckets, grants), by method and path.

Proved against botocore's model as ``operations`` is. Must not know hosts or bodies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from haechi.domain.upload import ActionKind

from haechi_connectors.s3.operations import Carries, Operation, expose, read, remove, setting

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


ACCESS = "access-point-policy"
CONTROL = _rows(
    ("POST", "/jobs", expose("CreateJob", "replication", "job")),
    ("POST", "/jobs/{}/status", expose("UpdateJobStatus", "other", "job-status")),
    ("POST", "/jobs/{}/priority", read("UpdateJobPriority")),
    ("PUT", "/jobs/{}/tagging", setting("PutJobTagging")),
    ("DELETE", "/jobs/{}/tagging", read("DeleteJobTagging")),
    ("PUT", "/accesspoint/{}", expose("CreateAccessPoint", ACCESS, "created")),
    ("DELETE", "/accesspoint/{}", read("DeleteAccessPoint")),
    ("PUT", "/accesspoint/{}/policy", expose("PutAccessPointPolicy", ACCESS)),
    ("DELETE", "/accesspoint/{}/policy", remove("DeleteAccessPointPolicy", ACCESS, public=False)),
    ("PUT", "/accesspoint/{}/scope", expose("PutAccessPointScope", ACCESS, "scope")),
    ("DELETE", "/accesspoint/{}/scope", remove("DeleteAccessPointScope", ACCESS, public=False)),
    ("PUT", "/accesspointforobjectlambda/{}", expose("CreateAccessPointForObjectLambda", ACCESS, "object-lambda")),
    ("DELETE", "/accesspointforobjectlambda/{}", read("DeleteAccessPointForObjectLambda")),
    ("PUT", "/accesspointforobjectlambda/{}/policy", expose("PutAccessPointPolicyForObjectLambda", ACCESS)),
    (
        "DELETE",
        "/accesspointforobjectlambda/{}/policy",
        remove("DeleteAccessPointPolicyForObjectLambda", ACCESS, public=False),
    ),
    (
        "PUT",
        "/accesspointforobjectlambda/{}/configuration",
        expose("PutAccessPointConfigurationForObjectLambda", ACCESS, "object-lambda"),
    ),
    ("POST", "/async-requests/mrap/create", expose("CreateMultiRegionAccessPoint", "replication", "multi-region")),
    ("POST", "/async-requests/mrap/delete", read("DeleteMultiRegionAccessPoint", Carries.DOCUMENT)),
    ("POST", "/async-requests/mrap/put-policy", expose("PutMultiRegionAccessPointPolicy", ACCESS, "multi-region")),
    (
        "PATCH",
        "/mrap/instances/{+}/routes",
        expose("SubmitMultiRegionAccessPointRoutes", "replication", "multi-region-routes"),
    ),
    ("PUT", "/bucket/{}", Operation("CreateBucket", ActionKind.PREPARE, Carries.DOCUMENT)),
    ("DELETE", "/bucket/{}", read("DeleteBucket")),
    ("PUT", "/bucket/{}/policy", expose("PutBucketPolicy", "policy")),
    ("DELETE", "/bucket/{}/policy", remove("DeleteBucketPolicy", "policy", public=False)),
    ("PUT", "/bucket/{}/replication", expose("PutBucketReplication", "replication")),
    ("DELETE", "/bucket/{}/replication", read("DeleteBucketReplication")),
    (
        "PUT",
        "/bucket/{}/lifecycleconfiguration",
        expose("PutBucketLifecycleConfiguration", "lifecycle"),
    ),
    ("DELETE", "/bucket/{}/lifecycleconfiguration", read("DeleteBucketLifecycleConfiguration")),
    ("PUT", "/bucket/{}/tagging", expose("PutBucketTagging", "tags")),
    ("DELETE", "/bucket/{}/tagging", read("DeleteBucketTagging")),
    ("PUT", "/bucket/{}/versioning", expose("PutBucketVersioning", "versioning")),
    ("PUT", "/configuration/publicAccessBlock", expose("PutPublicAccessBlock", "public-access-block", "account")),
    (
        "DELETE",
        "/configuration/publicAccessBlock",
        remove("DeletePublicAccessBlock", "public-access-block", public=True),
    ),
    ("PUT", "/storagelens/{}", expose("PutStorageLensConfiguration", "inventory", "storage-lens")),
    ("DELETE", "/storagelens/{}", read("DeleteStorageLensConfiguration")),
    ("PUT", "/storagelens/{}/tagging", setting("PutStorageLensConfigurationTagging")),
    ("DELETE", "/storagelens/{}/tagging", read("DeleteStorageLensConfigurationTagging")),
    ("POST", "/storagelensgroup", setting("CreateStorageLensGroup")),
    ("PUT", "/storagelensgroup/{}", setting("UpdateStorageLensGroup")),
    ("DELETE", "/storagelensgroup/{}", read("DeleteStorageLensGroup")),
    ("POST", "/accessgrantsinstance", expose("CreateAccessGrantsInstance", "policy", "access-grant")),
    ("DELETE", "/accessgrantsinstance", read("DeleteAccessGrantsInstance")),
    ("POST", "/accessgrantsinstance/grant", expose("CreateAccessGrant", "policy", "access-grant")),
    ("DELETE", "/accessgrantsinstance/grant/{}", read("DeleteAccessGrant")),
    ("POST", "/accessgrantsinstance/location", expose("CreateAccessGrantsLocation", "policy", "access-grant")),
    ("PUT", "/accessgrantsinstance/location/{}", expose("UpdateAccessGrantsLocation", "policy", "access-grant")),
    ("DELETE", "/accessgrantsinstance/location/{}", read("DeleteAccessGrantsLocation")),
    (
        "POST",
        "/accessgrantsinstance/identitycenter",
        expose("AssociateAccessGrantsIdentityCenter", "policy", "access-grant"),
    ),
    ("DELETE", "/accessgrantsinstance/identitycenter", read("DissociateAccessGrantsIdentityCenter")),
    (
        "PUT",
        "/accessgrantsinstance/resourcepolicy",
        expose("PutAccessGrantsInstanceResourcePolicy", "policy"),
    ),
    (
        "DELETE",
        "/accessgrantsinstance/resourcepolicy",
        remove("DeleteAccessGrantsInstanceResourcePolicy", "policy", public=False),
    ),
    ("POST", "/tags/{+}", setting("TagResource")),
    ("DELETE", "/tags/{+}", read("UntagResource")),
)
"""The control API. Fixed paths stand before patterns that would take them."""

OUTPOSTS_SERVICE = {
    ("POST", "/S3Outposts/CreateEndpoint"): read("CreateEndpoint", Carries.DOCUMENT),
    ("DELETE", "/S3Outposts/DeleteEndpoint"): read("DeleteEndpoint"),
}
"""The management of Outposts' endpoints shares their host name, and touches no object."""
