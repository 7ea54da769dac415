"""What other policies would change, and whether that loosens or tightens, where it can be told without running them.

Told is what has one direction: a mode, a severity, what answers for a failed engine, a rule more or less, what is
intercepted, a limit of days, what is tagged. Another text of a rule, other data that only Rego reads, and another
catalogue are shown and left to a person. Must not know: how it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from haechi.domain.decision import FailMode, Mode, Severity
from haechi.domain.facts import JSON
from haechi.domain.scope import ScopeMode
from haechi.outbound.engine.choices import FILE as DATA
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.texts import BUNDLED_CATALOGUE, CATALOGUE, DATA_JSON


class Tends(StrEnum):
    """Which way a change goes."""

    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    UNCLEAR = "unclear"
    """Nobody can tell without reading it."""
    NEITHER = "neither"
    """Words, names and numbers for people."""


class What(StrEnum):
    """What is changed."""

    ISSUE = "issue"
    RULE = "rule"
    MODE = "mode"
    SEVERITY = "severity"
    CHOICE = "choice"
    WORDS = "words"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``before`` and ``after`` are JSON, None where there was or is nothing."""

    what: What
    name: str
    before: JSON
    after: JSON
    tends: Tends

    def as_json(self) -> dict[str, JSON]:
        """For ``--json``."""
        return {
            "what": self.what.value,
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "tends": self.tends.value,
        }


_MODES = (Mode.MONITOR, Mode.ENFORCE)
_SEVERITIES = (Severity.LOG, Severity.BLOCK)
_FAILS = (FailMode.OPEN, FailMode.CLOSED)
_SCOPES = (ScopeMode.LIST, ScopeMode.CLOUD, ScopeMode.ALL)
_TYPED = ("modes", "severities", "scope", "tag_rules")
"""Choices that are compared part by part."""
_MORE_IS_STRICTER = {
    "approved_keys_only": True,
    "listed_credentials_only": True,
    "home_countries": False,
    "sealed_through_global_endpoints": False,
}
"""Choices with a direction: whether true, or a longer list, is the stricter."""
_LIMITS = ("registry_max_age_days", "clock_tolerance_seconds", "cumulative_share_limit")
"""Of these a lower number is the stricter."""


def changes(before: PolicyFolder, after: PolicyFolder) -> tuple[Change, ...]:
    """Every change from one set of policies to another, in the order of ``What``."""
    found = [
        *_issue(before, after),
        *_rules(before, after),
        *_modes(before, after),
        *_choices(before, after),
        *_words(before, after),
        *_files(before, after),
    ]
    order = list(What)
    return tuple(sorted(found, key=lambda change: (order.index(change.what), change.name)))


def _issue(before: PolicyFolder, after: PolicyFolder) -> Iterator[Change]:
    one, other = (policies.issue.sequence if policies.issue else None for policies in (before, after))
    if one != other:
        back = one is not None and (other is None or other < one)
        yield Change(What.ISSUE, "sequence", one, other, Tends.UNCLEAR if back else Tends.NEITHER)


def _rules(before: PolicyFolder, after: PolicyFolder) -> Iterator[Change]:
    for name in sorted({*before.rules, *after.rules}):
        old, new = before.rules.get(name), after.rules.get(name)
        if old is None or new is None:
            tends = Tends.TIGHTENS if old is None else Tends.LOOSENS
            here = [info.severity.value if info else None for info in (old, new)]
            yield Change(What.RULE, name, here[0], here[1], tends)
            continue
        if before.text(old) != after.text(new):
            yield Change(What.RULE, name, "…", "…", Tends.UNCLEAR)
        one, other = old.severity, new.severity
        if one is not other:
            yield Change(What.SEVERITY, name, one.value, other.value, _by(_SEVERITIES, one, other))


def _modes(before: PolicyFolder, after: PolicyFolder) -> Iterator[Change]:
    old, new = before.modes, after.modes
    if old.default is not new.default:
        yield Change(What.MODE, "default", old.default.value, new.default.value, _by(_MODES, old.default, new.default))
    if old.fail is not new.fail:
        yield Change(What.MODE, "fail", old.fail.value, new.fail.value, _by(_FAILS, old.fail, new.fail))
    for name in sorted({*old.by_rule, *new.by_rule} & set(before.rules) & set(after.rules)):
        one, other = old.of(name), new.of(name)
        if one is not other:
            yield Change(What.MODE, name, one.value, other.value, _by(_MODES, one, other))


