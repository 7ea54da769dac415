"""From a store's answers to facts. Pure: no calls, no clock. Each function takes the answer to one question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from haechi.domain.destination import EncryptionFacts, KeyFacts, PublicAccess, ReplicaTarget, WaysIn
from haechi.domain.facts import Known, Unknown

from haechi_connectors.s3.posture_answers import Answer
from haechi_connectors.s3.posture_countries import country_of

T = TypeVar("T")

FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
EVERYONE = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
"""Anyone, and anyone with an account at the provider: both are public."""
MODES = {"AES256": "provider", "aws:kms": "kms", "aws:kms:dsse": "kms-dual"}
REGION_HEADER = "x-amz-bucket-region"
INVALID = Unknown("invalid-answer")
NO_SETTING = Unknown("no-setting")


def exists(head: Answer, others: tuple[Answer, ...], *, hidden_means_there: bool) -> Known[bool]:
    """Whether the container is there. ``hidden_means_there``: the store refuses only what exists (AWS)."""
    if head.ok or any(answer.ok for answer in others):
        return True
    if head.cause == "no-such-container":
        return False
    if head.cause == "access-denied" and hidden_means_there and head.headers.get(REGION_HEADER):
        return True
    return head.unknown


def region(location: Answer, head: Answer) -> Known[str]:
    """The region. GetBucketLocation writes us-east-1 as nothing and eu-west-1 sometimes as EU; HEAD names it in a
    header even where it refuses. Two that disagree are no fact.
    """
    said = head.headers.get(REGION_HEADER, "")
    if not location.ok:
        return said or location.unknown
    constraint = location.data.get("LocationConstraint") or "us-east-1"
    named = "eu-west-1" if constraint == "EU" else str(constraint)
    return Unknown("contradictory") if said and said != named else named


def encryption_mode(answer: Answer) -> tuple[Known[str], str]:
    """The mode, and the key's id as configured (empty: none, or the provider's own)."""
    if answer.absent:
        return "none", ""
    if not answer.ok:
        return answer.unknown, ""
    try:
        rule = answer.data["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
        return MODES.get(rule["SSEAlgorithm"], Unknown("unrecognised-value")), str(rule.get("KMSMasterKeyID") or "")
    except (KeyError, IndexError, TypeError):
        return INVALID, ""


def encryption(mode: Known[str], key: Known[KeyFacts | None]) -> EncryptionFacts:
    """Mode and key together."""
    if isinstance(mode, Unknown):
        return EncryptionFacts(mode, mode)
    return EncryptionFacts(mode, key if mode.startswith("kms") else None)


def key_parts(key_id: str) -> tuple[str, str, str]:
    """Region, account and resource of a key's ARN; region and account are empty where it is no ARN."""
    parts = key_id.split(":", 5)
    return (parts[3], parts[4], parts[5]) if key_id.startswith("arn:") and len(parts) == 6 else ("", "", key_id)


def key_facts(provider: str, key_id: str, bucket_region: Known[str], described: Answer) -> KeyFacts:
    """A key's facts from its id and from DescribeKey.

    A bare alias is resolved by the provider in the account of whoever uploads, so it names no certain key.
    """
    where, account, resource = key_parts(key_id)
    if not where and resource.startswith("alias/"):
        why = Unknown("alias-of-requester")
        return KeyFacts(why, why, bucket_region, country_of(provider, bucket_region), why, why, why, why)
    data = described.data.get("KeyMetadata", {}) if described.ok else {}
    unread = INVALID if described.ok else described.unknown
    where = key_parts(str(data.get("Arn", "")))[0] or where
    known_region: Known[str] = where or bucket_region
    managers = {"CUSTOMER": "customer", "AWS": "provider"}
    state, enabled = data.get("KeyState"), _boolean(data.get("Enabled"), unread)
    return KeyFacts(
        id=str(data.get("Arn") or "") or key_id,
        account=str(data.get("AWSAccountId") or "") or account or unread,
        region=known_region,
        country=country_of(provider, known_region),
        origin=data.get("Origin") or unread,
        manager=managers.get(data.get("KeyManager", ""), unread),
        multi_region=_multi_region(data.get("MultiRegion"), resource, unread),
        enabled=False if state not in (None, "Enabled") else enabled,
    )


def provider_key(provider: str, bucket_region: Known[str], account: Known[str]) -> KeyFacts:
    """The key that the provider makes and manages for an account (``aws/s3``)."""
    country = country_of(provider, bucket_region)
    return KeyFacts("alias/aws/s3", account, bucket_region, country, "AWS_KMS", "provider", False, True)


