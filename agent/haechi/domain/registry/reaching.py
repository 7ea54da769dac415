"""Finds, among very many entries, the few that could cover one upload; what it costs does not grow with the registry.

Theory. An entry is bound to files (found by digest) or comprehensive (found by technology, provider and person). Of
comprehensive entries that say the same but for number and time, one in force is as good as all of them: the one that
lasts longest stands for the others. Which one that is at any time is worked out once, as a timeline. What authorises
nothing now (pending, ended, not begun, another person's) only explains a refusal, so a few of those are enough.

**Never hidden** is an entry that is granted, in force and for this person, unless another that says the same is given.
How many different ones there are is the institution's matter, and all of them go to the policy.
"""

from __future__ import annotations

import datetime as dt
import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from haechi.domain.registry.entries import ALL, Reach

HINTS = 8
"""Entries that authorise nothing, of one technology at one provider, or of one file."""
MOST_HINTS = 32
"""And of one upload."""
_FIRST = dt.datetime.min.replace(tzinfo=dt.UTC)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)


class Granted(Protocol):
    """An entry that reaches some content, going somewhere."""

    @property
    def id(self) -> str:
        """Its number."""

    @property
    def reach(self) -> Reach:
        """Which content, going where, when."""


G = TypeVar("G", bound=Granted)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for. ``provider`` is None where the place is not known; ``person`` where nobody is."""

    technologies: frozenset[str]
    digests: frozenset[str]
    provider: str | None
    person: str | None
    now: dt.datetime


@dataclass(frozen=True, slots=True)
class Kind(Generic[G]):
    """What distinguishes the entries of a list beside reach and time: ``traits`` is all that a rule may look at,
    ``stands`` whether one authorises anything at all, ``persons`` whom it is for (none: everybody).
    """

    traits: Callable[[G], Hashable]
    stands: Callable[[G], bool] = lambda entry: True
    persons: Callable[[G], frozenset[str]] = lambda entry: frozenset()


class Reaching(Generic[G]):
    """Entries of one kind. Immutable after construction."""

    def __init__(self, entries: Iterable[G], kind: Kind[G]) -> None:
        self._kind = kind
        self._by_digest: dict[str, G | tuple[G, ...]] = {}
        gathered: dict[tuple[str, str, str], list[G]] = defaultdict(list)
        for entry in entries:
            for digest in entry.reach.digests:
                before = self._by_digest.get(digest)
                self._by_digest[digest] = entry if before is None else (*_several(before), entry)
            if entry.reach.comprehensive:
                for key in self._keys(entry):
                    gathered[key].append(entry)
        self._standing = {key: _Alike(listed, kind) for key, listed in gathered.items()}
        self._providers = frozenset(provider for _, provider, _ in gathered)
        self._personal = any(person for _, _, person in gathered)

    def _keys(self, entry: G) -> Iterator[tuple[str, str, str]]:
        providers = {place.provider for place in entry.reach.destinations}
        for technology in entry.reach.technologies:
            for provider in providers:
                for person in self._kind.persons(entry) or ("",):
                    yield technology, provider, person

    def about(self, asked: Asked) -> tuple[G, ...]:
        """Those that could cover some of it, ordered by id."""
        found: dict[str, G] = {}
        hints: dict[str, G] = {}
        if self._by_digest:
            self._bound(asked, found, hints)
        if self._standing:
            for alike in self._alike(asked):
                alike.about(asked, found, hints)
        for entry in _most(MOST_HINTS, hints.values(), lambda entry: self._telling(entry, asked)):
            found[entry.id] = entry
        return tuple(found[name] for name in sorted(found))

    def _alike(self, asked: Asked) -> Iterator[_Alike[G]]:
        """The comprehensive ones that could cover it."""
        providers = self._providers if asked.provider is None else {"", asked.provider}
        persons = ("", asked.person) if asked.person and self._personal else ("",)
        for technology in (*asked.technologies, ALL):
            for provider in providers:
                for person in persons:
                    alike = self._standing.get((technology, provider, person))
                    if alike is not None:
                        yield alike

    def _bound(self, asked: Asked, found: dict[str, G], hints: dict[str, G]) -> None:
        """Entries that are bound to a file. One that says the same of the same files as another is left out."""
        best: dict[Hashable, G] = {}
        for digest in asked.digests if asked.technologies else ():
            others: list[G] = []
            for entry in _several(self._by_digest.get(digest, ())):
                if ALL not in entry.reach.technologies and not entry.reach.technologies & asked.technologies:
                    continue
                if self._authorises(entry, asked):
                    reach = entry.reach
                    same = (
                        reach.technologies,
                        reach.destinations,
                        reach.digests & asked.digests,
                        self._kind.traits(entry),
                    )
                    best[same] = _longer(best.get(same), entry)
                else:
                    others.append(entry)
            few = _most(HINTS, others, lambda entry: self._telling(entry, asked))
            hints.update((entry.id, entry) for entry in few)
        found.update((entry.id, entry) for entry in best.values())

    def _authorises(self, entry: G, asked: Asked) -> bool:
        persons = self._kind.persons(entry)
        return (
            self._kind.stands(entry)
            and entry.reach.period.holds(asked.now)
            and (not persons or asked.person in persons)
        )

    def _telling(self, entry: G, asked: Asked) -> tuple[bool, bool, dt.datetime, str]:
        """What explains a refusal best: what names all the content, what is in force, what lasts longest."""
        reach = entry.reach
        return (asked.digests <= reach.digests, reach.period.holds(asked.now), reach.period.end or _LAST, entry.id)


class _Alike(Generic[G]):
    """Comprehensive entries for one technology, provider and person: by what they say, over time."""

    def __init__(self, entries: Sequence[G], kind: Kind[G]) -> None:
        groups: dict[Hashable, list[G]] = defaultdict(list)
        others: list[G] = []
        for entry in entries:
            if kind.stands(entry):
                groups[entry.reach.technologies, entry.reach.destinations, kind.traits(entry)].append(entry)
            else:
                others.append(entry)
        self._timelines = tuple(Timeline.of(group) for group in groups.values())
        self._hints = tuple(
            heapq.nlargest(HINTS, others, key=lambda entry: (entry.reach.period.end or _LAST, entry.id))
        )

    def about(self, asked: Asked, found: dict[str, G], hints: dict[str, G]) -> None:
        """One in force of each group; of groups without, those that ended last."""
        over: list[G] = []
        for timeline in self._timelines:
            entry = timeline.at(asked.now)
            if entry is not None:
                found[entry.id] = entry
            else:
                over.append(timeline.near(asked.now))
        few = _most(HINTS, over, lambda entry: (entry.reach.period.end or _LAST, entry.id))
        hints.update((entry.id, entry) for entry in (*self._hints, *few))


@dataclass(frozen=True, slots=True)
class Timeline(Generic[G]):
    """From each instant of ``points`` on, which of some entries in force lasts longest; None where none is in force."""

    points: tuple[dt.datetime, ...]
    best: tuple[G | None, ...]

    @classmethod
    def of(cls, entries: Sequence[G]) -> Timeline[G]:
        """Of at least one entry."""
        coming = sorted(entries, key=lambda entry: entry.reach.period.start or _FIRST, reverse=True)
        points = sorted({_start(entry) for entry in entries} | {_end(entry) for entry in entries})
        lasting: list[_Lasting[G]] = []
        best: list[G | None] = []
        for point in points:
            while coming and _start(coming[-1]) <= point:
                heapq.heappush(lasting, _Lasting(coming.pop()))
            while lasting and _end(lasting[0].entry) <= point:
                heapq.heappop(lasting)
            best.append(lasting[0].entry if lasting else None)
        return cls(tuple(points), tuple(best))

    def at(self, now: dt.datetime) -> G | None:
        """The one that stands for all now."""
        place = bisect_right(self.points, now) - 1
        return self.best[place] if place >= 0 else None

    def near(self, now: dt.datetime) -> G:
        """The one that ended last, else the one that begins first."""
        place = bisect_right(self.points, now) - 1
        around = (*reversed(self.best[: max(place, 0)]), *self.best)
        return next(entry for entry in around if entry is not None)


@dataclass(slots=True)
class _Lasting(Generic[G]):
    """Ordered so that the one which lasts longest comes first, and of those the lowest id."""

    entry: G
    key: tuple[dt.timedelta, str] = field(init=False)

    def __post_init__(self) -> None:
        self.key = (_LAST - _end(self.entry), self.entry.id)

    def __lt__(self, other: _Lasting[G]) -> bool:
        return self.key < other.key


def _start(entry: Granted) -> dt.datetime:
    return entry.reach.period.start or _FIRST


def _end(entry: Granted) -> dt.datetime:
    return entry.reach.period.end or _LAST


def _longer(one: G | None, other: G) -> G:
    if one is None:
        return other
    return min(one, other, key=lambda entry: (_LAST - _end(entry), entry.id))


def _most(count: int, entries: Collection[G], key: Callable[[G], Any]) -> Collection[G]:
    """The ``count`` greatest; the usual few are not sorted for that."""
    return entries if len(entries) <= count else heapq.nlargest(count, entries, key=key)


def _several(found: G | tuple[G, ...]) -> tuple[G, ...]:
    return found if isinstance(found, tuple) else (found,)
