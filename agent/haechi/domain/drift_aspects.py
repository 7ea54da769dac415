"""What became of a container since tagged content went there: one set of facts held against an earlier one. Pure.

Theory. Facts fall into *aspects*, each with its *leaves*: single facts, which may be unknown. Of an aspect it is told,
the first that applies::

    UNSEEN   a leaf cannot be read for a cause that passes: nothing is said now        (only while ``patient``)
    WORSE    turned public, copies go abroad, another owner, another region, key lost …
    LOST     a leaf that was known is unknown: nobody sees any more whether it turned worse
    LEARNT   a leaf that was unknown is known
    OTHER    it is another, and not worse by what is known here
    nothing  it is as it was
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from haechi.domain.decision import KNOWN_ENOUGH
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.destination_form import form_of
from haechi.domain.drift import Aspect, Change, Comparison, Leaves, Turn
from haechi.domain.facts import JSON, Unknown, as_json


@dataclass(frozen=True, slots=True)
class _Rule:
    leaves: Callable[[Destination], Leaves]
    worse: Callable[[Destination, Destination], bool]
    fields: tuple[str, ...]


def compare(was: Destination, now: Destination, passing: frozenset[str], *, patient: bool) -> Comparison:
    """What changed. ``passing`` are causes of unknown facts that say nothing about the container itself.

    Of a container that is not there any more nothing else is told: its facts went with it.
    """
    if now.exists is False and was.exists is not False:
        gone = Change(Aspect.EXISTENCE, Turn.WORSE, {"exists": as_json(was.exists)}, {"exists": False})
        return Comparison((gone,), frozenset(Aspect) - {Aspect.EXISTENCE})
    changes, unseen = [], set()
    for aspect, rule in _RULES.items():
        before, after = rule.leaves(was), rule.leaves(now)
        if patient and passing & set(_causes(list(after.values()))):
            unseen.add(aspect)
            continue
        turn = _turn(rule, was, now, before, after)
        if turn is not None:
            differ = [leaf for leaf in after if same(before[leaf]) != same(after[leaf])]
            sides = [{leaf: leaves[leaf] for leaf in differ} for leaves in (before, after)]
            changes.append(Change(aspect, turn, *sides))
    return Comparison(tuple(changes), frozenset(unseen))


def carried(into: Destination, source: Destination, aspect: Aspect) -> Destination:
    """``into`` with one aspect of ``source``. The guard alone is carried where what it guards differs too: that is
    another change, with an answer of its own.
    """
    if aspect in _SHARED:
        names = _SHARED[aspect]
        ways = dataclasses.replace(into.ways, **{name: getattr(source.ways, name) for name in names})
        return dataclasses.replace(into, ways=ways)
    if aspect is Aspect.GUARD and _public(into) != _public(source):
        public = dataclasses.replace(into.public, blocked=source.public.blocked, flags=source.public.flags)
        return dataclasses.replace(into, public=public)
    return dataclasses.replace(into, **{name: getattr(source, name) for name in _RULES[aspect].fields})


def _turn(rule: _Rule, was: Destination, now: Destination, before: Leaves, after: Leaves) -> Turn | None:
    if all(same(before[leaf]) == same(after[leaf]) for leaf in after):
        return None
    if rule.worse(was, now):
        return Turn.WORSE
    lost = [leaf for leaf in after if _unknown(after[leaf]) and not _unknown(before[leaf])]
    if lost:
        return Turn.LOST
    learnt = any(_unknown(before[leaf]) and not _unknown(after[leaf]) for leaf in after)
    return Turn.LEARNT if learnt else Turn.OTHER


# --- leaves ---------------------------------------------------------------------------------------------------------


def _public(facts: Destination) -> Leaves:
    """``open``, ``closed`` or unknown: by the rules' own measure of what is proven to be closed."""
    public = facts.public
    said = (public.acl_public, public.policy_public)
    if public.blocked is True:
        return {"access": "closed"}
    if True in said:
        return {"access": "open"}
    unknown = next((fact for fact in said if isinstance(fact, Unknown)), None)
    return {"access": "closed" if unknown is None else as_json(unknown)}


