"""What small control documents say: ACLs, policies, replication and the rest, read for who gains access or copies.

XML by ``defusedxml`` (no DTD, no entities), JSON by the standard library with repeated names refused. A document that
cannot be understood leaves ``public`` unknown, with the cause ``document-unreadable``. Never raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import Action, ExposureChange

from haechi_connectors.markup import texts, tree
from haechi_connectors.s3.details import PUBLIC_GROUPS

NOT_READ = "not-read"
UNREADABLE = "document-unreadable"
LARGEST = 1 << 20
"""Bytes; S3's own bounds are lower for every document that is read here."""
LARGEST_COMPLETION = 8 << 20
"""Bytes; 10,000 parts with all their checksums stay below."""
MOST_PARTS = 10_000
TOUCHING_JOBS = frozenset({
    "S3PutObjectTagging", "S3DeleteObjectTagging", "S3PutObjectLegalHold", "S3PutObjectRetention",
    "S3InitiateRestoreObject",
})  # fmt: skip
"""Batch operations that neither copy nor open; a restore there stays within its bucket."""
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class _UnreadableError(Exception):
    """The document does not say what its operation needs."""


def completed(action: Action, document: bytes) -> Action:
    """The action with what its document says."""
    if action.operation == "CreateBucket":
        return _created(action, document)
    if action.operation == "CompleteMultipartUpload":
        return _joined(action, document)
    if action.operation == "CreateAccessPoint":
        action = _access_point(action, document)
    return replace(action, exposures=tuple(c for change in action.exposures for c in _change(change, document)))


