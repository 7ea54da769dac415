"""From answers to facts: what AWS says and leaves out, and that a wrong answer never becomes a good fact."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from haechi.domain.facts import Unknown
from haechi_connectors.s3 import posture_reading as reading
from haechi_connectors.s3.posture_answers import Answer
from haechi_connectors.s3.posture_countries import countries, country_of
from hypothesis import given, settings
from hypothesis import strategies as st

DENIED = Answer(cause="access-denied")
DENIED_FACT = Unknown("access-denied")
ABSENT = Answer(absent=True)
SEOUL = "ap-northeast-2"
ARN = "arn:aws:kms:ap-northeast-2:111122223333:key/12345678-aaaa"


def said(**data: Any) -> Answer:
    return Answer(data)


def blocked(*values: bool | None) -> Answer:
    flags = {name: value for name, value in zip(reading.FLAGS, values, strict=True) if value is not None}
    return said(PublicAccessBlockConfiguration=flags)


@pytest.mark.parametrize(
    ("location", "header", "region"),
    [
        (said(LocationConstraint=None), "", "us-east-1"),
        (said(LocationConstraint="EU"), "", "eu-west-1"),
        (said(LocationConstraint="EU"), "eu-west-1", "eu-west-1"),
        (said(LocationConstraint=SEOUL), SEOUL, SEOUL),
        (said(LocationConstraint=SEOUL), "ap-northeast-1", Unknown("contradictory")),
        (said(LocationConstraint=None), SEOUL, Unknown("contradictory")),
        (DENIED, "ap-northeast-1", "ap-northeast-1"),
        (DENIED, "", DENIED_FACT),
    ],
)
def test_region(location: Answer, header: str, region: object) -> None:
    head = Answer(cause="access-denied", headers={reading.REGION_HEADER: header} if header else {})
    assert reading.region(location, head) == region


def test_country_follows_provider_and_region_together() -> None:
    assert country_of("aws", SEOUL) == "KR"
    assert country_of("aws", "ap-northeast-3") == "JP"
    assert country_of("alibaba", SEOUL) == Unknown("region-not-listed")
    assert country_of("aws", "mars-north-1") == Unknown("region-not-listed")
    assert country_of("aws", DENIED_FACT) == DENIED_FACT


def test_every_region_of_the_sdk_that_names_a_place_has_a_country() -> None:
    session = botocore.session.Session()
    known = {
        region
        for partition in session.get_available_partitions()
        if "iso" not in partition
        for region in session.get_available_regions("s3", partition_name=partition)
    }
    assert known - set(countries()["aws"]) == set()
    assert all(isinstance(country, str) and len(country) == 2 for country in countries()["aws"].values())


@pytest.mark.parametrize(
    ("algorithm", "mode"),
    [("AES256", "provider"), ("aws:kms", "kms"), ("aws:kms:dsse", "kms-dual"), ("new", Unknown("unrecognised-value"))],
)
def test_encryption_mode(algorithm: str, mode: object) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm, "KMSMasterKeyID": ARN}}
    assert reading.encryption_mode(said(ServerSideEncryptionConfiguration={"Rules": [rule]})) == (mode, ARN)


def test_no_default_encryption_is_none_and_a_refusal_is_unknown() -> None:
    assert reading.encryption_mode(ABSENT) == ("none", "")
    assert reading.encryption_mode(DENIED) == (DENIED_FACT, "")
    assert reading.encryption_mode(said(ServerSideEncryptionConfiguration={"Rules": []}))[0] == Unknown(
        "invalid-answer"
    )


def test_key_facts_of_a_described_key() -> None:
    described = said(
        KeyMetadata={
            "Arn": ARN,
            "AWSAccountId": "111122223333",
            "Origin": "EXTERNAL",
            "KeyManager": "CUSTOMER",
            "MultiRegion": True,
            "Enabled": True,
            "KeyState": "Enabled",
        }
    )
    key = reading.key_facts("aws", ARN, SEOUL, described)
    assert (key.account, key.region, key.country, key.origin) == ("111122223333", SEOUL, "KR", "EXTERNAL")
    assert (key.manager, key.multi_region, key.enabled) == ("customer", True, True)


def test_a_key_that_waits_for_deletion_is_not_enabled() -> None:
    described = said(KeyMetadata={"Arn": ARN, "Enabled": True, "KeyState": "PendingDeletion"})
    assert reading.key_facts("aws", ARN, SEOUL, described).enabled is False


def test_a_key_that_may_not_be_described_still_has_what_its_arn_says() -> None:
    key = reading.key_facts("aws", ARN.replace(SEOUL, "ap-northeast-1"), SEOUL, DENIED)
    assert (key.account, key.region, key.country, key.multi_region) == ("111122223333", "ap-northeast-1", "JP", False)
    assert {key.origin, key.manager, key.enabled} == {DENIED_FACT}


def test_a_multi_region_key_shows_in_its_id() -> None:
    assert reading.key_facts("aws", ARN.replace("key/", "key/mrk-"), SEOUL, DENIED).multi_region is True


def test_an_alias_in_arn_form_is_resolved() -> None:
    alias = "arn:aws:kms:ap-northeast-2:111122223333:alias/ours"
    assert reading.key_facts("aws", alias, SEOUL, said(KeyMetadata={"Arn": ARN})).id == ARN


def test_a_bare_alias_names_no_certain_key() -> None:
    key = reading.key_facts("aws", "alias/ours", SEOUL, said(KeyMetadata={"Arn": ARN, "AWSAccountId": "111122223333"}))
    assert {key.id, key.account, key.manager} == {Unknown("alias-of-requester")}


def test_the_providers_own_key_is_the_providers() -> None:
    assert reading.provider_key("aws", SEOUL, "111122223333").manager == "provider"


@pytest.mark.parametrize(
    ("bucket", "account", "expected"),
    [
        (blocked(True, True, True, True), ABSENT, True),
        (blocked(True, True, True, True), DENIED, True),
        (blocked(True, True, True, False), ABSENT, False),
        (ABSENT, ABSENT, False),
        (ABSENT, blocked(True, True, True, True), True),
        (ABSENT, DENIED, DENIED_FACT),
        (DENIED, blocked(True, True, True, True), True),
        (DENIED, ABSENT, DENIED_FACT),
        (blocked(True, True, True, None), ABSENT, Unknown("invalid-answer")),
        (blocked(False, True, True, None), ABSENT, False),
    ],
)
def test_public_access_counts_as_blocked_only_where_all_four_flags_hold(
    bucket: Answer, account: Answer, expected: object
) -> None:
    assert reading.public_access(bucket, account, said(Grants=[]), ABSENT).blocked == expected


@pytest.mark.parametrize("group", ["AllUsers", "AuthenticatedUsers"])
def test_an_acl_for_everyone_is_public(group: str) -> None:
    grant = {"Grantee": {"Type": "Group", "URI": f"http://acs.amazonaws.com/groups/global/{group}"}}
    assert reading.public_access(ABSENT, ABSENT, said(Grants=[grant]), ABSENT).acl_public is True


def test_the_log_delivery_group_is_not_public() -> None:
    grant = {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}}
    assert reading.public_access(ABSENT, ABSENT, said(Grants=[grant]), ABSENT).acl_public is False


def test_no_policy_is_not_public_and_an_unread_one_is_unknown() -> None:
    assert reading.public_access(ABSENT, ABSENT, DENIED, ABSENT).policy_public is False
    assert reading.public_access(ABSENT, ABSENT, DENIED, DENIED).policy_public == DENIED_FACT
    public = said(PolicyStatus={"IsPublic": True})
    assert reading.public_access(ABSENT, ABSENT, DENIED, public).policy_public is True


def test_replication_lists_the_targets_of_enabled_rules_once() -> None:
    def rule(bucket: str, status: str, account: str | None = None) -> dict[str, Any]:
        where = {"Bucket": f"arn:aws:s3:::{bucket}"} | ({"Account": account} if account else {})
        return {"Status": status, "Destination": where}

    rules = [rule("a", "Enabled"), rule("a", "Enabled"), rule("b", "Enabled", "9"), rule("c", "Disabled")]
    answer = said(ReplicationConfiguration={"Rules": rules})
    assert reading.replication(answer) == (("a", ""), ("b", "9"))
    assert reading.replication(ABSENT) == ()
    assert reading.replication(DENIED) == DENIED_FACT
    assert reading.replication(said(Other=1)) == Unknown("invalid-answer")


def test_versioning_that_was_never_set_is_off() -> None:
    assert reading.versioning(said()) == ("off", False)
    assert reading.versioning(said(Status="Enabled", MFADelete="Enabled")) == ("enabled", True)
    assert reading.versioning(said(Status="Suspended", MFADelete="Disabled")) == ("suspended", False)
    assert reading.versioning(DENIED) == (DENIED_FACT, DENIED_FACT)


def test_lock_logging_and_acceleration() -> None:
    assert reading.object_lock(said(ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})) is True
    assert reading.object_lock(ABSENT) is False
    assert reading.logging(said(LoggingEnabled={"TargetBucket": "logs"})) == "logs"
    assert reading.logging(said()) == "off"
    assert reading.acceleration(said(Status="Enabled")) is True
    assert reading.acceleration(said(Status="Suspended")) is False
    assert reading.acceleration(said()) is False


def test_a_bucket_that_aws_hides_is_there_and_one_it_does_not_know_is_not() -> None:
    hidden = Answer(cause="access-denied", headers={reading.REGION_HEADER: SEOUL})
    assert reading.exists(hidden, (), hidden_means_there=True) is True
    assert reading.exists(hidden, (), hidden_means_there=False) == DENIED_FACT
    assert reading.exists(Answer(cause="no-such-container"), (), hidden_means_there=True) is False
    assert reading.exists(Answer(cause="timeout"), (), hidden_means_there=True) == Unknown("timeout")
    assert reading.exists(Answer(cause="timeout"), (said(),), hidden_means_there=True) is True


CAUSES = st.sampled_from(["access-denied", "timeout", "throttled", "not-supported", "not-read"])


@settings(max_examples=60)
@given(CAUSES)
def test_what_was_not_answered_is_unknown_for_the_same_cause_everywhere(cause: str) -> None:
    failed, fact = Answer(cause=cause), Unknown(cause)
    public = reading.public_access(failed, failed, failed, failed)
    assert {public.blocked, public.acl_public, public.policy_public, *public.flags.values()} == {fact}
    assert reading.replication(failed) == fact
    assert reading.encryption_mode(failed)[0] == fact
    assert reading.versioning(failed) == (fact, fact)
    assert {reading.object_lock(failed), reading.logging(failed), reading.acceleration(failed)} == {fact}
