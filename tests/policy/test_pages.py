"""Clauses, rules, cases and pages say the same, in both directions."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace as with_changes
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.clauses import Coverage, How, coverage, disagreements
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.texts import CLAUSES

from tests.policy import cases

ROOT = Path(__file__).resolve().parents[2]
BY_CHOICE = {"policy_age"}
"""Rules that speak only where the institution set a limit; tests of their own show it."""


@pytest.fixture(scope="module")
def said(policies: PolicyFolder) -> Coverage:
    return coverage(policies)


def test_the_pages_are_not_stale() -> None:
    command = [sys.executable, str(ROOT / "tools" / "rule_pages.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_every_requirement_is_listed_in_order(said: Coverage) -> None:
    assert list(said.clauses) == [f"R{number:02}" for number in range(1, 33)]


def test_rules_cite_clauses_and_clauses_name_rules(policies: PolicyFolder, said: Coverage) -> None:
    assert list(disagreements(policies, said)) == []
    for rule in policies.rules.values():
        assert rule.requirement == "haechi" or rule.requirement in said.clauses, rule.id


def test_every_rule_of_a_clause_is_seen_speaking_and_silent(said: Coverage) -> None:
    known = cases.load()
    for requirement, clause in said.clauses.items():
        for rule in clause.rules:
            assert any(rule in case.rules for case in known), f"{requirement}: no case in which {rule} speaks"
            silent = [case for case in known if rule not in case.rules and case.input["content"]["tags"]]
            assert silent, f"{requirement}: no case in which {rule} is silent on tagged content"


def test_a_rule_is_no_more_certain_than_its_requirement(policies: PolicyFolder, said: Coverage) -> None:
    order = "QSI"
    for rule in policies.rules.values():
        clause = said.clauses.get(rule.requirement)
        if clause is not None:
            assert order.index(rule.certainty) >= order.index(clause.certainty), rule.id


def test_statements_asked_for_are_those_that_the_registry_takes(said: Coverage, policies: PolicyFolder) -> None:
    schema = json.loads((policies.path / "schema" / "registry-1.json").read_text(encoding="utf-8"))
    subjects = schema["properties"]["attestations"]["items"]["properties"]["subject"]["enum"]
    assert said.subjects == set(subjects)


def test_every_statement_asked_for_is_missed_by_the_rule_that_asks(said: Coverage) -> None:
    known = {case.name: case for case in cases.load()}
    stated = [entry["subject"] for entry in cases.base()["registry"]["attestations"]]
    assert set(stated) == said.subjects
    nothing = known["nothing stated at all"].rules
    for clause in said.clauses.values():
        for part in clause.parts:
            if part.how is How.ATTESTED:
                assert set(part.rules) <= nothing


def test_words_are_in_both_languages(policies: PolicyFolder) -> None:
    for rule, words in policies.words.items():
        tables = [words[name] for name in ("reasons", "labels") if name in words]
        texts = [words[name] for name in ("title", "message", "remedy", "why")]
        for text in (*texts, *(text for table in tables for text in table.values())):
            assert set(text) == {"ko", "en"}, rule
            assert all(isinstance(told, str) and told.strip() for told in text.values()), rule


def test_korean_pages_are_korean(policies: PolicyFolder) -> None:
    from ruamel.yaml import YAML

    said = YAML(typ="safe", pure=True).load((ROOT / "tools" / "rule_pages.ko.yaml").read_text(encoding="utf-8"))
    assert set(said) == set(policies.rules)
    for rule, words in said.items():
        assert set(words) == {"detail", "source"}, rule
        for text in words.values():
            assert sum("가" <= letter <= "힣" for letter in text) * 4 > len(text), rule


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- how: automated", "- how: perhaps"),
        ("rules: [r02_registration]", "rules: []"),
        ("subjects: [history-review]", "subjects: []"),
        ("certainty: S", "certainty: X"),
        ("schema: haechi.clauses/1", "schema: haechi.clauses/2"),
        ("clauses:\n", "clauses: [\n"),
    ],
)
def test_clauses_of_another_form_are_refused(policies: PolicyFolder, before: str, after: str) -> None:
    text = dict(policies.texts)[CLAUSES]
    assert before in text
    broken = with_changes(policies, texts=((CLAUSES, text.replace(before, after, 1)),))
    with pytest.raises(HaechiError) as raised:
        coverage(broken)
    assert (raised.value.code, raised.value.params["file"]) == ("policy.invalid", CLAUSES)


def test_a_rule_without_its_clause_is_named(policies: PolicyFolder, said: Coverage) -> None:
    fewer = Coverage({name: clause for name, clause in said.clauses.items() if name != "R09"})
    assert set(disagreements(policies, fewer)) == {
        (rule, "R09") for rule in ("r09_logging", "r09_review", "r09_settings")
    }


def test_policies_without_clauses_cover_nothing(policies: PolicyFolder) -> None:
    assert coverage(with_changes(policies, texts=())).clauses == {}
