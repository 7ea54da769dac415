"""Every finding can be told in Korean and English, and nothing of it is lost."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.engine.interpreted import DECISION, build
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.rulebook import RuleBook
from haechi.words import LANGUAGES, say, why_unknown

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
            elif isinstance(reason, dict):  # nor is it known why
                assert "unknown" in texts["reasons"], finding["rule"]
            elif reason is not None:
                assert reason in texts["reasons"], finding["rule"]
    # policy_age speaks only where the institution sets a limit, which the shipped data do not.
    assert spoken == set(POLICIES.rules) - {"policy_age"}


def test_an_unknown_value_is_said_to_be_unknown_and_why() -> None:
    told = BOOK("r10_region", "en", {"container": "b", "country": {"unknown": "access-denied"}, "region": "x"})
    assert "cannot be known (the agent's credentials may not read this), so it is treated as abroad" in told.message
    told = BOOK("r10_region", "ko", {"container": "b", "country": {"unknown": "access-denied"}, "region": "x"})
    assert "알 수 없으므로(에이전트의 자격 증명에 이 항목을 읽을 권한이 없습니다) 국외로 봅니다" in told.message


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
        ({"unknown": "timeout"}, "its owner is unknown (the store did not answer in time)"),
        ("999999999999", "belongs to account 999999999999, which the registry does not list"),
    ],
)
def test_whose_a_bucket_is_is_said_plainly(account: object, told: str) -> None:
    params = {"role": "container", "name": "b", "account": account, "reason": account}
    assert told in BOOK("owner_not_ours", "en", params).message


DOUBTED = [(rule, name) for rule, texts in POLICIES.words.items() for name in texts.get("unsure", {}).get("by", ())]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("rule", "name"), DOUBTED)
def test_what_rests_on_something_unknown_is_told_as_caution(rule: str, name: str, lang: str) -> None:
    params: dict[str, Any] = {"container": "b", "role": "destination", "replica": "c", "key": "k", "region": "r"}
    params |= {"technology": "SEM-01", "funding": "government", "reason": "none", "country": "KR", "mode": "kms"}
    known, lacking = (BOOK(rule, lang, {**params, name: value}) for value in ("US", {"unknown": "no-such-container"}))
    assert (known.unsure, lacking.unsure) == (False, True)
    said = POLICIES.words[rule]["unsure"].get("message", POLICIES.words[rule]["message"])
    if "{why}" in said[lang]:
        assert why_unknown("no-such-container", lang) in lacking.message
    assert "no-such-container" not in lacking.message


def test_enough_is_known_of_what_is_somebody_else_s() -> None:
    account = {"unknown": "not-ours"}
    assert not BOOK("owner_not_ours", "en", {"role": "container", "name": "b", "account": account}).unsure


def test_the_rules_that_place_content_abroad_know_doubt() -> None:
    assert {"r10_region", "r11_replicas", "r16_key_location", "r23_export", "r24_approval", "r25_declaration"} <= {
        rule for rule, _ in DOUBTED
    }


@pytest.mark.parametrize(("role", "told"), [("key", "the encryption key"), ("replica", "a replica")])
def test_what_has_no_name_is_called_what_it_is(role: str, told: str) -> None:
    params = {"role": role, "container": "", "country": "US", "technology": "SEM-01", "funding": "private"}
    assert f"to {told} " in BOOK("r24_approval", "en", {**params, "reason": "none"}).message


DIFFERING = [
    (rule, cloud, part)
    for rule, texts in POLICIES.words.items()
    for cloud, said in texts.get("clouds", {}).items()
    for part in said
]


@pytest.mark.parametrize(("rule", "cloud", "part"), DIFFERING)
def test_words_of_a_cloud_are_in_both_languages_and_speak_of_no_other(rule: str, cloud: str, part: str) -> None:
    assert cloud in ("azure", "gcp")
    for lang in LANGUAGES:
        there, elsewhere = (getattr(BOOK(rule, lang, {"@cloud": at}), part) for at in (cloud, "aws"))
        assert there and there != elsewhere
        assert "S3" not in there and "aws " not in there and "ARN" not in there


SPEAKS_S3 = [
    rule for rule, texts in POLICIES.words.items() if "S3:" in texts["remedy"]["en"] or "aws " in texts["remedy"]["en"]
]


@pytest.mark.parametrize("rule", SPEAKS_S3)
def test_a_remedy_that_names_the_console_of_one_cloud_has_one_for_each(rule: str) -> None:
    assert set(POLICIES.words[rule].get("clouds", {})) >= {"azure", "gcp"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_content_that_nobody_saw_is_not_accused(lang: str) -> None:
    seen, unseen = (BOOK("r13_layer1", lang, {"name": name, "mode": "kms"}) for name in ("recipe.bin", ""))
    assert (seen.unsure, unseen.unsure) == (False, True)
    assert seen.message != unseen.message
    composed = BOOK("r13_layer1", lang, {"name": "", "mode": "kms", "@operation": "objects.compose"})
    assert "parallel_composite_upload_enabled False" in composed.remedy
    assert "parallel_composite" not in unseen.remedy


@pytest.mark.parametrize("cause", ["begin-not-seen", "beginnings-differ", "object-not-seen", "timeout"])
def test_an_unknown_fact_has_the_remedy_of_its_cause(cause: str) -> None:
    usual = BOOK("unknown_facts", "en", {"fact": "encryption.key", "cause": "access-denied"}).remedy
    assert BOOK("unknown_facts", "en", {"fact": "encryption.key", "cause": cause}).remedy != usual


def test_a_store_whose_operator_has_no_name_is_called_so() -> None:
    told = BOOK("r12_operators", "en", {"provider": "unknown", "reason": "none", "subject": "s", "role": "r"})
    assert "that the operations personnel of this store's operator are in Korea" in told.message