def flags(answer: Answer) -> Mapping[str, Known[bool]]:
    """The four public access block flags of one level."""
    if answer.absent:
        return dict.fromkeys(FLAGS, False)
    block = answer.data.get("PublicAccessBlockConfiguration", {}) if answer.ok else {}
    return {name: _boolean(block.get(name), INVALID) if answer.ok else answer.unknown for name in FLAGS}


def public_access(bucket: Answer, account: Answer, acl: Answer, policy: Answer) -> PublicAccess:
    """Who can read without being named. A flag holds where the bucket's or the account's is set."""
    own, above = flags(bucket), flags(account)
    effective = {name: _either(own[name], above[name]) for name in FLAGS}
    return PublicAccess(_all(effective), effective, _acl_public(acl), _policy_public(policy))


def replication(answer: Answer) -> Known[tuple[tuple[str, str], ...]]:
    """The targets of enabled rules: (container, account that the rule names or empty)."""
    if answer.absent:
        return ()
    if not answer.ok:
        return answer.unknown
    try:
        rules = answer.data["ReplicationConfiguration"]["Rules"]
        targets = {
            (str(rule["Destination"]["Bucket"]).rpartition(":::")[2], str(rule["Destination"].get("Account") or ""))
            for rule in rules
            if rule.get("Status") != "Disabled"
        }
    except (KeyError, TypeError):
        return INVALID
    return tuple(sorted(targets))


def replica(provider: str, container: str, where: Known[str], account: Known[str]) -> ReplicaTarget:
    """One place that copies go to."""
    return ReplicaTarget(container, where, country_of(provider, where), account)


def versioning(answer: Answer) -> tuple[Known[str], Known[bool]]:
    """State (``enabled``, ``suspended``, ``off``), and whether deleting needs a second factor."""
    if not answer.ok:
        return answer.unknown, answer.unknown
    state = {"Enabled": "enabled", "Suspended": "suspended", None: "off", "": "off"}
    return state.get(answer.data.get("Status"), INVALID), answer.data.get("MFADelete") == "Enabled"


def object_lock(answer: Answer) -> Known[bool]:
    """Whether objects can be locked against deletion."""
    if answer.absent:
        return False
    return _read(answer, lambda: answer.data["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled")


def logging(answer: Answer) -> Known[str]:
    """The log bucket, or ``off``."""
    return _read(answer, lambda: str(answer.data.get("LoggingEnabled", {}).get("TargetBucket") or "off"))


def acceleration(answer: Answer) -> Known[bool]:
    """Whether uploads may travel over edge locations."""
    return _read(answer, lambda: answer.data.get("Status") == "Enabled")


def _multi_region(said: object, resource: str, unread: Unknown) -> Known[bool]:
    """AWS marks multi-region keys in their id (``mrk-``), so an id alone tells."""
    if isinstance(said, bool):
        return said
    return resource.startswith("key/mrk-") if resource.startswith("key/") else unread


def _acl_public(answer: Answer) -> Known[bool]:
    return _read(answer, lambda: any(g["Grantee"].get("URI") in EVERYONE for g in answer.data["Grants"]))


def _policy_public(answer: Answer) -> Known[bool]:
    if answer.absent:
        return False
    return _read(answer, lambda: _boolean(answer.data["PolicyStatus"].get("IsPublic"), INVALID))


def _read(answer: Answer, take: Callable[[], Known[T]]) -> Known[T]:
    if not answer.ok:
        return answer.unknown
    try:
        return take()
    except (KeyError, TypeError, AttributeError):
        return INVALID


def _boolean(value: object, otherwise: Unknown) -> Known[bool]:
    return value if isinstance(value, bool) else otherwise


def _either(one: Known[bool], other: Known[bool]) -> Known[bool]:
    """True where either is; False where both are; else the first cause."""
    if one is True or other is True:
        return True
    return next((fact for fact in (one, other) if isinstance(fact, Unknown)), False)


def _all(facts: Mapping[str, Known[bool]]) -> Known[bool]:
    """False where one is; True where all are; else the first cause."""
    if any(fact is False for fact in facts.values()):
        return False
    return next((fact for fact in facts.values() if isinstance(fact, Unknown)), True)


def ways(*, own_level: bool) -> WaysIn:
    """A bucket of AWS has no way in but its API: SFTP (Transfer Family) and NFS (File Gateway) are services of their
    own, which come through that API as somebody whom the policies name. Plain HTTP and old TLS are AWS's to answer for
    all buckets. What else a compatible store listens to, its API does not say.
    """
    if not own_level:
        return WaysIn.unread(Unknown("not-supported"))
    return WaysIn(sftp=False, nfs=False, local_users=False, plain_http=NO_SETTING, minimum_tls=NO_SETTING)