def _replicas(facts: Destination) -> Leaves:
    replicas = facts.replicas
    if isinstance(replicas, Unknown):
        return {"targets": as_json(replicas)}
    listed: list[JSON] = [target.as_json() for target in sorted(replicas, key=lambda target: target.container)]
    return {"targets": listed}


def _key(facts: Destination) -> Leaves:
    """The mode, and what makes a key that key. Where the mode has no key of its own the rest is None."""
    mode, key = facts.encryption.mode, facts.encryption.key
    names = ("id", "account", "region", "enabled")
    if isinstance(key, KeyFacts):
        return {"mode": as_json(mode), **{name: as_json(getattr(key, name)) for name in names}}
    return {"mode": as_json(mode), **dict.fromkeys(names, as_json(key))}


_DOORS: Final = ("sftp", "nfs", "local_users")
_OLDEST: Final = "1.2"
"""The oldest version of TLS that the rules take, too."""


def _ways(*names: str) -> Callable[[Destination], Leaves]:
    return lambda facts: {name: as_json(getattr(facts.ways, name)) for name in names}


def _single(name: str) -> Callable[[Destination], Leaves]:
    return lambda facts: {name: as_json(getattr(facts, name))}


# --- worse ----------------------------------------------------------------------------------------------------------


def _another_owner(was: Destination, now: Destination) -> bool:
    """Also where it is only known that it is none of ours any more."""
    return _other(as_json(was.account), as_json(now.account))


def _another_region(was: Destination, now: Destination) -> bool:
    """A container cannot move: another of the same name stands in its place."""
    return _other(as_json(was.region), as_json(now.region)) or _other(as_json(was.country), as_json(now.country))


def _opened(was: Destination, now: Destination) -> bool:
    return _public(now)["access"] == "open" and _public(was)["access"] != "open"


def _copies_abroad(was: Destination, now: Destination) -> bool:
    """A target that was not there before as it is, and that is not known to stand in the container's own country."""
    if isinstance(now.replicas, Unknown):
        return False
    earlier = {} if isinstance(was.replicas, Unknown) else {target.container: target for target in was.replicas}
    for target in now.replicas:
        before, country = earlier.get(target.container), target.country
        if before is not None and (before == target or isinstance(country, Unknown)):
            continue  # as it was, or its country cannot be read any more: that is lost, not worse
        if isinstance(country, Unknown) or country != now.country:
            return True
    return False


_STRENGTH: Final = {"kms": 2, "kms-dual": 3, "provider": 1}


def _key_lost(was: Destination, now: Destination) -> bool:
    """A weaker mode, another key, another's key, or one that is disabled (waits for deletion, has no material)."""
    before, after = _key(was), _key(now)
    modes = before["mode"], after["mode"]
    if all(isinstance(mode, str) for mode in modes) and _strength(modes[1]) < _strength(modes[0]):
        return True
    if (
        isinstance(now.encryption.key, KeyFacts)
        and now.encryption.key.enabled is False
        and before["enabled"] is not False
    ):
        return True
    had = isinstance(before["id"], str)
    return had and (after["id"] is None or any(_other(before[name], after[name]) for name in ("id", "account")))


def _strength(mode: JSON) -> int:
    return _STRENGTH.get(mode, 0) if isinstance(mode, str) else 0


def _turned(name: str, *, to: bool) -> Callable[[Destination, Destination], bool]:
    return lambda was, now: getattr(now, name) is to and getattr(was, name) is not to


def _guard_off(was: Destination, now: Destination) -> bool:
    return was.public.blocked is True and now.public.blocked is False


def _versioning_off(was: Destination, now: Destination) -> bool:
    states = [facts.versioning for facts in (was, now)]
    was_on, is_on = (isinstance(state, str) and state.lower() == "enabled" for state in states)
    return was_on and isinstance(now.versioning, str) and not is_on


def _another_way(was: Destination, now: Destination) -> bool:
    return any(getattr(now.ways, name) is True and getattr(was.ways, name) is not True for name in _DOORS)


