"""A refusal for a fault of our own says what failed and what to do next, whatever failed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.app.refusing import RefusalWriter
from haechi.domain import decision
from haechi.domain.decision import NO_POLICIES, Cause, Decision, Effect
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Action, ActionKind
from haechi.words import catalogue

AGENT = Path(__file__).parents[3] / "agent" / "haechi"
ASKED_WHILE_JUDGING = (
    "outbound/index",
    "outbound/ledger",
    "outbound/audit/log.py",
    "outbound/audit/writer.py",
    "outbound/audit/segments.py",
    "outbound/audit/encoding.py",
)
OURS = re.compile(r"(index|ledger|audit)\.[a-z][a-z-]*")
NOT_WHILE_JUDGING = {"audit.locked": "raised by start() alone", "audit.missing": "raised to who reads the folder"}


def literals(file: Path) -> Iterator[ast.Constant]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


def raised_by_our_stores() -> set[str]:
    found: set[str] = set()
    for name in ASKED_WHILE_JUDGING:
        place = AGENT / name
        for file in [place] if place.is_file() else sorted(place.glob("*.py")):
            found |= {node.value for node in literals(file) if OURS.fullmatch(node.value)}
    return found - NOT_WHILE_JUDGING.keys()


def named_causes() -> set[str]:
    found: set[str] = set()
    for file in AGENT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Cause" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
                elif isinstance(named := getattr(decision, getattr(first, "id", ""), None), str):
                    found.add(named)
    return found


def test_the_search_finds_what_is_known_to_be_there() -> None:
    assert {"index.corrupt", "index.locked", "ledger.full", "audit.disk-full", "audit.late"} <= raised_by_our_stores()
    assert {"body-malformed", "spool-full", "engine-late", NO_POLICIES} <= named_causes()


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize("code", sorted(raised_by_our_stores()))
def test_a_failure_of_our_own_stores_is_told_in_words(code: str, lang: str) -> None:
    refused = Decision(Effect.BLOCK, (), (Cause.of(HaechiError(code)),))
    line = RefusalWriter(lambda *_: pytest.fail("no rule spoke"), lang)(
        refused, Action("aws", "s3", "PutObject", ActionKind.UPLOAD), "hd-TEST"
    ).message
    assert code.replace(".", "-") not in line
    assert "{" not in line
    assert len(line) > 80 if lang == "en" else len(line) > 40


@pytest.mark.parametrize("code", sorted(named_causes()))
def test_every_cause_that_the_source_names_has_words(code: str) -> None:
    assert f"cause.{code}" in catalogue()


def test_no_words_are_kept_for_a_cause_that_nothing_produces() -> None:
    told = {code.removeprefix("cause.") for code in catalogue() if code.startswith("cause.")} - {"unnamed"}
    assert told <= named_causes() | {code.replace(".", "-") for code in raised_by_our_stores()}
