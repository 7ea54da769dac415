"""The buckets that demo and tests tell apart, made in moto: one for each reason to allow or to refuse."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.stores.moto import AFFILIATE, AGENT, OURS, STRANGER, MotoStore
from tests.stores.store import Account

SEOUL, TOKYO = "ap-northeast-2", "ap-northeast-1"
ALL_FLAGS = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
READ_SETTINGS = [
    "s3:ListBucket",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucketAcl",
    "s3:GetBucketLocation",
    "s3:GetBucketLogging",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetReplicationConfiguration",
]


@dataclass(frozen=True, slots=True)
class Landscape:
    """Bucket names by what they stand for, and the keys' ARNs. All are in Seoul unless the name says otherwise."""

    own_key: str = "haechi-own-key"
    """Ours, own key, all public access blocked, versioned, logged: the compliant one."""
    default_encrypted: str = "haechi-default-encrypted"
    """Ours, provider's own encryption only."""
    foreign: str = "someone-elses-bucket"
    """A stranger's, with perfect settings that its policy lets us read."""
    affiliate: str = "affiliates-bucket"
    """Another account's that a registry may name; its policy lets us read the settings."""
    public: str = "haechi-public"
    """Ours, public by ACL and by policy, nothing blocked."""
    replicating: str = "haechi-replicating"
    """Ours, as ``own_key``, with copies to ``tokyo``."""
    tokyo: str = "haechi-tokyo"
    """Ours, in Tokyo, own key in Tokyo."""
    unreadable: str = "haechi-unreadable"
    """Ours, but its policy denies the agent every setting."""
    accelerated: str = "haechi-accelerated"
    """Ours, as ``own_key``, with transfer acceleration."""
    foreign_key: str = "haechi-foreign-key"
    """Ours, encrypted with a stranger's key."""
    logs: str = "haechi-logs"
    missing: str = "haechi-never-made"
    """Never made."""
    seoul_key: str = ""
    tokyo_key: str = ""
    stranger_key: str = ""


@contextlib.contextmanager
def started_store() -> Iterator[tuple[MotoStore, Landscape]]:
    """moto with all of them."""
    with MotoStore() as store:
        yield store, build_landscape(store)


def build_landscape(store: MotoStore) -> Landscape:
    """Make them all."""
    keys = {
        "seoul_key": _key(store, OURS, SEOUL),
        "tokyo_key": _key(store, OURS, TOKYO),
        "stranger_key": _key(store, STRANGER, SEOUL),
    }
    made = Landscape(**keys)
    ours = store.client()
    _bucket(ours, made.logs)
    for name in (made.own_key, made.replicating, made.accelerated, made.unreadable):
        _bucket(ours, name, key=made.seoul_key, logs=made.logs)
    _bucket(ours, made.default_encrypted, logs=made.logs)
    _bucket(store.client(region=TOKYO), made.tokyo, region=TOKYO, key=made.tokyo_key)
    _bucket(ours, made.foreign_key, key=made.stranger_key, logs=made.logs)
    _bucket(store.client(account=STRANGER), made.foreign, key=made.stranger_key)
    _bucket(store.client(account=AFFILIATE), made.affiliate, key=_key(store, AFFILIATE, SEOUL))
    for who, name in ((STRANGER, made.foreign), (AFFILIATE, made.affiliate)):
        _policy(store.client(account=who), name, _statement("Allow", READ_SETTINGS, name, [OURS.id]))
    _public(ours, made)
    _policy(ours, made.unreadable, _statement("Deny", READ_SETTINGS, made.unreadable, [AGENT.arn]))
    ours.put_bucket_accelerate_configuration(Bucket=made.accelerated, AccelerateConfiguration={"Status": "Enabled"})
    _replicate(ours, made.replicating, made.tokyo)
    return made


def _bucket(client: Any, name: str, *, region: str = SEOUL, key: str = "", logs: str = "") -> None:
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    by = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
    client.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": by}]},
    )
    client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=ALL_FLAGS)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if logs:
        _policy(
            client,
            logs,
            {
                **_statement("Allow", ["s3:PutObject"], f"{logs}/*", []),
                "Principal": {"Service": "logging.s3.amazonaws.com"},
            },
        )
        client.put_bucket_logging(
            Bucket=name, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": name}}
        )


def _public(client: Any, made: Landscape) -> None:
    client.create_bucket(Bucket=made.public, CreateBucketConfiguration={"LocationConstraint": SEOUL})
    client.put_bucket_acl(Bucket=made.public, ACL="public-read")
    _policy(client, made.public, {**_statement("Allow", ["s3:GetObject"], f"{made.public}/*", []), "Principal": "*"})


def _replicate(client: Any, source: str, target: str) -> None:
    rule = {"ID": "copies", "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": ""}}
    rule |= {"DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": f"arn:aws:s3:::{target}"}}
    client.put_bucket_replication(
        Bucket=source,
        ReplicationConfiguration={"Role": f"arn:aws:iam::{OURS.id}:role/copies", "Rules": [rule]},
    )


def _key(store: MotoStore, owner: Account, region: str) -> str:
    made = store.client("kms", owner, region=region).create_key(Description="national core technology")
    return str(made["KeyMetadata"]["Arn"])


def _statement(effect: str, actions: list[str], resource: str, principals: list[str]) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": {"AWS": principals},
        "Action": actions,
        "Resource": f"arn:aws:s3:::{resource}",
    }


def _policy(client: Any, bucket: str, statement: dict[str, Any]) -> None:
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