def _weaker_transport(was: Destination, now: Destination) -> bool:
    """Plain HTTP is answered, or an older TLS than before, and than the rules take."""
    oldest = now.ways.minimum_tls
    before = _OLDEST if isinstance(was.ways.minimum_tls, Unknown) else min(was.ways.minimum_tls, _OLDEST)
    older = not isinstance(oldest, Unknown) and oldest < before
    return older or (now.ways.plain_http is True and was.ways.plain_http is not True)


def _logging_off(was: Destination, now: Destination) -> bool:
    return now.logging == "off" and isinstance(was.logging, str) and was.logging != "off"


_RULES: Final[Mapping[Aspect, _Rule]] = {
    Aspect.EXISTENCE: _Rule(_single("exists"), _turned("exists", to=False), ("exists",)),
    Aspect.OWNER: _Rule(_single("account"), _another_owner, ("account",)),
    Aspect.PUBLIC: _Rule(_public, _opened, ("public",)),
    Aspect.REPLICAS: _Rule(_replicas, _copies_abroad, ("replicas",)),
    Aspect.KEY: _Rule(_key, _key_lost, ("encryption",)),
    Aspect.REGION: _Rule(
        lambda facts: {"region": as_json(facts.region), "country": as_json(facts.country)},
        _another_region,
        ("region", "country"),
    ),
    Aspect.GUARD: _Rule(lambda facts: {"blocked": as_json(facts.public.blocked)}, _guard_off, ("public",)),
    Aspect.VERSIONING: _Rule(_single("versioning"), _versioning_off, ("versioning",)),
    Aspect.MFA_DELETE: _Rule(
        _single("mfa_delete"), lambda was, now: was.mfa_delete is True and now.mfa_delete is False, ("mfa_delete",)
    ),
    Aspect.OBJECT_LOCK: _Rule(
        _single("object_lock"), lambda was, now: was.object_lock is True and now.object_lock is False, ("object_lock",)
    ),
    Aspect.LOGGING: _Rule(_single("logging"), _logging_off, ("logging",)),
    Aspect.ACCELERATION: _Rule(
        _single("acceleration"),
        lambda was, now: was.acceleration is False and now.acceleration is True,
        ("acceleration",),
    ),
    Aspect.WAYS: _Rule(_ways(*_DOORS), _another_way, ("ways",)),
    Aspect.TRANSPORT: _Rule(_ways("plain_http", "minimum_tls"), _weaker_transport, ("ways",)),
}


_SHARED: Final[Mapping[Aspect, tuple[str, ...]]] = {
    Aspect.WAYS: _DOORS,
    Aspect.TRANSPORT: ("plain_http", "minimum_tls"),
}
"""Aspects of one part of the facts, each carried by its own names."""


# --- unknown --------------------------------------------------------------------------------------------------------


def _unknown(leaf: JSON) -> bool:
    """Whether a leaf, or anything in it, is unknown; a cause that says what matters all the same is none."""
    return any(cause not in KNOWN_ENOUGH for cause in _causes(leaf))


def same(leaf: JSON) -> JSON:
    """A leaf as it is compared: unknown is unknown, for whatever cause."""
    if _bare(leaf) and _unknown(leaf):
        return {"unknown": ""}
    if isinstance(leaf, Mapping):
        return {name: same(value) for name, value in leaf.items()}
    return [same(value) for value in leaf] if isinstance(leaf, list) else leaf


def _other(before: JSON, after: JSON) -> bool:
    """Whether both are known and differ."""
    return not _unknown(before) and not _unknown(after) and before != after


def _bare(leaf: JSON) -> bool:
    return isinstance(leaf, Mapping) and set(leaf) == {"unknown"}


def causes(facts: Destination) -> frozenset[str]:
    """Why what of a container is not known."""
    return frozenset(_causes(form_of(facts)))


def _causes(leaf: JSON) -> Iterator[str]:
    if isinstance(leaf, Mapping):
        if _bare(leaf):
            yield str(leaf["unknown"])
        else:
            for value in leaf.values():
                yield from _causes(value)
    elif isinstance(leaf, list):
        for value in leaf:
            yield from _causes(value)
