"""How the questions are asked: two rounds, joined deadlines, the control question, sites, regions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.outbound.destinations import unknown_causes
from haechi_connectors.s3.posture import S3Posture
from haechi_connectors.s3.posture_clients import Access, Clients

OURS, SEOUL = "111122223333", "ap-northeast-2"
ARN = f"arn:aws:kms:{SEOUL}:{OURS}:key/1"
PLACE = Location("aws", "box", region=SEOUL, endpoint=f"s3.{SEOUL}.amazonaws.com")
KMS = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": ARN}}]}
COPIES = {"Rules": [{"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copy"}}]}
ALL = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)

GOOD: dict[str, Any] = {
    "get_caller_identity": {"Account": OURS},
    "list_buckets": {"Buckets": [{"Name": "box"}], "Owner": {"ID": "tenant"}},
    "get_bucket_location": {"LocationConstraint": SEOUL},
    "get_bucket_encryption": {"ServerSideEncryptionConfiguration": KMS},
    "get_public_access_block": {"PublicAccessBlockConfiguration": ALL},
    "get_bucket_acl": {"Grants": [], "Owner": {"ID": "tenant"}},
    "get_bucket_policy_status": {"PolicyStatus": {"IsPublic": False}},
    "get_bucket_replication": {"ReplicationConfiguration": COPIES},
    "get_bucket_versioning": {"Status": "Enabled"},
    "get_object_lock_configuration": {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
    "get_bucket_logging": {},
    "get_bucket_accelerate_configuration": {},
    "describe_key": {"KeyMetadata": {"Arn": ARN, "AWSAccountId": OURS, "KeyManager": "CUSTOMER", "Origin": "AWS_KMS"}},
}


def refusal(status: int = 403, **headers: str) -> ClientError:
    meta = {"HTTPStatusCode": status, "HTTPHeaders": {name.replace("_", "-"): text for name, text in headers.items()}}
    return ClientError({"Error": {"Code": str(status)}, "ResponseMetadata": meta}, "Any")


class ScriptedClients(Clients):
    """Clients whose answers are set by hand; ``asked`` keeps (service, region, endpoint, method)."""

    def __init__(self, answers: dict[str, Any] | None = None, *, seconds: float = 0.0, heeds: bool = True) -> None:
        self.answers, self.seconds, self.heeds = {**GOOD, **(answers or {})}, seconds, heeds
        self.asked: list[tuple[str, str, str, str]] = []

    def of(self, service: str, provider: str, region: str, endpoint: str = "") -> Any:
        clients = self

        class Client:
            def __getattr__(self, method: str) -> Callable[..., Any]:
                def call(**arguments: Any) -> Any:
                    clients.asked.append((service, region, endpoint, method))
                    time.sleep(clients.seconds)
                    return clients.answer(method, region, arguments)

                return call

        return Client()

    def answer(self, method: str, region: str, arguments: dict[str, Any]) -> Any:
        if method == "head_bucket" and "head_bucket" not in self.answers:
            expected = arguments.get("ExpectedBucketOwner", OURS)
            if self.heeds and expected != OURS:
                raise refusal()
            return {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": SEOUL}}}
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer


def posture(clients: Clients, **options: Any) -> S3Posture:
    return S3Posture(clients, lambda _: [OURS], SystemClock(), **options)


async def test_a_cold_bucket_takes_two_rounds_however_much_there_is_to_ask() -> None:
    clients = ScriptedClients(seconds=0.8)
    began = time.monotonic()
    facts = await posture(clients).read(PLACE)
    assert time.monotonic() - began < 3 * 0.8, "a third round"
    assert (facts.account, facts.encryption.key.account, facts.replicas[0].region) == (OURS, OURS, SEOUL)  # type: ignore[union-attr, index]
    assert facts.public.blocked is True


async def test_who_we_are_and_whether_owners_are_checked_is_asked_once() -> None:
    clients = ScriptedClients()
    reader = posture(clients)
    await reader.read(PLACE)
    first = len(clients.asked)
    clients.asked.clear()
    await reader.read(PLACE)
    assert "get_caller_identity" not in {method for *_, method in clients.asked}
    assert len(clients.asked) < first


async def test_a_store_that_ignores_the_expected_owner_does_not_make_every_bucket_ours() -> None:
    clients = ScriptedClients({"list_buckets": {"Buckets": []}}, heeds=False)
    facts = await posture(clients).read(PLACE)
    assert facts.account == Unknown("not-ours")


async def test_questions_past_the_deadline_are_unknown_and_the_rest_is_kept() -> None:
    clients = ScriptedClients(seconds=0.0)
    slow, held = clients.answer, threading.Event()

    def answer(method: str, region: str, arguments: dict[str, Any]) -> Any:
        if method == "get_bucket_acl":
            held.wait(20)
        return slow(method, region, arguments)

    clients.answer = answer  # type: ignore[method-assign]
    facts = await posture(clients, deadline=1.5).read(PLACE)
    held.set()
    assert facts.public.acl_public == Unknown("timeout")
    assert (facts.country, facts.versioning) == ("KR", "enabled")


async def test_a_bucket_whose_host_tells_no_region_is_asked_for_it_once() -> None:
    clients = ScriptedClients()
    reader = posture(clients)
    nowhere = Location("aws", "box", endpoint="s3.amazonaws.com")
    assert (await reader.read(nowhere)).region == SEOUL
    assert clients.asked[0] == ("s3", "us-east-1", "", "head_bucket")
    clients.asked.clear()
    await reader.read(nowhere)
    assert {region for _, region, *_ in clients.asked} == {SEOUL}


async def test_the_key_is_asked_about_where_it_lives() -> None:
    far = ARN.replace(SEOUL, "ap-northeast-1")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": far}}
    clients = ScriptedClients(
        {
            "get_bucket_encryption": {"ServerSideEncryptionConfiguration": {"Rules": [rule]}},
            "describe_key": {"KeyMetadata": {"Arn": far}},
        }
    )
    facts = await posture(clients).read(PLACE)
    assert ("kms", "ap-northeast-1", "", "describe_key") in clients.asked
    assert facts.encryption.key.country == "JP"  # type: ignore[union-attr]


async def test_a_replica_that_names_a_stranger_is_the_strangers_and_one_that_names_us_proves_nothing() -> None:
    def copies(account: str) -> dict[str, Any]:
        where = {"Bucket": "arn:aws:s3:::copy", "Account": account}
        return {"ReplicationConfiguration": {"Rules": [{"Status": "Enabled", "Destination": where}]}}

    for named, learned in (("999988887777", "999988887777"), (OURS, Unknown("access-denied"))):
        hidden = {"head_bucket": refusal(), "get_caller_identity": refusal(), "list_buckets": refusal()}
        facts = await posture(ScriptedClients({**hidden, "get_bucket_replication": copies(named)})).read(PLACE)
        assert facts.replicas[0].account == learned  # type: ignore[index]


async def test_a_sites_explicit_facts_hold_and_its_endpoint_is_asked() -> None:
    site = Site("*.store.example:8443", "naver", "s3", "kr-standard", "KR", endpoint="https://facts.store.example")
    place = Location("naver", "box", endpoint="store.example:8443")
    clients = ScriptedClients({"head_bucket": refusal(404)})
    facts = await posture(clients, sites=lambda: [site]).read(place)
    assert (facts.region, facts.country, facts.asked["country"]) == ("kr-standard", "KR", "site")
    assert {endpoint for *_, endpoint, _ in clients.asked} == {"https://facts.store.example"}
    assert {service for service, *_ in clients.asked} == {"s3"}


@pytest.mark.parametrize(
    ("container", "alias", "cause"),
    [("", "", "no-container"), ("", "ap-1", "access-point"), ("x-s3alias", "x-s3alias", "access-point")],
)
async def test_a_place_without_a_bucket_is_unknown_without_asking(container: str, alias: str, cause: str) -> None:
    clients = ScriptedClients()
    facts = await posture(clients).read(Location("aws", container, alias=alias))
    assert facts.account == Unknown(cause)
    assert clients.asked == []


async def test_when_every_question_fails_every_fact_is_unknown_for_that_cause() -> None:
    clients = ScriptedClients(dict.fromkeys([*GOOD, "head_bucket"], refusal(503)))
    assert unknown_causes(await posture(clients).read(PLACE)) == {"server-error"}


async def test_endpoints_and_credentials_come_from_settings_alone(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIAAGENTSOWNACCESS1\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATHECLIENTSACCESS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere.example")
    client = Clients(Access(credentials_file=file)).of("s3", "aws", SEOUL)
    assert client._request_signer._credentials.access_key == "AKIAAGENTSOWNACCESS1"
    assert client.meta.endpoint_url == f"https://s3.{SEOUL}.amazonaws.com"
    assert client.meta.config.proxies == {}
    named = Clients(Access(credentials_file=file, endpoints={"s3.ap-northeast-2": "https://vpce.example"}))
    assert named.of("s3", "aws", SEOUL).meta.endpoint_url == "https://vpce.example"


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        ({"Contents": [{"Key": "a/key"}]}, True),
        ({"Contents": [{"Key": "a/key-2"}]}, False),
        ({}, False),
        (refusal(), Unknown("access-denied")),
    ],
    ids=["there", "longer", "none", "refused"],
)
async def test_whether_an_object_is_there_is_asked_by_listing_it(answer: Any, there: Any) -> None:
    clients = ScriptedClients({"list_objects_v2": answer})
    assert await posture(clients).there(Location("aws", "box", "a/key", SEOUL)) == there
    assert [method for *_, method in clients.asked] == ["list_objects_v2"], "no right to read objects is used"


async def test_of_what_an_access_point_stands_for_nothing_is_asked() -> None:
    clients = ScriptedClients()
    place = Location("aws", "box", "a/key", SEOUL, alias="point")
    assert await posture(clients).there(place) == Unknown("access-point")
    assert clients.asked == []
