"""Changes of settings, from the request's bytes to the refusal, through the real judge and engine."""

from __future__ import annotations

import dataclasses
import json

import pytest
from haechi.domain.destination import EncryptionFacts, KeyFacts, PublicAccess
from haechi.domain.facts import Unknown
from haechi.domain.upload import Location
from haechi.ports.judge import Refuse

from tests.policy.base import DESTINATION, KEY, OURS
from tests.unit.judging.conftest import Case

CONTROL = f"{OURS}.s3-control.ap-northeast-2.amazonaws.com"
OUR_KEY = DESTINATION.encryption.key
assert isinstance(OUR_KEY, KeyFacts)
JOB = "/v20180820/jobs"


def replication(bucket: str, more: str = "") -> str:
    return (
        f"<ReplicationConfiguration><Role>arn:aws:iam::{OURS}:role/r</Role><Rule><Status>Enabled</Status><Destination>"
        f"<Bucket>arn:aws:s3:::{bucket}</Bucket>{more}</Destination></Rule></ReplicationConfiguration>"
    )


def inventory(bucket: str, account: str = OURS) -> str:
    return (
        f"<InventoryConfiguration><Destination><S3BucketDestination><AccountId>{account}</AccountId>"
        f"<Bucket>arn:aws:s3:::{bucket}</Bucket></S3BucketDestination></Destination></InventoryConfiguration>"
    )


def logging(bucket: str) -> str:
    target = f"<LoggingEnabled><TargetBucket>{bucket}</TargetBucket></LoggingEnabled>" if bucket else ""
    return f"<BucketLoggingStatus>{target}</BucketLoggingStatus>"


def encryption(algorithm: str, key: str = "") -> str:
    named = f"<KMSMasterKeyID>{key}</KMSMasterKeyID>" if key else ""
    return (
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
        f"<SSEAlgorithm>{algorithm}</SSEAlgorithm>{named}</ApplyServerSideEncryptionByDefault></Rule>"
        "</ServerSideEncryptionConfiguration>"
    )


def job(operation: str, report: str = "logs-seoul") -> str:
    return (
        f"<CreateJobRequest><Operation>{operation}</Operation><Report><Bucket>arn:aws:s3:::{report}</Bucket></Report>"
        "</CreateJobRequest>"
    )


def copies(bucket: str) -> str:
    return f"<S3PutObjectCopy><TargetResource>arn:aws:s3:::{bucket}</TargetResource></S3PutObjectCopy>"


VERSIONING = "<VersioningConfiguration><Status>%s</Status></VersioningConfiguration>"
LOCK = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
LIFECYCLE = "<LifecycleConfiguration><Rule><Status>Enabled</Status></Rule></LifecycleConfiguration>"
CORS = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>"
LAMBDA = "<LambdaInvoke><FunctionArn>arn:aws:lambda:x</FunctionArn></LambdaInvoke>"
EVERYBODY = "<S3PutObjectAcl><CannedAccessControlList>authenticated-read</CannedAccessControlList></S3PutObjectAcl>"
OWNERSHIP = "<OwnershipControls><Rule><ObjectOwnership>%s</ObjectOwnership></Rule></OwnershipControls>"
POINT = "<CreateAccessPointRequest><Bucket>ours-seoul</Bucket>%s</CreateAccessPointRequest>"
OPEN = "<PublicAccessBlockConfiguration><BlockPublicPolicy>false</BlockPublicPolicy></PublicAccessBlockConfiguration>"
GRANT = json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "%s"}, "Action": "s3:*"}]})


@pytest.fixture
def places(case: Case) -> Case:
    """Besides the two of the fixture: a log bucket of ours, and a stranger's, both in Seoul."""
    place = dataclasses.replace
    case.destinations.known |= {
        "logs-seoul": place(DESTINATION, container="logs-seoul", revision="r3"),
        "open": place(DESTINATION, container="open", public=PublicAccess(False, {}, True, False), revision="r5"),
        "their-key": place(
            DESTINATION,
            container="their-key",
            encryption=EncryptionFacts("kms", dataclasses.replace(OUR_KEY, account="999999999999")),
            revision="r6",
        ),
        "theirs": place(DESTINATION, container="theirs", account=Unknown("not-ours"), revision="r4"),
    }
    return case


@pytest.mark.parametrize(
    ("target", "document", "rules"),
    [
        ("?replication", replication("logs-seoul"), set()),
        ("?replication", replication("logs-seoul", f"<Account>{OURS}</Account>"), set()),
        ("?replication", replication("abroad"), {"r11_replication_change"}),
        ("?replication", replication("theirs"), {"r11_replication_change"}),
        ("?replication", replication("never-heard-of"), {"r11_replication_change"}),
        ("?replication", replication("logs-seoul", "<Account>999999999999</Account>"), {"r11_replication_change"}),
        ("?replication", replication("open"), {"r11_replication_change"}),
        ("?replication", replication("their-key"), {"r11_replication_change"}),
        ("?inventory&id=1", inventory("open"), {"r31_lists"}),
        ("?logging", logging("open"), {"r31_lists"}),
        ("?inventory&id=1", inventory("logs-seoul"), set()),
        ("?inventory&id=1", inventory("abroad"), {"r31_lists"}),
        ("?inventory&id=1", inventory("logs-seoul", "999999999999"), {"r31_lists"}),
        ("?logging", logging("logs-seoul"), set()),
        ("?logging", logging("theirs"), {"r31_lists"}),
        ("?logging", logging(""), {"r09_settings"}),
        ("?encryption", encryption("aws:kms", KEY), set()),
        ("?encryption", encryption("AES256"), {"r15_key_change"}),
        ("?encryption", encryption("aws:kms"), {"r15_key_change"}),
        ("?ownershipControls", OWNERSHIP % "BucketOwnerEnforced", set()),
        ("?ownershipControls", OWNERSHIP % "BucketOwnerPreferred", {"r30_exposure"}),
        ("?versioning", VERSIONING % "Enabled", set()),
        ("?versioning", VERSIONING % "Suspended", {"r09_settings"}),
        ("?object-lock", LOCK, {"r09_settings"}),
        ("?lifecycle", LIFECYCLE, {"r09_settings"}),
        ("?cors", CORS, {"r09_settings"}),
    ],
)  # fmt: skip
async def test_settings_of_our_bucket(places: Case, target: str, document: str, rules: set[str]) -> None:
    verdict = await places.ask("PUT", f"/ours-seoul{target}", document.encode())
    said = places.records()[-1]["decision"]
    assert {finding["rule"] for finding in said["findings"]} == rules
    assert isinstance(verdict, Refuse) is any(finding["severity"] == "block" for finding in said["findings"])


