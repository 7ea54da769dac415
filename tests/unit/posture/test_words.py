"""Every cause that facts and actors can carry has words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from haechi.outbound.destinations.aging import LASTING, PASSING
from haechi.words import catalogue
from haechi_connectors.s3.posture_answers import CAUSES

ROOT = Path(__file__).resolve().parents[3]
SOURCES = (
    *ROOT.glob("connectors/haechi_connectors/s3/posture*.py"),
    *ROOT.glob("agent/haechi/outbound/destinations/*.py"),
    *ROOT.glob("agent/haechi/outbound/actors/*.py"),
)


def literal_causes() -> set[str]:
    """The texts given to ``Unknown(…)``, ``Answer(cause=…)`` and to the helpers that wrap them."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            given = list(node.args[-1:]) if name in {"Unknown", "_unknown", "unknown_destination", "_user_only"} else []
            given += [item.value for item in node.keywords if item.arg == "cause"]
            found |= {part.value for item in given for part in ast.walk(item) if isinstance(part, ast.Constant)}
    return {text for text in found if isinstance(text, str) and text}


def rule_causes() -> set[str]:
    """What rules of their own take for unknown, and what is literally so anywhere else in the sources."""
    found: set[str] = set()
    for folder, pattern in (("policies", "*.rego"), ("agent/haechi", "*.py"), ("connectors", "*.py")):
        for source in sorted((ROOT / folder).rglob(pattern)):
            if not source.name.endswith("_test.rego"):
                text = source.read_text(encoding="utf-8")
                found |= set(re.findall(r'"unknown": "([a-z-]+)"|Unknown\("([a-z-]+)"\)', text))
    return {name for names in found for name in names if name} - {"probe"}


def test_so_has_every_cause_that_rules_and_requests_name() -> None:
    assert {"no-key", "unknown-service"} <= rule_causes()
    assert {cause for cause in rule_causes() if f"unknown.{cause}" not in catalogue()} == set()


def test_every_cause_has_words() -> None:
    causes = literal_causes() | set(CAUSES.values()) | PASSING | LASTING
    assert {"not-ours", "alias-of-requester", "other-namespace"} <= causes
    assert {cause for cause in causes if f"unknown.{cause}" not in catalogue()} == set()
