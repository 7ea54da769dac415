"""Every finding can be told in Korean and English, and nothing of it is lost."""

from __future__ import annotations

import json
import string

import pytest
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.rulebook import RuleBook
from haechi.outbound.engine.worker import DECISION, build
from haechi.words import LANGUAGES, say

from tests.policy import cases

POLICIES = read(locate())
BOOK = RuleBook.of(POLICIES)


@pytest.mark.parametrize("rule", sorted(POLICIES.rules))
@pytest.mark.parametrize("part", ["title", "message", "remedy", "why"])
def test_every_rule_has_its_words(rule: str, part: str) -> None:
    texts = POLICIES.words[rule][part]
    assert set(texts) == set(LANGUAGES)
    assert all(texts[lang].strip() for lang in LANGUAGES)
    assert any("가" <= letter <= "힣" for letter in texts["ko"])
    fields = [{name for _, name, _, _ in string.Formatter().parse(texts[lang]) if name} for lang in LANGUAGES]
    if part == "message":
        assert fields[0] and len(fields[0] ^ fields[1]) <= 1, "both languages tell the same facts"


def test_every_finding_of_every_case_fills_its_words() -> None:
    engine = build(list(POLICIES.modules), POLICIES.data, json.dumps(probe_input()).encode())
    spoken: set[str] = set()
    for case in cases.load():
        engine.set_input_json(json.dumps(case.input))
        for finding in json.loads(engine.eval_rule_as_json(DECISION))["findings"]:
            spoken.add(finding["rule"])
            texts = POLICIES.words[finding["rule"]]
            for part in ("message", "remedy"):
                for lang in LANGUAGES:
                    named = {name for _, name, _, _ in string.Formatter().parse(texts[part][lang]) if name}
                    assert named <= set(finding["params"]), finding["rule"]
            reason = finding["params"].get("reason")
            if finding["rule"] == "owner_not_ours":  # its reason is the fact itself
                assert {"other", "unknown"} <= set(texts["reasons"])
            elif reason is not None:
                assert reason in texts["reasons"], finding["rule"]
    # registry_age speaks only where the institution sets a limit, which the shipped data do not.
    assert spoken == set(POLICIES.rules) - {"registry_age"}


def test_an_unknown_value_is_said_to_be_unknown_and_why() -> None:
    told = BOOK("r10_region", "en", {"container": "b", "country": {"unknown": "access-denied"}, "region": "x"})
    assert "unknown (access-denied)" in told.message
    told = BOOK("r10_region", "ko", {"container": "b", "country": {"unknown": "access-denied"}, "region": "x"})
    assert "알 수 없음(access-denied)" in told.message


def test_a_parameter_cannot_format_itself() -> None:
    told = BOOK("r13_layer1", "en", {"name": "{mode} {0.__class__}", "mode": "kms"})
    assert "{mode} {0.__class__}" in told.message


def test_a_rule_without_words_says_what_is_known() -> None:
    assert BOOK("r99", "ko", {"a": 1}).message == "r99 (a=1)"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_errors_of_policies_have_words(lang: str) -> None:
    for code in (
        "folder-missing",
        "unreadable",
        "invalid",
        "builtin",
        "probe",
        "worker",
        "opa-unreachable",
    ):
        assert not say(f"policy.{code}", lang).startswith("policy."), code


@pytest.mark.parametrize(
    ("account", "told"),
    [
        ({"unknown": "not-ours"}, "belongs to an account that is not the institution's"),
        ({"unknown": "timeout"}, "its owner is unknown (timeout)"),
        ("999999999999", "belongs to account 999999999999, which the registry does not list"),
    ],
)
def test_whose_a_bucket_is_is_said_plainly(account: object, told: str) -> None:
    params = {"role": "container", "name": "b", "account": account, "reason": account}
    assert told in BOOK("owner_not_ours", "en", params).message
