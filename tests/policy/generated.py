"""Inputs made from the schema: every fact's every kind of value, one at a time, and mixtures that Hypothesis draws.

Nothing here names a field or a rule: what the schema gains is generated, and what the hand-written cases say at a place
is said at that place again, in other company. The corpus is the same in every run, as long as schema and cases are.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.policy import cases

SCHEMA: dict[str, Any] = json.loads((cases.POLICIES / "schema" / "input-1.json").read_text())
MIXTURES = 4
"""Of each hand-written case."""
UNKNOWN = {"unknown": "generated"}
_WORDS = ("", "KR", "JP", "999999999999", "surely-other", "AWS_KMS")
_DATES = ("2026-03-02T01:30:00Z", "2020-01-01T00:00:00Z")
_KNOWN = frozenset(
    {"$ref", "type", "enum", "const", "anyOf", "oneOf", "properties", "required", "additionalProperties", "items"}
    | {"maxProperties"}
) | {
    "pattern",
    "format",
    "description",
    "title",
    "$schema",
    "$defs",
    "minimum",
    "maximum",
    "minItems",
    "uniqueItems",
    "maxProperties",
}


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A schema without its reference. What this module does not know would be generated wrongly: it fails then."""
    while "$ref" in part:
        _, _, name = part["$ref"].rpartition("/")
        part = SCHEMA["$defs"][name]
    assert set(part) <= _KNOWN, f"keywords of JSON schema that the generator does not know: {set(part) - _KNOWN}"
    return part


def forms(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The forms that a value may take."""
    part = resolved(part)
    options = part.get("anyOf") or part.get("oneOf")
    if options:
        for option in options:
            yield from forms(option)
    elif isinstance(part.get("type"), list):
        for one in part["type"]:
            yield {**part, "type": one}
    else:
        yield part


def takes_unknown(part: dict[str, Any]) -> bool:
    """Whether a value may be ``{"unknown": cause}``."""
    return any(set(form.get("properties", ())) == {"unknown"} for form in forms(part))


def at(path: str) -> dict[str, Any] | None:
    """The schema at a dotted place of an input; None where several forms are possible and none has it."""
    part: dict[str, Any] = SCHEMA
    for step in path.split("."):
        inner = [found for form in forms(part) if (found := _child(form, step)) is not None]
        if not inner:
            return None
        part = inner[0]
    return part


def _child(form: dict[str, Any], step: str) -> dict[str, Any] | None:
    if step.isdigit():
        return form.get("items")
    found = form.get("properties", {}).get(step)
    more = form.get("additionalProperties")
    return found if found is not None else more if isinstance(more, dict) else None


def paths(document: Any, above: str = "") -> Iterator[str]:
    """Every place in a document, parents first."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in items:
        here = f"{above}.{name}" if above else str(name)
        yield here
        if isinstance(value, dict | list):
            yield from paths(value, here)


def value(document: Any, path: str) -> Any:
    """What stands at a place."""
    for step in path.split("."):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def along(document: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy of what lies along a path, so that its end may be changed. The rest is shared: a whole copy takes longer
    than the engines take for their answers.
    """
    changed = copy.copy(document)
    at: Any = changed
    for step in path.split(".")[:-1]:
        key = int(step) if isinstance(at, list) else step
        at[key] = copy.copy(at[key])
        at = at[key]
    return changed


def whole(document: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    """The document with another value at a place."""
    changed = along(document, path)
    cases.replace(changed, path, new)
    return changed


def place(path: str) -> str:
    """A path whose positions in lists do not matter."""
    return re.sub(r"\.\d+(?=\.|$)", "[]", path)


@functools.cache
def seen() -> dict[str, list[Any]]:
    """What the hand-written cases say, by place."""
    found: dict[str, dict[str, Any]] = {}
    for case in cases.load_once():
        for path in paths(case.input):
            said = value(case.input, path)
            found.setdefault(place(path), {})[json.dumps(said, sort_keys=True)] = said
    return {where: list(values.values()) for where, values in found.items()}


def alternatives(path: str) -> tuple[Any, ...]:
    """Values that the schema takes at a place: each word and each form it allows, and what cases say there."""
    return _alternatives(place(path), path)


@functools.cache
def _alternatives(where: str, path: str) -> tuple[Any, ...]:
    part = at(path)
    if part is None:
        return ()
    made: list[Any] = []
    for form in forms(part):
        made.extend(_examples(form))
    made.extend(said for said in seen().get(where, ()) if not isinstance(said, dict | list) or len(str(said)) < 2000)
    kept: dict[str, Any] = {json.dumps(one, sort_keys=True): one for one in made}
    return tuple(kept.values())


def _examples(form: dict[str, Any]) -> list[Any]:
    if "const" in form:
        return [form["const"]]
    if "enum" in form:
        return list(form["enum"])
    match form.get("type"):
        case "boolean":
            return [True, False]
        case "null":
            return [None]
        case "integer" | "number":
            least = form.get("minimum", 0)
            return [least, min(least + 1, form.get("maximum", least + 1)), form.get("maximum", 10**6)]
        case "string":
            return [word for word in (*_WORDS, *_DATES) if re.search(form.get("pattern", ""), word)]
        case "array":
            return [[]] if form.get("minItems", 0) == 0 else []
        case "object":
            if set(form.get("properties", ())) == {"unknown"}:
                return [UNKNOWN]
            return [] if form.get("required") else [{}]
    return []


def one_at_a_time() -> list[dict[str, Any]]:
    """The passing input with each fact replaced by each alternative, and by nothing the schema does not take."""
    base = cases.base()
    return [
        whole(base, path, other)
        for path in paths(base)
        for other in alternatives(path)
        if other != value(base, path) and path != "schema"
    ]


@st.composite
def mixtures(draw: st.DrawFn, case: cases.Case) -> dict[str, Any]:
    """A case with several facts replaced."""
    document = case.input
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([one for one in paths(document) if one != "schema"]))
        others = alternatives(path)
        if others:
            document = whole(document, path, draw(st.sampled_from(others)))
    return document


def mixed(case: cases.Case) -> list[dict[str, Any]]:
    """Mixtures of one case, the same in every run."""
    made: list[dict[str, Any]] = []

    @settings(
        max_examples=MIXTURES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mixtures(case))
    def collect(document: dict[str, Any]) -> None:
        made.append(document)

    collect()
    return made


@functools.cache
def corpus() -> tuple[dict[str, Any], ...]:
    """All of it, each once."""
    of_all = [one for case in cases.load_once() for one in mixed(case)]
    return tuple({json.dumps(one, sort_keys=True): one for one in (*one_at_a_time(), *of_all)}.values())