def _by(order: tuple[Any, ...], one: Any, other: Any) -> Tends:
    """By an order from loose to strict."""
    if one not in order or other not in order:
        return Tends.UNCLEAR
    return Tends.TIGHTENS if order.index(other) > order.index(one) else Tends.LOOSENS


def _choices(before: PolicyFolder, after: PolicyFolder) -> Iterator[Change]:
    old, new = _said(before), _said(after)
    for name in sorted({*old, *new} - set(_TYPED)):
        one, other = old.get(name), new.get(name)
        if one != other:
            yield Change(What.CHOICE, name, one, other, _tendency(name, one, other))
    a, b = before.choices, after.choices
    if a.mode is not b.mode:
        yield Change(What.CHOICE, "scope.mode", a.mode.value, b.mode.value, _by(_SCOPES, a.mode, b.mode))
    for name, stricter in (("hosts", True), ("networks", True), ("exempt", False)):
        yield from _listed(f"scope.{name}", list(getattr(a, name)), list(getattr(b, name)), stricter)
    yield from _listed("tag_rules", [dict(one) for one in a.tag_rules], [dict(one) for one in b.tag_rules], True)


def _said(policies: PolicyFolder) -> Mapping[str, JSON]:
    """The value of each choice, as JSON."""
    chosen = msgspec.json.decode(msgspec.json.encode(policies.data)).get("choices", {})
    return {name: choice.get("value") if isinstance(choice, dict) else choice for name, choice in chosen.items()}


def _tendency(name: str, one: JSON, other: JSON) -> Tends:
    if name in _LIMITS or name.startswith("policy_max_"):
        return _limit(one, other)
    if name not in _MORE_IS_STRICTER:
        return Tends.UNCLEAR
    stricter = _MORE_IS_STRICTER[name]
    if isinstance(one, bool) and isinstance(other, bool):
        return Tends.TIGHTENS if other is stricter else Tends.LOOSENS
    if isinstance(one, list) and isinstance(other, list):
        return _lists(one, other, stricter)
    return Tends.UNCLEAR


def _limit(one: JSON, other: JSON) -> Tends:
    """A limit: none at all is the loosest."""
    numbers = [float("inf") if value is None else value for value in (one, other)]
    if not all(isinstance(value, int | float) for value in numbers):
        return Tends.UNCLEAR
    return Tends.TIGHTENS if numbers[1] < numbers[0] else Tends.LOOSENS  # type: ignore[operator]


def _listed(name: str, one: list[Any], other: list[Any], stricter: bool) -> Iterator[Change]:
    if one != other:
        gone, come = [item for item in one if item not in other], [item for item in other if item not in one]
        yield Change(What.CHOICE, name, gone, come, _lists(one, other, stricter))


def _lists(one: list[Any], other: list[Any], stricter: bool) -> Tends:
    gone, come = any(item not in other for item in one), any(item not in one for item in other)
    if gone and come:
        return Tends.UNCLEAR
    if not gone and not come:
        return Tends.NEITHER
    return Tends.TIGHTENS if come is stricter else Tends.LOOSENS


def _words(before: PolicyFolder, after: PolicyFolder) -> Iterator[Change]:
    for name in sorted({*before.words, *after.words}):
        if before.words.get(name) != after.words.get(name):
            here = tuple("…" if name in policies.words else None for policies in (before, after))
            yield Change(What.WORDS, name, here[0], here[1], Tends.NEITHER)


def _plain(name: str) -> str:
    """A file as a folder calls it."""
    return CATALOGUE if name == BUNDLED_CATALOGUE else name


def _files(before: PolicyFolder, after: PolicyFolder) -> Iterator[Change]:
    """Whatever else is another text: what rules share, the catalogue, the schema."""
    told = {info.file for policies in (before, after) for info in policies.rules.values()} | {DATA, DATA_JSON}
    old, new = ({_plain(name): text for name, text in policies.texts} for policies in (before, after))
    for name in sorted({*old, *new} - told):
        if name.endswith("/words.yaml") or old.get(name) == new.get(name):
            continue
        rego = name.endswith(".rego") or name == CATALOGUE
        here = tuple("…" if name in texts else None for texts in (old, new))
        yield Change(What.FILE, name, here[0], here[1], Tends.UNCLEAR if rego else Tends.NEITHER)
