"""Picking few of very many entries hides none that would cover the upload, whatever a rule looks at."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.registry import (
    ALL,
    KST,
    Authorisation,
    AuthorisationKind,
    AuthorisationStatus,
    Exemption,
    Institution,
    NamedPlace,
    Period,
    Person,
    Reach,
    RegistryData,
    RegistryIndex,
    TakeOut,
)
from haechi.domain.registry.reaching import HINTS, MOST_HINTS, Timeline
from haechi.domain.tags import Grade, Tag
from haechi.domain.upload import Location
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = dt.datetime(2026, 3, 1, 3, tzinfo=dt.UTC)
DIGESTS = tuple(f"blake3:{number:064x}" for number in range(3))
TECHNOLOGIES = ("SEM-01", "SEM-02")
PEOPLE = tuple(Person(f"P-{name}", name, (name,)) for name in ("kim", "lee"))

moments = st.none() | st.integers(-3, 3).map(lambda days: NOW + dt.timedelta(days=days))
periods = st.builds(Period, moments, moments).filter(lambda p: p.start is None or p.end is None or p.start < p.end)
places = st.builds(NamedPlace, st.sampled_from(["", "aws", "gcp"]), st.sampled_from(["", "JP", "US"]))
technologies = st.frozensets(st.sampled_from(TECHNOLOGIES), min_size=1) | st.just(frozenset([ALL]))
destinations = st.lists(places, min_size=1, max_size=2).map(tuple)
reaches = st.builds(Reach, technologies, destinations, comprehensive=st.just(True), period=periods) | st.builds(
    Reach, technologies, destinations, st.frozensets(st.sampled_from(DIGESTS), min_size=1), period=periods
)
authorisations = st.builds(
    Authorisation,
    st.just(""),
    st.sampled_from(AuthorisationKind),
    st.sampled_from(AuthorisationStatus),
    reaches,
    st.sampled_from(["government", "private"]),
)
exemptions = st.builds(Exemption, st.just(""), st.sampled_from(["seminar", "patent"]), st.just("document"), reaches)
persons = st.frozensets(st.sampled_from(["P-kim", "P-lee"]))
takeouts = st.builds(TakeOut, st.just(""), st.sampled_from(["A", "B"]), reaches, persons)


def numbered(entries: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dataclasses.replace(entry, id=f"N-{number:03}") for number, entry in enumerate(entries))


def registry(**lists: Any) -> RegistryIndex:
    return RegistryIndex(RegistryData(1, NOW, Institution("n", "r"), personnel=PEOPLE, **lists))


LISTS = ("takeouts", "approvals", "declarations", "exemptions")


def covering(facts: Mapping[str, Any]) -> set[str]:
    """What authorises anything now, without number and time: whatever rules may look at."""
    return {
        repr((name, {key: value for key, value in entry.items() if key not in ("id", "valid_from", "valid_until")}))
        for name in LISTS
        for entry in facts[name]
        if entry["in_force"] and entry.get("status", "granted") == "granted" and entry.get("covers_person", True)
    }


@settings(max_examples=200, deadline=None)
@given(
    st.lists(authorisations, max_size=25).map(numbered),
    st.lists(exemptions, max_size=10).map(numbered),
    st.lists(takeouts, max_size=25).map(numbered),
    st.lists(st.tuples(st.sampled_from(TECHNOLOGIES), st.sampled_from(DIGESTS)), max_size=3),
    st.sampled_from([None, Location("aws", "b"), Location("azure", "b")]),
    st.sampled_from(["kim", "lee", "nobody"]),
)
def test_what_is_picked_authorises_just_what_all_entries_together_do(
    granted: tuple[Authorisation, ...],
    exempt: tuple[Exemption, ...],
    taken: tuple[TakeOut, ...],
    files: list[tuple[str, str]],
    place: Location | None,
    user: str,
) -> None:
    matches = tuple(Match(digest, "f", (Tag(name, Grade.A),), MatchHow.EXACT) for name, digest in files)
    content = Content(ContentState.MATCHED if matches else ContentState.CLEAN, matches)
    who = Actor(user=user)
    alone: set[str] = set()
    for one in granted:
        alone |= covering(registry(authorisations=(one,)).facts(place, who, content, NOW))
    for two in exempt:
        alone |= covering(registry(exemptions=(two,)).facts(place, who, content, NOW))
    for three in taken:
        alone |= covering(registry(takeouts=(three,)).facts(place, who, content, NOW))
    whole = registry(authorisations=granted, exemptions=exempt, takeouts=taken)
    found = whole.facts(place, who, content, NOW)
    assert covering(found) == alone
    for name in LISTS:
        ids = [entry["id"] for entry in found[name]]  # type: ignore[union-attr, index, call-overload]
        assert ids == sorted(set(ids))


@given(st.lists(periods, min_size=1, max_size=8), st.integers(-100, 100))
def test_a_timeline_names_one_in_force_that_lasts_longest(found: list[Period], hours: int) -> None:
    now = NOW + dt.timedelta(hours=hours)
    entries = [Exemption(f"N-{at}", "b", "e", Reach(frozenset([ALL]), period=one)) for at, one in enumerate(found)]
    timeline = Timeline.of(entries)
    chosen = timeline.at(now)
    holding = [entry for entry in entries if entry.reach.period.holds(now)]
    assert (chosen is None) is (not holding)
    last = dt.datetime.max.replace(tzinfo=dt.UTC)
    if chosen is not None:
        assert chosen in holding
        assert (chosen.reach.period.end or last) == max(entry.reach.period.end or last for entry in holding)
    assert timeline.near(now) in entries


def standing(number: int, **changes: Any) -> Authorisation:
    reach = Reach(frozenset(["SEM-01"]), (NamedPlace("aws", "JP"),), comprehensive=True, period=changes.pop("period"))
    fields = {"kind": AuthorisationKind.APPROVAL, "status": AuthorisationStatus.GRANTED, **changes}
    return Authorisation(f"N-{number:05}", reach=reach, **fields)


def days(first: int, last: int) -> Period:
    return Period(*(dt.datetime.combine(NOW + dt.timedelta(days=at), dt.time(), KST) for at in (first, last)))


def test_ten_thousand_approvals_that_say_the_same_are_one_for_the_policy_and_those_without_force_a_few() -> None:
    granted = [standing(at, period=days(-1, at + 1)) for at in range(10_000)]
    ended = [standing(20_000 + at, period=days(-9, -1), funding="private") for at in range(100)]
    pending = [standing(30_000 + at, status=AuthorisationStatus.PENDING, period=days(-1, 9)) for at in range(100)]
    asked = Content(ContentState.MATCHED, (Match(DIGESTS[0], "f", (Tag("SEM-01", Grade.A),), MatchHow.EXACT),))
    index = registry(authorisations=(*granted, *ended, *pending))
    approvals: Any = index.facts(Location("aws", "b"), Actor(), asked, NOW)["approvals"]
    told = [(entry["id"], entry["status"], entry["in_force"]) for entry in approvals]
    assert told[0] == ("N-09999", "granted", True)
    assert [state for _, *state in told[1:]].count(["pending", True]) == HINTS
    assert len([1 for _, status, holds in told if status == "granted" and not holds]) == 1
    assert len(told) <= 1 + MOST_HINTS


def test_a_take_out_for_one_person_is_found_for_that_person_alone_among_very_many() -> None:
    reach = Reach(frozenset([ALL]), (NamedPlace("aws", "KR"),), comprehensive=True)
    people = tuple(Person(f"P-{at:05}", "n", (f"user{at}",)) for at in range(2000))
    listed = tuple(TakeOut(f"T-{one.id}", "A", reach, frozenset([one.id])) for one in people)
    index = RegistryIndex(RegistryData(1, NOW, Institution("n", "r"), personnel=people, takeouts=listed))
    asked = Content(ContentState.MATCHED, (Match(DIGESTS[0], "f", (Tag("SEM-01", Grade.A),), MatchHow.EXACT),))
    found: Any = index.facts(Location("aws", "b"), Actor(user="user1234"), asked, NOW)["takeouts"]
    assert [(one["id"], one["covers_person"]) for one in found] == [("T-P-01234", True)]
    assert index.facts(Location("aws", "b"), Actor(user="stranger"), asked, NOW)["takeouts"] == []