@pytest.mark.parametrize(
    ("method", "path", "document", "rules"),
    [
        ("POST", JOB, job(copies("ours-seoul")), set()),
        ("POST", JOB, job(copies("abroad")), {"r11_replication_change"}),
        ("POST", JOB, job(copies("ours-seoul"), "theirs"), {"r11_replication_change"}),
        ("POST", JOB, job("<S3ReplicateObject/>"), {"r11_replication_change"}),
        ("POST", JOB, job(LAMBDA), {"r11_replication_change"}),
        ("POST", JOB, job("<S3PutObjectTagging/>"), set()),
        ("POST", JOB, job("<S3PutObjectTagging/>", "abroad"), {"r31_lists"}),
        ("POST", JOB, job(EVERYBODY), {"r30_exposure"}),
        ("PUT", "/v20180820/accesspoint/ap", POINT % "", set()),
        ("PUT", "/v20180820/accesspoint/ap", POINT % OPEN, {"r30_exposure"}),
        ("PUT", "/v20180820/accesspoint/ap/policy", GRANT % f"arn:aws:iam::{OURS}:root", set()),
        ("PUT", "/v20180820/accesspoint/ap/policy", GRANT % "arn:aws:iam::999999999999:root", {"r05_readers"}),
    ],
)  # fmt: skip
async def test_the_control_api(places: Case, method: str, path: str, document: str, rules: set[str]) -> None:
    if path.endswith("/policy"):
        document = f"<PutAccessPointPolicyRequest><Policy>{document}</Policy></PutAccessPointPolicyRequest>"
    await places.ask(method, path, document.encode(), host=CONTROL)
    assert {finding["rule"] for finding in places.records()[-1]["decision"]["findings"]} == rules


async def test_default_encryption_taken_away(places: Case) -> None:
    verdict = await places.ask("DELETE", "/ours-seoul?encryption")
    assert isinstance(verdict, Refuse)
    assert places.records()[-1]["decision"]["findings"][0]["params"]["reason"] == "removed"


async def test_what_a_stranger_does_with_a_place_that_holds_nothing_of_ours_is_let_be(places: Case) -> None:
    stranger = dataclasses.replace(DESTINATION, container="theirs", account="999999999999", revision="r5")
    places.destinations.known["theirs"] = stranger
    assert await places.allowed("PUT", "/theirs?encryption", encryption("AES256").encode())


async def test_only_a_few_targets_are_read_and_more_are_not_proven(places: Case) -> None:
    rules = "".join(f"<Rule><Destination><Bucket>arn:aws:s3:::ours-{n}</Bucket></Destination></Rule>" for n in range(9))
    for number in range(9):
        place = dataclasses.replace(DESTINATION, container=f"ours-{number}", revision=f"n{number}")
        places.destinations.known[f"ours-{number}"] = place
    document = f"<ReplicationConfiguration>{rules}</ReplicationConfiguration>".encode()
    assert isinstance(await places.ask("PUT", "/ours-seoul?replication", document), Refuse)


async def test_a_target_that_moves_abroad_is_asked_about_anew(places: Case) -> None:
    document = replication("logs-seoul").encode()
    assert await places.allowed("PUT", "/ours-seoul?replication", document)
    assert await places.allowed("PUT", "/ours-seoul?replication", document)
    moved = dataclasses.replace(places.destinations.known["logs-seoul"], country="JP", revision="r9")
    places.destinations.known["logs-seoul"] = moved
    assert not await places.allowed("PUT", "/ours-seoul?replication", document)


def test_locations_are_what_the_facts_are_read_by() -> None:
    from haechi.domain.upload import Action, ActionKind, ExposureChange
    from haechi_connectors.s3.places import located

    here = Location("aws", "b", endpoint="s3.ap-northeast-2.amazonaws.com")
    names = ("arn:aws:s3:::x-y", "arn:aws:s3:ap-northeast-2:1:accesspoint/a", "arn:aws:s3:::x/y", OURS, "plain-name")
    change = ExposureChange("replication", "Enabled", False, names)
    action = Action("aws", "s3", "PutBucketReplication", ActionKind.EXPOSE, here, exposures=(change,))
    (found,) = located(action).exposures
    assert [(name, place.container, place.endpoint) for name, place in found.places] == [
        ("arn:aws:s3:::x-y", "x-y", here.endpoint)
    ]
