"""Findings as people read them: one thing that is unknown is told once, with what follows from it under it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from haechi.commands._findings import print_findings
from rich.console import Console


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_LANG", "en")


def finding(rule: str, title: str, *, unsure: bool = False, asks: str = "haechi", **params: Any) -> dict[str, Any]:
    said = {"rule": rule, "requirement": asks, "basis": "statute", "severity": "block", "params": params}
    return {**said, "title": title, "message": f"{title} speaks", "remedy": "", "unsure": unsure}


def printed(*findings: dict[str, Any], rules: bool = False) -> str:
    to = io.StringIO()
    print_findings(Console(file=to, width=200, markup=False, highlight=False), findings, rules=rules)
    return to.getvalue()


GONE = [
    finding("unknown_facts", "Unknown facts", fact=fact, cause="no-such-container")
    for fact in ("destination.account", "destination.country", "destination.replicas")
]
APPROVAL = finding("r24_approval", "Export approval", unsure=True, asks="R24")
LAYER1 = finding("r13_layer1", "Layer 1", asks="R13")


def test_one_missing_bucket_is_told_once() -> None:
    said = printed(LAYER1, *GONE, APPROVAL)
    assert said.count("●") == 2
    assert said.count("the bucket is not there") == 1
    assert "the bucket's owner, the bucket's country, the bucket's replication: the bucket is not there" in said
    assert "R24 Export approval" in said and "Export approval speaks" not in said


def test_without_a_named_cause_a_doubtful_finding_speaks_for_itself_as_inference() -> None:
    said = printed(APPROVAL)
    assert "Export approval speaks" in said
    assert "R24 · Haechi's inference" in said or "R24 · inference" in said


def test_a_rule_that_is_certain_of_one_place_is_told_in_full() -> None:
    sure = finding("r24_approval", "Export approval", asks="R24")
    said = printed(sure, *GONE, APPROVAL)
    assert "Export approval speaks" in said and "statute" in said and "worst is assumed" not in said


def test_a_rule_s_text_has_no_tabs() -> None:
    said = printed({**LAYER1, "text": "package x\n\nfindings if {\n\ttrue\n}", "source": "s", "file": "f"}, rules=True)
    assert "\t" not in said and "        true" in said


NOTED = {
    **finding("r04_organisation", "Organisation", asks="R04"),
    "severity": "log",
    "text": "package y",
    "source": "s",
}


def test_what_is_only_recorded_does_not_drown_what_refuses() -> None:
    said = printed(NOTED, {**LAYER1, "text": "package x", "source": "s", "file": "f"}, rules=True)
    assert said.count("●") == 1 and "Layer 1 speaks" in said
    assert "On record only (--json has them in full): R04 Organisation" in said
    assert "package y" not in said and "Organisation speaks" not in said


def test_where_nothing_refuses_what_is_recorded_is_told_in_full() -> None:
    assert "Organisation speaks" in printed(NOTED)
