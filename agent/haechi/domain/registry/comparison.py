"""What changes between two registries, entry by entry, and whether it loosens or tightens where that can be told.

Pure. An entry is the same one by its id (accounts and keys by provider and id, hosts by their name). That a change
*loosens* says that more may be let through after it, never that it is wrong.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from haechi.domain.registry.entries import (
    ALL,
    Access,
    ApprovedKey,
    Authorisation,
    AuthorisationStatus,
    CloudAccount,
    Order,
    Reach,
    RegistryData,
    Site,
)
from haechi.domain.registry.periods import Period

SECTIONS = (
    "institution", "accounts", "keys", "personnel", "takeouts", "authorisations", "exemptions", "orders", "recipients",
    "watched", "attestations",
)  # fmt: skip


class How(StrEnum):
    """What happened to an entry."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Effect(StrEnum):
    """What it does to what may be let through."""

    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    NEITHER = "neither"
    UNCLEAR = "unclear"
    """Both, or what a program cannot tell."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry's change. ``fields`` has, for a changed one, each field's value before and after."""

    section: str
    id: str
    how: How
    effect: Effect
    fields: Mapping[str, tuple[Any, Any]]
    before: Any = None
    after: Any = None


def compare(before: RegistryData, after: RegistryData) -> tuple[Change, ...]:
    """All changes, in the order of the sections, then by id. Sequence and time of issue are no entries."""
    found: list[Change] = []
    for section in SECTIONS:
        old, new = _entries(before, section), _entries(after, section)
        for name in sorted(old.keys() | new.keys()):
            change = _change(section, name, old.get(name), new.get(name))
            if change is not None:
                found.append(change)
    return tuple(found)


def _entries(data: RegistryData, section: str) -> dict[str, Any]:
    listed = [data.institution] if section == "institution" else getattr(data, section)
    return {_name_of(entry): entry for entry in listed}


def _name_of(entry: Any) -> str:
    if isinstance(entry, CloudAccount | ApprovedKey):
        return f"{entry.provider}/{entry.id}"
    if isinstance(entry, Site):
        return entry.host
    name: str = getattr(entry, "id", "")
    return name


def _change(section: str, name: str, old: Any, new: Any) -> Change | None:
    if old == new:
        return None
    if old is None or new is None:
        there = _there(section, old if new is None else new)
        how = How.ADDED if old is None else How.REMOVED
        return Change(section, name, how, there if old is None else _reverse(there), {}, old, new)
    changed = {name: pair for name, pair in _pairs(old, new) if pair[0] != pair[1]}
    effects = {
        _EFFECTS.get((section, field), _EFFECTS.get(("", field), _unclear))(*pair) for field, pair in changed.items()
    }
    if section == "authorisations" and not _granted(old) and not _granted(new):
        effects = {Effect.NEITHER}
    if section == "orders":
        effects = {_reverse(effect) for effect in effects}
    return Change(section, name, How.CHANGED, _together(effects), changed, old, new)


def _there(section: str, entry: Any) -> Effect:
    """What it does that such an entry is there."""
    if section == "authorisations" and not _granted(entry):
        return Effect.NEITHER
    if section == "orders":
        return Effect.TIGHTENS
    return Effect.UNCLEAR if section in ("institution", "recipients", "watched") else Effect.LOOSENS


def _granted(entry: Authorisation) -> bool:
    return entry.status is AuthorisationStatus.GRANTED


def _pairs(old: Any, new: Any) -> Iterable[tuple[str, tuple[Any, Any]]]:
    """Field by field; a reach and a period by what is in them."""
    for field in fields(old):
        first, second = getattr(old, field.name), getattr(new, field.name)
        if isinstance(first, Reach):
            yield from _pairs(first, second)
        elif isinstance(first, Period):
            names = ("effective_from", "lifted_at") if isinstance(old, Order) else ("valid_from", "valid_until")
            yield names[0], (first.start, second.start)
            yield names[1], (first.end, second.end)
        else:
            yield field.name, (first, second)


def _together(effects: set[Effect]) -> Effect:
    telling = effects - {Effect.NEITHER}
    if not telling:
        return Effect.NEITHER
    return telling.pop() if len(telling) == 1 else Effect.UNCLEAR


def _reverse(effect: Effect) -> Effect:
    return {Effect.LOOSENS: Effect.TIGHTENS, Effect.TIGHTENS: Effect.LOOSENS}.get(effect, effect)


def _unclear(old: Any, new: Any) -> Effect:
    return Effect.UNCLEAR


def _neither(old: Any, new: Any) -> Effect:
    return Effect.NEITHER


def _more(old: Iterable[Any], new: Iterable[Any]) -> Effect:
    """More of it lets more through."""
    first, second = frozenset(old), frozenset(new)
    if ALL in first or ALL in second:
        return Effect.LOOSENS if ALL in second else Effect.TIGHTENS
    if first < second:
        return Effect.LOOSENS
    return Effect.TIGHTENS if second < first else Effect.UNCLEAR


def _persons(old: frozenset[str], new: frozenset[str]) -> Effect:
    """None stands for everybody."""
    return _more(old or [ALL], new or [ALL])


def _later(old: dt.date | None, new: dt.date | None) -> Effect:
    """A later day of it lets more through."""
    first, second = old or dt.date.min, new or dt.date.min
    return Effect.LOOSENS if second > first else Effect.TIGHTENS


_FIRST = dt.datetime.min.replace(tzinfo=dt.UTC)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)


def _until(old: dt.datetime | None, new: dt.datetime | None) -> Effect:
    return Effect.LOOSENS if (new or _LAST) > (old or _LAST) else Effect.TIGHTENS


def _from(old: dt.datetime | None, new: dt.datetime | None) -> Effect:
    return Effect.LOOSENS if (new or _FIRST) < (old or _FIRST) else Effect.TIGHTENS


def _status(old: AuthorisationStatus, new: AuthorisationStatus) -> Effect:
    if new is AuthorisationStatus.GRANTED:
        return Effect.LOOSENS
    return Effect.TIGHTENS if old is AuthorisationStatus.GRANTED else Effect.NEITHER


def _access(old: Access, new: Access) -> Effect:
    return Effect.LOOSENS if new is Access.DOMESTIC else Effect.TIGHTENS


_EFFECTS: Mapping[tuple[str, str], Callable[[Any, Any], Effect]] = {
    ("", "name"): _neither,
    ("", "label"): _neither,
    ("", "evidence"): _neither,
    ("", "reference"): _neither,
    ("", "owner"): _neither,
    ("institution", "registered_on"): _neither,
    ("authorisations", "submitted_on"): _neither,
    ("", "valid_from"): _from,
    ("", "valid_until"): _until,
    ("", "technologies"): _more,
    ("", "destinations"): _more,
    ("", "digests"): _more,
    ("", "comprehensive"): lambda old, new: Effect.LOOSENS if new else Effect.TIGHTENS,
    ("", "persons"): _persons,
    ("", "status"): _status,
    ("personnel", "os_users"): _more,
    ("personnel", "access_keys"): _more,
    ("personnel", "pledged_on"): _later,
    ("personnel", "trained_on"): _later,
    ("personnel", "access"): _access,
    ("attestations", "stated_on"): _later,
    ("orders", "effective_from"): _from,
    ("orders", "lifted_at"): _until,
}
"""By section (or any) and field. What is not here cannot be told. An order's are reversed: it forbids."""
