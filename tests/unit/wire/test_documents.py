"""Control documents: who gains access or copies."""

from __future__ import annotations

import json

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.upload import Action, ActionKind, ExposureChange, Request
from haechi_connectors.s3.connector import S3Connector
from hypothesis import given, settings
from hypothesis import strategies as st

S3 = S3Connector()
HOST = "bkt.s3.ap-northeast-2.amazonaws.com"
NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ALL = "http://acs.amazonaws.com/groups/global/AllUsers"


def told(target, document, method="PUT", host=HOST):
    data = document if isinstance(document, bytes) else document.encode()
    action = S3.action(Request(method, "https", host, target, (("content-length", str(max(1, len(data)))),)))
    assert action.kind in (ActionKind.EXPOSE, ActionKind.PREPARE), action
    return S3.with_document(action, data)


def only(action: Action) -> ExposureChange:
    (change,) = action.exposures
    return change


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", **statement}]})


ACL = f"""<AccessControlPolicy {NS}><Owner><ID>me</ID></Owner><AccessControlList><Grant>
<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>%s</URI></Grantee>
<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"""


def test_acl_documents():
    assert only(told("/k?acl", ACL % ALL)).public is True
    assert only(told("/?acl", ACL % "http://acs.amazonaws.com/groups/s3/LogDelivery")).public is False


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["arn:aws:iam::1:root", "*"]}}, True),
        ({"NotPrincipal": {"AWS": "arn:aws:iam::1:root"}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, False),
        ({"Principal": "*", "Effect": "Deny"}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, Unknown("conditional-policy")),
        ({"Principal": "*", "Condition": {}}, True),
        ({"Effect": "Perhaps", "Principal": "x"}, Unknown("document-unreadable")),
        ({}, Unknown("document-unreadable")),
    ],
)
def test_bucket_policies(statement, public):
    assert only(told("/?policy", policy(**statement))).public == public


def test_a_repeated_name_in_a_policy_is_unreadable():
    twice = '{"Statement": [], "Statement": [{"Effect": "Allow", "Principal": "*"}]}'
    assert only(told("/?policy", twice)).public == Unknown("document-unreadable")


def test_replication_names_targets_and_accounts():
    document = f"""<ReplicationConfiguration {NS}><Role>arn:aws:iam::1:role/r</Role><Rule><Status>Enabled</Status>
    <Destination><Bucket>arn:aws:s3:::tokyo</Bucket><Account>999988887777</Account></Destination></Rule>
    </ReplicationConfiguration>"""
    change = only(told("/?replication", document))
    assert (change.aspect, change.value, change.public) == ("replication", "Enabled", False)
    assert change.targets == ("arn:aws:s3:::tokyo", "999988887777")