def _change(change: ExposureChange, document: bytes) -> Iterable[ExposureChange]:
    if change.public != Unknown(NOT_READ):
        return (change,)
    try:
        return (_reader(change)(change, document),)
    except (_UnreadableError, ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return (replace(change, public=Unknown(UNREADABLE)),)


def _reader(change: ExposureChange) -> Callable[[ExposureChange, bytes], ExposureChange]:
    return READERS.get((change.aspect, change.value)) or READERS.get((change.aspect, "")) or _listed()


def _listed(*targets: str, value: tuple[str, ...] = ()) -> Callable[[ExposureChange, bytes], ExposureChange]:
    """A reader for documents that open nothing to everyone, and name targets in elements of these names."""

    def read(change: ExposureChange, document: bytes) -> ExposureChange:
        root = tree(document, LARGEST)
        said = ",".join(texts(root, *value)) if value else ""
        named = ":".join(part for part in (change.value, said) if part)
        return replace(change, value=named, public=_grants_public(root), targets=texts(root, *targets))

    return read


def _grants_public(root: Element) -> bool:
    canned = texts(root, "CannedAccessControlList", "CannedACL")
    return any(uri in PUBLIC_GROUPS for uri in texts(root, "URI")) or any(
        acl.startswith("public") or acl == "authenticated-read" for acl in canned
    )


def _acl(change: ExposureChange, document: bytes) -> ExposureChange:
    root = tree(document, LARGEST)
    if root.tag != "AccessControlPolicy":
        raise _UnreadableError
    owner = texts(root.find("Owner") or Element("none"), "ID")  # S3 refuses a document that names another owner
    targets = tuple(grantee for grantee in _grantees(root) if grantee not in owner)
    permissions = ",".join(texts(root, "Permission"))
    return replace(change, value=permissions, public=any(t in PUBLIC_GROUPS for t in targets), targets=targets)


def _grantees(root: Element) -> tuple[str, ...]:
    found: list[str] = []
    for grantee in root.iter("Grantee"):
        found.extend(texts(grantee, "URI", "ID", "EmailAddress"))
    return tuple(dict.fromkeys(found))


def _public_access_block(change: ExposureChange, document: bytes) -> ExposureChange:
    root = tree(document, LARGEST)
    if root.tag != "PublicAccessBlockConfiguration":
        raise _UnreadableError
    lacking = [name for name in BLOCKS if texts(root, name) != ("true",)]
    said = ",".join(f"-{name}" for name in lacking) or "all"
    return replace(change, value=said, public=bool(lacking))


def _logging(change: ExposureChange, document: bytes) -> ExposureChange:
    root = tree(document, LARGEST)
    targets = texts(root, "TargetBucket")
    return replace(change, value="on" if targets else "off", public=_grants_public(root), targets=targets)


def _restore(change: ExposureChange, document: bytes) -> ExposureChange:
    """A restore that writes its result to another place is a copy."""
    targets = texts(tree(document, LARGEST), "BucketName")
    return replace(change, aspect="replication" if targets else change.aspect, public=False, targets=targets)


def _job(change: ExposureChange, document: bytes) -> ExposureChange:
    """A batch job copies, opens, or only touches; its report lists names. One that is none of these is a copy to
    wherever its own name says.
    """
    root = tree(document, LARGEST)
    names = tuple(child.tag for child in root.find("Operation") or ())
    if not names:
        raise _UnreadableError
    value = f"job:{','.join(names)}"
    targets = texts(root, "TargetResource", "FunctionArn", "Bucket", "SSEAwsKmsKeyId")
    opens = _grants_public(root)
    if names == ("S3PutObjectAcl",):
        grantees = texts(root, "Identifier")
        return replace(change, aspect="acl", value=value, public=opens, targets=grantees)
    if set(names) <= TOUCHING_JOBS:
        return replace(change, aspect="inventory", value=value, public=False, targets=targets)
    beyond = names if names != ("S3PutObjectCopy",) else ()
    return replace(change, value=value, public=opens, targets=(*targets, *beyond))


def _created_access_point(change: ExposureChange, document: bytes) -> ExposureChange:
    """A new access point opens where its own public access block lacks a flag; without one all are on."""
    root = tree(document, LARGEST)
    block = root.find("PublicAccessBlockConfiguration")
    lacking = block is not None and any(texts(block, name) != ("true",) for name in BLOCKS)
    return replace(change, public=lacking, targets=texts(root, "BucketAccountId"))


def _policy(change: ExposureChange, document: bytes) -> ExposureChange:
    """A policy in JSON, or the control API's XML around one."""
    if not 0 < len(document) <= LARGEST:
        raise _UnreadableError
    text = document
    if document.lstrip()[:1] == b"<":
        inner = texts(tree(document, LARGEST), "Policy")
        if len(inner) != 1:
            raise _UnreadableError
        text = inner[0].encode()
    policy = json.loads(text, object_pairs_hook=_distinct)
    public, targets = _policy_effect(policy)
    return replace(change, public=public, targets=targets)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object by lower-case names. Two readers may take different ones of a repeated name: refused."""
    made = {name.lower(): value for name, value in pairs}
    if len(made) != len(pairs):
        raise _UnreadableError
    return made


def _policy_effect(policy: object) -> tuple[Known[bool], tuple[str, ...]]:
    """Whether anyone at all is allowed something, and who is named.

    Everyone under a condition is unknown: whether the condition names someone is the provider's to evaluate.
    """
    if not isinstance(policy, Mapping) or "statement" not in policy:
        raise _UnreadableError
    statements = policy["statement"]
    public: Known[bool] = False
    targets: dict[str, None] = {}
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, Mapping) or statement.get("effect") not in ("Allow", "Deny"):
            raise _UnreadableError
        if statement["effect"] == "Deny":
            continue
        principals = _principals(statement)
        targets.update(dict.fromkeys(principals))
        if "*" not in principals:
            continue
        if not statement.get("condition"):
            public = True
        elif public is not True:
            public = Unknown("conditional-policy")
    return public, tuple(targets)


def _principals(statement: Mapping[str, Any]) -> list[str]:
    if "notprincipal" in statement:
        return ["*"]
    named = statement.get("principal")
    if isinstance(named, str):
        return [named]
    if not isinstance(named, Mapping):
        raise _UnreadableError
    found: list[str] = []
    for value in named.values():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str):
                raise _UnreadableError
            found.append(item)
    return ["*" if "*" in item.split(":")[-1:] else item for item in found]


def _created(action: Action, document: bytes) -> Action:
    """A new bucket's region stands in its document; in none, it is us-east-1 or the host's."""
    try:
        regions = texts(tree(document, LARGEST), "LocationConstraint")
    except (_UnreadableError, ParseError, DefusedXmlException, ValueError, LookupError):
        regions = ()
    if len(regions) != 1 or action.destination is None:
        return action
    region = {"EU": "eu-west-1"}.get(regions[0], regions[0])
    return replace(action, destination=replace(action.destination, region=region))


def _joined(action: Action, document: bytes) -> Action:
    """A completion names the parts that it joins. Where that can be read in two ways, the parts stay unknown."""
    if action.assembly is None:
        return action
    try:
        root = tree(document, LARGEST_COMPLETION)
        numbers = [(part.tag, [n.text or "" for n in part if n.tag == "PartNumber"]) for part in root]
    except (_UnreadableError, ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return action
    if not 0 < len(numbers) <= MOST_PARTS or any(
        tag != "Part" or len(said) != 1 or not re.fullmatch(r"\s*[0-9]{1,5}\s*", said[0]) for tag, said in numbers
    ):
        return action
    return replace(action, assembly=replace(action.assembly, parts=tuple(int(said[0]) for _, said in numbers)))


def _access_point(action: Action, document: bytes) -> Action:
    try:
        buckets = texts(tree(document, LARGEST), "Bucket")
    except (_UnreadableError, ParseError, DefusedXmlException, ValueError, LookupError):
        return action
    if len(buckets) != 1 or action.destination is None:
        return action
    return replace(action, destination=replace(action.destination, container=buckets[0]))


READERS: Mapping[tuple[str, str], Callable[[ExposureChange, bytes], ExposureChange]] = {
    ("acl", ""): _acl,
    ("policy", ""): _policy,
    ("access-point-policy", ""): _policy,
    ("access-point-policy", "multi-region"): _policy,
    ("access-point-policy", "created"): _created_access_point,
    ("access-point-policy", "scope"): _listed(value=("Prefix", "Permission")),
    ("access-point-policy", "object-lambda"): _listed("SupportingAccessPoint", "FunctionArn"),
    ("public-access-block", ""): _public_access_block,
    ("replication", ""): _listed("Bucket", "Account", "ReplicaKmsKeyID", value=("Status",)),
    ("replication", "multi-region"): _listed("Bucket", "BucketAccountId"),
    ("replication", "multi-region-routes"): _listed("Bucket", "Region"),
    ("website", ""): _listed("HostName"),
    ("acceleration", ""): _listed(value=("Status",)),
    ("ownership", ""): _listed(value=("ObjectOwnership",)),
    ("encryption", ""): _listed("KMSMasterKeyID", "KMSKeyArn", value=("SSEAlgorithm",)),
    ("inventory", ""): _listed("Bucket", "AccountId", "Account", "KeyId", "Arn", "TableBucketArn"),
    ("object-lock", ""): _listed(value=("ObjectLockEnabled", "Mode")),
    ("cors", ""): _listed("AllowedOrigin", value=("AllowedMethod",)),
    ("logging", ""): _logging,
    ("versioning", ""): _listed(value=("Status", "MfaDelete")),
    ("lifecycle", ""): _listed(value=("StorageClass",)),
    ("tags", ""): _listed(),
    ("other", "notification"): _listed("Topic", "Queue", "CloudFunction", "TopicArn", "QueueArn"),
    ("other", "restore"): _restore,
    ("other", "abac"): _listed(value=("Status",)),
    ("replication", "job"): _job,
    ("other", "job-status"): _listed(),
    ("policy", "access-grant"): _listed("GranteeIdentifier", "IAMRoleArn", value=("Permission",)),
}
"""How to read each aspect's document, by aspect and the operation's value for it."""
