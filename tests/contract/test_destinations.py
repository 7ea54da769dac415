"""What every ``ports.destinations`` does: the judging tests' fake, and the cache over a provider."""

from __future__ import annotations

import pytest
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Unknown
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.outbound.destinations import CachedDestinations

from tests.fakes import CountedMetrics, FixedDestinations

PLACE, ELSEWHERE = Location("aws", "known"), Location("aws", "nowhere")
KNOWN = Destination("aws", "known", exists=True, region="ap-northeast-2", country="KR", revision="1")
KEY = KeyFacts("k", "111122223333")


class Provider:
    """Knows one container and one key."""

    async def read(self, place: Location) -> Destination:
        if place.container != KNOWN.container:
            raise LookupError(place.container)
        return KNOWN

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        if key_id != KEY.id:
            raise LookupError(key_id)
        return KEY


@pytest.fixture(params=["fixed", "cached"])
def destinations(request: pytest.FixtureRequest) -> FixedDestinations | CachedDestinations:
    if request.param == "fixed":
        return FixedDestinations({KNOWN.container: KNOWN}, {"k": KEY})
    return CachedDestinations({"aws": Provider()}, SystemClock(), CountedMetrics())


async def test_nothing_is_at_hand_before_it_was_read(destinations: FixedDestinations | CachedDestinations) -> None:
    assert destinations.cached(PLACE) is None
    facts = await destinations.facts(PLACE)
    assert (facts.region, facts.exists) == ("ap-northeast-2", True)
    assert destinations.cached(PLACE) is facts


async def test_what_cannot_be_read_is_unknown_in_every_fact_and_has_a_revision(
    destinations: FixedDestinations | CachedDestinations,
) -> None:
    facts = await destinations.facts(ELSEWHERE)
    assert (facts.provider, facts.container) == ("aws", "nowhere")
    assert all(isinstance(fact, Unknown) for fact in (facts.exists, facts.region, facts.country, facts.account))
    assert facts.revision
    assert facts.revision != (await destinations.facts(PLACE)).revision


async def test_what_is_forgotten_is_not_at_hand(destinations: FixedDestinations | CachedDestinations) -> None:
    await destinations.facts(PLACE)
    await destinations.facts(ELSEWHERE)
    destinations.forget(PLACE)
    assert destinations.cached(PLACE) is None
    assert destinations.cached(ELSEWHERE) is not None


async def test_a_key_is_known_or_unknown_as_a_whole(destinations: FixedDestinations | CachedDestinations) -> None:
    assert await destinations.key(PLACE, "k") == KEY
    assert isinstance(await destinations.key(PLACE, "other"), Unknown)