def test_a_weakened_public_access_block_opens():
    flags = "".join(f"<{f}>true</{f}>" for f in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy"))
    weak = f"<PublicAccessBlockConfiguration>{flags}</PublicAccessBlockConfiguration>"
    full = weak.replace(flags, flags + "<RestrictPublicBuckets>true</RestrictPublicBuckets>")
    assert only(told("/?publicAccessBlock", weak)).public is True
    assert only(told("/?publicAccessBlock", weak)).value == "-RestrictPublicBuckets"
    assert only(told("/?publicAccessBlock", full)).public is False


@pytest.mark.parametrize(
    ("target", "document", "value", "targets"),
    [
        ("/?accelerate", "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>", "Enabled", ()),
        ("/?logging", "<BucketLoggingStatus/>", "off", ()),
        ("/?logging", "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket></LoggingEnabled>"
         "</BucketLoggingStatus>", "on", ("logs",)),
        ("/?encryption", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
         "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:k</KMSMasterKeyID>"
         "</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>", "aws:kms", ("arn:k",)),
        ("/?inventory&id=1", "<InventoryConfiguration><Destination><S3BucketDestination><AccountId>9</AccountId>"
         "<Bucket>arn:aws:s3:::inv</Bucket></S3BucketDestination></Destination></InventoryConfiguration>", "",
         ("9", "arn:aws:s3:::inv")),
        ("/?ownershipControls", "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>"
         "</OwnershipControls>", "ObjectWriter", ()),
    ],
)  # fmt: skip
def test_other_settings(target, document, value, targets):
    change = only(told(target, document))
    assert (change.value, change.targets, change.public) == (value, targets, False)


def test_control_documents():
    host = "111122223333.s3-control.ap-northeast-2.amazonaws.com"
    body = f"<PutAccessPointPolicyRequest><Policy>{policy(Principal='*')}</Policy></PutAccessPointPolicyRequest>"
    change = only(told("/v20180820/accesspoint/ap/policy", body, host=host))
    assert (change.aspect, change.public) == ("access-point-policy", True)
    made = told("/v20180820/accesspoint/ap", "<CreateAccessPointRequest><Bucket>bkt</Bucket></CreateAccessPointRequest>",  # noqa: E501
                host=host)  # fmt: skip
    assert (made.destination.container, made.destination.alias) == ("bkt", "ap")
    job = told("/v20180820/jobs", "<CreateJobRequest><Operation><S3PutObjectCopy><TargetResource>arn:aws:s3:::abroad"
               "</TargetResource></S3PutObjectCopy></Operation></CreateJobRequest>", "POST", host)  # fmt: skip
    assert (only(job).aspect, only(job).targets) == ("replication", ("arn:aws:s3:::abroad",))
    grant = told("/v20180820/accessgrantsinstance/grant", "<CreateAccessGrantRequest><Grantee><GranteeIdentifier>"
                 "arn:aws:iam::9:user/x</GranteeIdentifier></Grantee><Permission>READ</Permission>"
                 "</CreateAccessGrantRequest>", "POST", host)  # fmt: skip
    assert (only(grant).aspect, only(grant).targets) == ("policy", ("arn:aws:iam::9:user/x",))


def test_the_owner_is_no_new_reader():
    grant = "<Grant><Grantee><ID>%s</ID></Grantee><Permission>READ</Permission></Grant>"
    document = f"<AccessControlPolicy><Owner><ID>me</ID></Owner>{grant % 'me'}{grant % 'you'}</AccessControlPolicy>"
    assert only(told("/?acl", document)).targets == ("you",)


def test_a_restore_elsewhere_is_a_copy():
    plain = only(told("/k?restore", "<RestoreRequest><Days>1</Days></RestoreRequest>", "POST"))
    assert (plain.aspect, plain.public) == ("other", False)
    output = "<RestoreRequest><OutputLocation><S3><BucketName>b</BucketName></S3></OutputLocation></RestoreRequest>"
    change = only(told("/k?restore", output, "POST"))
    assert (change.aspect, change.targets) == ("replication", ("b",))


def test_a_new_bucket_names_its_region():
    document = (
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
    )
    assert told("/", document).destination.region == "eu-west-1"


BOMB = b'<!DOCTYPE a [<!ENTITY b "x">]><AccessControlPolicy>&b;</AccessControlPolicy>'


@pytest.mark.parametrize("target", ["/?acl", "/?policy", "/?replication", "/?publicAccessBlock", "/?logging"])
@pytest.mark.parametrize("document", [b"", b"{", b"<a", BOMB, b"x" * (2 << 20), b"\xff\xfe", b"[" * 100_000])
def test_an_unreadable_document_leaves_public_unknown(target, document):
    assert only(told(target, document)).public == Unknown("document-unreadable")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["/?acl", "/?policy", "/?replication", "/?website", "/?notification", "/k?restore"]),
       st.binary(max_size=300) | st.text(max_size=200).map(str.encode)
       | st.recursive(st.none() | st.text(max_size=9), lambda c: st.lists(c) | st.dictionaries(
           st.sampled_from(["Statement", "Effect", "Principal", "AWS", "Condition"]), c)).map(
               lambda v: json.dumps({"Statement": v}).encode()))  # fmt: skip
def test_any_document_is_answered(target, document):
    method = "POST" if "restore" in target else "PUT"
    change = only(told(target, document, method))
    assert isinstance(change.public, bool | Unknown)
    assert change.public != Unknown("not-read")
