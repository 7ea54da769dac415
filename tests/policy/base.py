"""The upload that passes: sealed content, from a designated person, to the institution's own bucket in Seoul.

Built by the real builder, so that a test fails when ``policies/testing/data.json`` no longer is what the agent sends.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from haechi.domain.actor import Actor, Certainty
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.destination import Destination, EncryptionFacts, KeyFacts, PublicAccess, WaysIn
from haechi.domain.facts import Unknown
from haechi.domain.policy import policy_input
from haechi.domain.reads import none_read
from haechi.domain.registry import (
    ALL,
    ApprovedKey,
    Attestation,
    CloudAccount,
    Institution,
    NamedPlace,
    Period,
    Person,
    Reach,
    Recipient,
    RegistryData,
    RegistryIndex,
    TakeOut,
)
from haechi.domain.tags import Funding, Grade, Tag
from haechi.domain.upload import Action, ActionKind, BodyShape, Framing, Location, Route

from tests.lab.institution import ABOUT_INSTITUTION, ABOUT_PROVIDER

NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
OURS = "111122223333"
KEY = f"arn:aws:kms:ap-northeast-2:{OURS}:key/0a1b2c3d-0000-4000-8000-00000000aaaa"
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

TAG = Tag("SEM-01", Grade.A, Funding.GOVERNMENT, "process-integration", NOW - dt.timedelta(days=90))
SEALED = Content(
    ContentState.MATCHED,
    (Match("blake3:5ea1", "recipe.csv.age", (TAG,), MatchHow.SEALED, 4096, 4096),),
    4096,
    "blake3:" + "5e" * 32,
)
PLACE = Location("aws", "ours-seoul", "lots/recipe.csv.age", "ap-northeast-2", "s3.ap-northeast-2.amazonaws.com")
ACTION = Action(
    "aws",
    "s3",
    "PutObject",
    ActionKind.UPLOAD,
    PLACE,
    body=BodyShape(Framing.PLAIN, 4096, 4096),
    route=Route(country="KR"),
    access_key="AKIAEXAMPLE000000001",
)
ACTOR = Actor("kim", 1001, 4242, "/usr/bin/python3", 99, "inet-diag", Certainty.EXACT)
DESTINATION = Destination(
    "aws",
    "ours-seoul",
    exists=True,
    region="ap-northeast-2",
    country="KR",
    account=OURS,
    encryption=EncryptionFacts("kms", KeyFacts(KEY, OURS, "ap-northeast-2", "KR", "AWS_KMS", "customer", False, True)),
    public=PublicAccess(True, dict.fromkeys(FLAGS, True), False, False),
    replicas=(),
    versioning="Enabled",
    mfa_delete=False,
    object_lock=False,
    logging="ours-logs",
    acceleration=False,
    ways=WaysIn(False, False, False, Unknown("no-setting"), Unknown("no-setting")),
    read_at=NOW - dt.timedelta(seconds=12),
    revision="r1",
)
TO_OURS = Reach(frozenset([ALL]), (NamedPlace("aws", "KR", account=OURS),), comprehensive=True)
STATED = (NOW - dt.timedelta(days=60)).date()
STATES = Period(None, NOW + dt.timedelta(days=300))
"""Until when what people stated holds."""
REGISTRY = RegistryIndex(
    RegistryData(
        7,
        NOW - dt.timedelta(days=3),
        Institution("Example Semiconductor", "NCT-2024-0001"),
        accounts=(CloudAccount("aws", OURS, "production"),),
        keys=(ApprovedKey("aws", KEY, "nct"),),
        personnel=(Person("P-001", "Kim", ("kim",), ("AKIAEXAMPLE000000001",), STATED, STATED),),
        takeouts=(
            TakeOut(
                "T-1", "Lee", Reach(frozenset([ALL]), (NamedPlace("aws", "KR", account=OURS),), comprehensive=True)
            ),
        ),
        recipients=(Recipient("R-1", "age1example", "security"),),
        attestations=(
            *(Attestation(f"A-{subject}", subject, "aws", STATED, period=STATES) for subject in ABOUT_PROVIDER),
            *(Attestation(f"A-{subject}", subject, "", STATED, period=STATES) for subject in ABOUT_INSTITUTION),
        ),
    )
)


def sealed_seoul(**changed: Any) -> dict[str, Any]:
    """The passing input, with arguments of the builder replaced."""
    arguments: dict[str, Any] = {
        "now": NOW,
        "action": ACTION,
        "actor": ACTOR,
        "content": SEALED,
        "destination": DESTINATION,
        "source": None,
        "scheme": "https",
        "host": "ours-seoul.s3.ap-northeast-2.amazonaws.com",
        "consistent": True,
        "reads": none_read(dt.timedelta(minutes=30)),
    }
    arguments.update(changed)
    if "registry" not in arguments:
        action = arguments["action"]
        arguments["registry"] = REGISTRY.facts(
            action.destination, arguments["actor"], arguments["content"], arguments["now"], action.access_key
        )
    return dict(policy_input(**arguments))
