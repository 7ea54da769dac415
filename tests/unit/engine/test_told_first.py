"""Which of several findings a person is told first."""

from __future__ import annotations

import pytest
from haechi.app.refusing import RefusalWriter
from haechi.domain.decision import Basis, Decision, Finding, Modes, Severity, decide
from haechi.domain.facts import JSON
from haechi.domain.upload import Action, ActionKind
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.engine.rulebook import RuleBook

POLICIES = read(locate())
UNKNOWN: JSON = {"unknown": "access-denied"}


def finding(rule: str, **params: JSON) -> Finding:
    info = POLICIES.rules[rule]
    return Finding(rule, info.requirement, info.basis, info.severity, params, info.order)


def told(*findings: Finding) -> list[str]:
    return [one.rule for one in decide(findings, Modes()).findings]


def test_every_rule_says_its_order() -> None:
    assert all(0 < info.order < 99 for info in POLICIES.rules.values())


@pytest.mark.parametrize(
    ("spoke", "first"),
    [
        (["r24_approval", "r13_layer1", "r10_region", "r23_export"], "r10_region"),
        (["r13_layer1", "r14_layer2", "r15_key_custody"], "r13_layer1"),
        (["r13_layer1", "owner_not_ours", "r05_personnel"], "owner_not_ours"),
        (["r10_region", "r28_order", "r13_layer1"], "r28_order"),
        (["r15_key_custody", "r30_public_access"], "r30_public_access"),
    ],
)
def test_the_place_comes_before_the_content_and_an_order_before_both(spoke: list[str], first: str) -> None:
    assert told(*(finding(rule) for rule in spoke))[0] == first


def test_a_block_comes_before_a_record_whatever_the_order() -> None:
    log = Finding("a", "R01", Basis.STATUTE, Severity.LOG, {}, 1)
    block = Finding("b", "R02", Basis.STATUTE, Severity.BLOCK, {}, 98)
    assert told(log, block) == ["b", "a"]


def test_what_follows_from_an_unknown_fact_comes_after_the_rule_that_names_it() -> None:
    spoke = (
        finding("r10_region", container="b", country=UNKNOWN),
        finding("owner_not_ours", account=UNKNOWN),
        finding("unknown_facts", fact="destination.country", cause="access-denied"),
        finding("r13_layer1", name="a", mode=UNKNOWN),
        finding("r05_personnel", user="kim", reason="nobody"),
    )
    assert told(*spoke) == ["r05_personnel", "unknown_facts", "r10_region", "owner_not_ours", "r13_layer1"]


def test_a_bucket_that_is_surely_not_ours_is_no_unknown_fact() -> None:
    foreign = finding("owner_not_ours", account={"unknown": "not-ours"})
    assert told(finding("r13_layer1"), foreign)[0] == "owner_not_ours"


@pytest.mark.parametrize(("lang", "words"), [("ko", ["Tokyo", "1차 암호화"]), ("en", ["Tokyo", "Layer 1"])])
def test_plain_content_to_tokyo_speaks_about_tokyo_and_sealing(lang: str, words: list[str]) -> None:
    spoke = (
        finding("r13_layer1", name="a", mode="kms"),
        finding("r10_region", container="Tokyo", country="JP", region="x"),
    )
    decision: Decision = decide(spoke, Modes())
    line = RefusalWriter(RuleBook.of(POLICIES), lang)(
        decision, Action("aws", "s3", "PutObject", ActionKind.UPLOAD), "D-1"
    )
    assert all(word in line.message for word in words)
