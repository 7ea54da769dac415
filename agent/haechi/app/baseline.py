"""The first days of a new customer: what would have been blocked, by what, and what the registry does not know yet.

Works on decisions as they were recorded (monitor mode: nothing was blocked), and judges nothing again. What it found
unknown is material for a person to check: that somebody uploaded from an account does not make it the institution's.
Memory is bounded by ``Tally`` and ``MOST_SEEN``. Must not know: files, words, how a registry is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from haechi.app.questions import Skip, decision_of, id_of
from haechi.app.tallying import Tally, named_place, named_user
from haechi.domain.decision import Effect, Severity
from haechi.domain.facts import JSON
from haechi.domain.registry import KST
from haechi.ports.recorded import Recorded

MOST_SEEN: Final = 500
"""Accounts, keys and people that are listed, of each; more are counted."""
MOST_DAYS: Final = 400
TEMPORARY: Final = "ASIA"
"""How AWS begins the identifiers of temporary credentials: they change by the hour and belong in no registry."""


@dataclass(slots=True)
class Seen:
    """Something that uploads showed and the registry of that moment did not name."""

    count: int = 0
    first: str = ""
    last: str = ""
    about: dict[str, set[str]] = field(default_factory=dict)
    """What is to be looked at, by kind (containers, users …): a few of each."""

    def add(self, time: str, **about: object) -> None:
        """Count one sight of it."""
        self.count += 1
        self.first, self.last = min(self.first or time, time), max(self.last, time)
        for name, value in about.items():
            known = self.about.setdefault(name, set())
            if isinstance(value, str) and value and len(known) < 5:
                known.add(value[:200])

    def as_json(self) -> dict[str, JSON]:
        """Counts, first and last sight, and what was seen with it."""
        about: dict[str, JSON] = {name: [*sorted(values)] for name, values in self.about.items()}
        return {"count": self.count, "first": self.first, "last": self.last, **about}


@dataclass(slots=True)
class Unregistered:
    """What the registry did not name, by provider and id (accounts, keys), by user (people) and by person (added
    credentials of somebody who is named).
    """

    accounts: dict[tuple[str, str], Seen] = field(default_factory=dict)
    keys: dict[tuple[str, str], Seen] = field(default_factory=dict)
    people: dict[str, Seen] = field(default_factory=dict)
    credentials: dict[tuple[str, str], Seen] = field(default_factory=dict)
    beyond: int = 0
    """Sights of things for which there was no room."""

    def look(self, facts: Mapping[str, Any], time: str) -> None:
        """Take up what one policy input shows."""
        registry, request = _part(facts, "registry"), _part(facts, "request")
        destination = _part(_part(facts, "destination"), "facts")
        provider, container = str(destination.get("provider") or ""), destination.get("container")
        user = _part(facts, "actor").get("user")
        account, key = destination.get("account"), _part(_part(facts, "encryption"), "key")
        if isinstance(account, str) and account and account not in _ids(registry, "accounts", provider):
            self._see(self.accounts, (provider, account), time, containers=container, users=user)
        named = key.get("id")
        if (
            isinstance(named, str)
            and key.get("manager") == "customer"
            and named not in _ids(registry, "keys", provider)
        ):
            about = {"accounts": key.get("account"), "countries": key.get("country"), "containers": container}
            self._see(self.keys, (provider, named), time, **about)
        self._person(registry, user, request.get("access_key"), time, container)

    def _person(self, registry: Mapping[str, Any], user: object, access: object, time: str, container: object) -> None:
        lasting = access if isinstance(access, str) and access and not access.startswith(TEMPORARY) else ""
        person = registry.get("person")
        if person is None and isinstance(user, str):
            self._see(self.people, user, time, containers=container, access_keys=lasting)
        elif isinstance(person, Mapping) and person.get("by_user") and not person.get("by_access_key") and lasting:
            self._see(self.credentials, (str(person.get("id")), lasting), time, users=user, containers=container)

    def _see(self, seen: dict[Any, Seen], key: Any, time: str, **about: object) -> None:
        if key not in seen and len(seen) >= MOST_SEEN:
            self.beyond += 1
            return
        seen.setdefault(key, Seen()).add(time, **about)

    def as_json(self) -> dict[str, JSON]:
        """Each kind as a list."""
        return {
            "accounts": [{"provider": p, "id": i, **one.as_json()} for (p, i), one in self.accounts.items()],
            "keys": [{"provider": p, "id": i, **one.as_json()} for (p, i), one in self.keys.items()],
            "people": [{"user": user, **one.as_json()} for user, one in self.people.items()],
            "credentials": [
                {"person": p, "access_key": key, **one.as_json()} for (p, key), one in self.credentials.items()
            ],
            "beyond": self.beyond,
        }


@dataclass(slots=True)
class Baseline:
    """What a span of the audit tells. Every line handed in is counted: as a decision, or under ``skipped``."""

    records: int = 0
    effects: dict[str, int] = field(default_factory=lambda: {effect.value: 0 for effect in Effect})
    summaries: int = 0
    """Allowed uploads of which a summary was recorded: what the registry does not know is not seen in them."""
    skipped: dict[str, int] = field(default_factory=dict)
    days: dict[str, dict[str, int]] = field(default_factory=dict)
    rules: Tally = field(default_factory=Tally)
    users: Tally = field(default_factory=Tally)
    destinations: Tally = field(default_factory=Tally)
    tools: Tally = field(default_factory=Tally)
    findings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """One finding of each rule, for its words."""
    unregistered: Unregistered = field(default_factory=Unregistered)

    def take(self, decisions: Iterable[Recorded]) -> None:
        """Count some more."""
        for recorded in decisions:
            self._take(recorded)

    def _take(self, recorded: Recorded) -> None:
        self.records += 1
        decision = None if recorded.damage else decision_of(recorded.event)
        if decision is None:
            reason = (recorded.damage or Skip.OTHER_RECORD).value
            self.skipped[reason] = self.skipped.get(reason, 0) + 1
            return
        effect, findings, causes = decision
        self.effects[effect.value] += 1
        self._day(recorded.time, effect)
        facts = recorded.event.get("input")
        if isinstance(facts, Mapping) and facts:
            self.unregistered.look(facts, recorded.time)
        else:
            self.summaries += 1
        if effect is Effect.ALLOW:
            return
        example = id_of(recorded)
        strict = {str(one.get("rule")): one for one in findings if one.get("severity") == Severity.BLOCK.value}
        for rule in (*strict, *(cause.code for cause in causes)):
            self.rules.add(rule, effect.value, example)
        for rule, finding in strict.items():
            if rule in self.rules.rows:
                self.findings.setdefault(rule, finding)
        self.users.add(named_user(recorded.event), effect.value, example)
        self.destinations.add(named_place(recorded.event), effect.value, example)
        self.tools.add(_tool(recorded.event), effect.value, example)

    def _day(self, time: str, effect: Effect) -> None:
        """Korean days: the institution's."""
        try:
            day = dt.datetime.fromisoformat(time).astimezone(KST).date().isoformat()
        except ValueError:
            day = "?"
        if day in self.days or len(self.days) < MOST_DAYS:
            counts = self.days.setdefault(day, {effect.value: 0 for effect in Effect})
            counts[effect.value] += 1

    def as_json(self) -> dict[str, JSON]:
        """The form of ``haechi baseline report --json``, but for the rules' words."""
        return {
            "records": self.records,
            "effects": dict(self.effects),
            "summaries": self.summaries,
            "skipped": dict(self.skipped),
            "days": [{"day": day, **counts} for day, counts in sorted(self.days.items())],
            "rules": self.rules.as_json(),
            "users": self.users.as_json(),
            "destinations": self.destinations.as_json(),
            "tools": self.tools.as_json(),
            "unregistered": self.unregistered.as_json(),
        }


def _tool(event: Mapping[str, Any]) -> str:
    """The uploading program's name, without its folders: those are each person's own. Of what an interpreter runs the
    script's.
    """
    script, executable = _part(event, "actor").get("script"), _part(event, "actor").get("executable")
    if isinstance(script, str) and script:
        return script
    if isinstance(executable, str) and executable:
        return PurePath(executable).name or executable
    cause = executable.get("unknown") if isinstance(executable, Mapping) else None
    return f"({cause or 'unknown'})"


def _ids(registry: Mapping[str, Any], kind: str, provider: str) -> set[str]:
    """What the registry named then; nothing where there was none."""
    entries = registry.get(kind)
    if not isinstance(entries, list):
        return set()
    return {str(one.get("id")) for one in entries if isinstance(one, Mapping) and one.get("provider") == provider}


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, Mapping) else {}
