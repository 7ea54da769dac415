"""Reads ``policies/cases``: named inputs with the rules that must speak."""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

POLICIES = Path(__file__).resolve().parents[2] / "policies"


@dataclass(frozen=True)
class Case:
    """One input and the whole answer expected of it."""

    name: str
    input: dict[str, Any]
    rules: frozenset[str]


def base() -> dict[str, Any]:
    """A fresh copy of the passing input."""
    return json.loads((POLICIES / "testing" / "data.json").read_text())["sealed_seoul"]


def replace(document: Any, path: str, value: Any) -> None:
    """Put a value at a dotted path, whose parents must exist."""
    *parents, last = path.split(".")
    for step in parents:
        document = document[int(step)] if isinstance(document, list) else document[step]
    if isinstance(document, list):
        document[int(last)] = copy.deepcopy(value)
    else:
        if last not in document:
            raise KeyError(f"{path} is not in the input: a typing error in a case must not pass silently")
        document[last] = copy.deepcopy(value)


def load() -> list[Case]:
    """All cases."""
    reader = YAML(typ="safe", pure=True)
    fragments = reader.load((POLICIES / "cases" / "fragments.yaml").read_text())
    cases = []
    for case in reader.load((POLICIES / "cases" / "cases.yaml").read_text()):
        document = base()
        for name in case.get("with", ()):
            for path, value in fragments[name].items():
                replace(document, path, value)
        for path, value in case.get("set", {}).items():
            replace(document, path, value)
        for match in document["content"]["matches"]:
            match.setdefault("digest", "")
            match.setdefault("cumulative_share", 1.0)
        for change in document["request"]["exposures"]:
            for place in change.setdefault("target_facts", []):  # the rest is as it has to be
                for fact in ("encryption", "public", "replicas"):
                    place.setdefault(fact, copy.deepcopy(base()["destination"]["facts"][fact]))
        cases.append(Case(case["name"], document, frozenset(case["rules"])))
    return cases


@functools.cache
def load_once() -> tuple[Case, ...]:
    """All cases, read once. Whoever changes an input copies it first."""
    return tuple(load())
