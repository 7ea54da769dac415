"""The cache: fresh facts at once, one read for many, no read in the way, never a good fact out of a failure."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from haechi.domain.destination import Destination, EncryptionFacts, KeyFacts, PublicAccess, ReplicaTarget, WaysIn
from haechi.domain.facts import Unknown
from haechi.domain.upload import Location
from haechi.outbound.destinations import CachedDestinations, revision_of, unknown_causes
from haechi.outbound.destinations.aging import CHANGES, SETTLES_SECONDS
from haechi.outbound.destinations.cache import READS_AT_ONCE, UNKNOWN_TTL_SECONDS
from hypothesis import given, settings
from hypothesis import strategies as st

START = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


class HandClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Counts:
    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def count(self, name: str, /, amount: int = 1, **labels: str) -> None:
        self.of[":".join([name.removeprefix("haechi_destination_"), *labels.values()])] += amount

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        self.of[name] += 1


class Provider:
    """A reader whose answers are set by hand; ``gate`` holds them back."""

    def __init__(self) -> None:
        self.reads = 0
        self.keys = 0
        self.change: dict[str, object] = {}
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    async def read(self, place: Location) -> Destination:
        self.reads += 1
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return known(place.container, **self.change)

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        self.keys += 1
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        facts = KeyFacts(key_id, "1", "r", "KR", "AWS_KMS", "customer", False, True)
        return dataclasses.replace(facts, **self.change)  # type: ignore[arg-type]


def known(container: str = "seoul", **change: object) -> Destination:
    facts = Destination(
        "aws",
        container,
        exists=True,
        region="ap-northeast-2",
        country="KR",
        account="111122223333",
        encryption=EncryptionFacts("provider", None),
        public=PublicAccess(True, {"BlockPublicAcls": True}, False, False),
        replicas=(),
        versioning="enabled",
        mfa_delete=False,
        object_lock=False,
        logging="off",
        acceleration=False,
        ways=WaysIn(False, False, False, False, "1.2"),
    )
    return dataclasses.replace(facts, **change)  # type: ignore[arg-type]


SEOUL = Location("aws", "seoul")


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def cache(provider: Provider, clock: HandClock, counts: Counts | None = None, **options: float) -> CachedDestinations:
    return CachedDestinations({"aws": provider}, clock, counts or Counts(), **options)  # type: ignore[arg-type]


async def test_fresh_facts_are_not_read_again(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock)
    assert destinations.cached(SEOUL) is None
    facts = await destinations.facts(SEOUL)
    clock.seconds = 200
    assert await destinations.facts(SEOUL) is facts
    assert destinations.cached(SEOUL) is facts
    assert provider.reads == 1
    assert facts.as_json(clock.now())["age_seconds"] == 200


async def test_expired_facts_are_read_anew(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock)
    await destinations.facts(SEOUL)
    clock.seconds = 300
    assert destinations.cached(SEOUL) is None
    await destinations.facts(SEOUL)
    assert provider.reads == 2


async def test_many_askers_share_one_read(provider: Provider, clock: HandClock) -> None:
    provider.gate, counts = asyncio.Event(), Counts()
    destinations = cache(provider, clock, counts)
    asked = [asyncio.create_task(destinations.facts(SEOUL)) for _ in range(50)]
    await asyncio.sleep(0)
    provider.gate.set()
    answers = await asyncio.gather(*asked)
    assert provider.reads == 1
    assert all(answer is answers[0] for answer in answers)
    assert counts.of["lookups_total:joined"] == 49


async def test_an_asker_who_goes_away_takes_nothing_from_the_others(provider: Provider, clock: HandClock) -> None:
    provider.gate = asyncio.Event()
    destinations = cache(provider, clock)
    first, second = (asyncio.create_task(destinations.facts(SEOUL)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    provider.gate.set()
    assert (await second).exists is True
    assert provider.reads == 1


async def test_facts_in_use_are_refreshed_before_they_expire_and_nobody_waits(
    provider: Provider, clock: HandClock
) -> None:
    destinations = cache(provider, clock)
    old = await destinations.facts(SEOUL)
    clock.seconds, provider.change, provider.gate = 230, {"versioning": "suspended"}, asyncio.Event()
    assert destinations.cached(SEOUL) is old
    assert destinations.cached(SEOUL) is old
    await asyncio.sleep(0)
    provider.gate.set()
    while destinations.cached(SEOUL) is old:
        await asyncio.sleep(0)
    assert provider.reads == 2
    clock.seconds = 310
    fresh = destinations.cached(SEOUL)
    assert fresh is not None
    assert fresh.versioning == "suspended"
    assert fresh.revision != old.revision


async def test_what_may_soon_be_known_is_kept_shortly(provider: Provider, clock: HandClock) -> None:
    provider.change = {"account": Unknown("access-denied")}
    destinations = cache(provider, clock)
    await destinations.facts(SEOUL)
    clock.seconds = 14
    assert destinations.cached(SEOUL) is not None
    clock.seconds = 15
    assert destinations.cached(SEOUL) is None


async def test_a_container_that_is_not_there_is_asked_for_again_soon(provider: Provider, clock: HandClock) -> None:
    provider.change = {"exists": False}
    destinations = cache(provider, clock)
    await destinations.facts(SEOUL)
    clock.seconds = 15
    assert destinations.cached(SEOUL) is None


async def test_what_a_store_never_supports_lives_as_long_as_known_facts(provider: Provider, clock: HandClock) -> None:
    provider.change = {"acceleration": Unknown("not-supported"), "account": Unknown("not-ours")}
    destinations = cache(provider, clock)
    await destinations.facts(SEOUL)
    clock.seconds = 200
    assert destinations.cached(SEOUL) is not None


async def test_a_passing_failure_does_not_displace_facts_within_their_life(
    provider: Provider, clock: HandClock
) -> None:
    destinations = cache(provider, clock)
    old = await destinations.facts(SEOUL)
    clock.seconds, provider.change = 230, {"account": Unknown("throttled")}
    destinations.cached(SEOUL)
    for _ in range(5):
        await asyncio.sleep(0)
    assert provider.reads == 2
    assert destinations.cached(SEOUL) is old
    clock.seconds = 300
    assert (await destinations.facts(SEOUL)).account == Unknown("throttled")


async def test_a_real_change_to_unknown_is_taken_over(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock)
    await destinations.facts(SEOUL)
    clock.seconds, provider.change = 230, {"account": Unknown("access-denied")}
    destinations.cached(SEOUL)
    for _ in range(5):
        await asyncio.sleep(0)
    now = destinations.cached(SEOUL)
    assert now is not None
    assert now.account == Unknown("access-denied")


async def test_a_reader_that_hangs_leaves_every_fact_unknown(provider: Provider) -> None:
    from haechi.outbound.clock import SystemClock

    provider.gate = asyncio.Event()
    destinations = CachedDestinations({"aws": provider}, SystemClock(), Counts(), deadline=0.05)
    facts = await destinations.facts(SEOUL)
    assert unknown_causes(facts) == {"timeout"}
    assert facts.account == Unknown("timeout")


def places(count: int) -> list[Location]:
    return [Location("aws", f"box-{number}") for number in range(count)]


class Stuck(Provider):
    """Answers nothing about the first containers, and at once about the others."""

    async def read(self, place: Location) -> Destination:
        if self.reads < READS_AT_ONCE:
            self.reads += 1
            await asyncio.Event().wait()
        return await super().read(place)


async def test_a_read_that_waited_longer_for_its_turn_than_it_may_take_itself_is_read(clock: HandClock) -> None:
    provider = Stuck()
    destinations = cache(provider, clock, deadline=0.05)
    facts = await asyncio.gather(*(destinations.facts(place) for place in places(READS_AT_ONCE + 50)))
    causes = [unknown_causes(read) for read in facts]
    assert causes == [{"timeout"}] * READS_AT_ONCE + [set()] * 50


async def test_a_turn_that_does_not_come_is_said(clock: HandClock) -> None:
    destinations = cache(Stuck(), clock, deadline=60, turn=0.05)
    stuck = [asyncio.ensure_future(destinations.facts(place)) for place in places(READS_AT_ONCE)]
    await asyncio.sleep(0)
    facts = await destinations.facts(SEOUL)
    assert unknown_causes(facts) == {"too-many-at-once"}
    await destinations.close()
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_a_reader_that_breaks_leaves_every_fact_unknown(provider: Provider, clock: HandClock) -> None:
    provider.error = RuntimeError("secret detail")
    facts = await cache(provider, clock).facts(SEOUL)
    assert unknown_causes(facts) == {"not-understood"}


async def test_a_provider_without_a_reader_is_unknown(provider: Provider, clock: HandClock) -> None:
    facts = await cache(provider, clock).facts(Location("elsewhere", "box"))
    assert unknown_causes(facts) == {"no-reader"}


async def test_the_longest_unused_is_dropped_first(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock, capacity=2)
    one, two, three = (Location("aws", name) for name in ("one", "two", "three"))
    await destinations.facts(one)
    await destinations.facts(two)
    destinations.cached(one)
    await destinations.facts(three)
    assert len(destinations) == 2
    assert destinations.cached(two) is None
    assert destinations.cached(one) is not None


async def test_equal_names_at_two_compatible_stores_are_two_containers(clock: HandClock) -> None:
    provider = Provider()
    destinations = CachedDestinations({"naver": provider}, clock, Counts())
    await destinations.facts(Location("naver", "box", endpoint="a.example:443"))
    assert destinations.cached(Location("naver", "box", endpoint="b.example:443")) is None


async def test_equal_names_in_two_partitions_are_two_containers(clock: HandClock) -> None:
    destinations = CachedDestinations({"aws": Provider()}, clock, Counts())
    await destinations.facts(Location("aws", "box", endpoint="s3.cn-north-1.amazonaws.com.cn", store="aws-cn"))
    assert destinations.cached(Location("aws", "box", endpoint="s3.amazonaws.com")) is None
    await destinations.facts(Location("aws", "box", endpoint="s3.amazonaws.com"))
    assert destinations.cached(Location("aws", "box", endpoint="s3.ap-northeast-2.amazonaws.com")) is not None


async def test_forgotten_facts_are_read_at_the_next_use(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock)
    await destinations.facts(SEOUL)
    destinations.forget(SEOUL)
    await destinations.facts(SEOUL)
    assert provider.reads == 2


async def test_facts_are_forgotten_by_whatever_endpoint_they_were_read(provider: Provider, clock: HandClock) -> None:
    """Opened at one host of Google's or of an Azure account, filled at another."""
    destinations = cache(provider, clock)
    here, there = (dataclasses.replace(SEOUL, endpoint=endpoint) for endpoint in ("blob.example", "dfs.example"))
    await destinations.facts(here)
    await destinations.facts(there)
    destinations.forget(here)
    assert destinations.cached(there) is None
    await destinations.facts(there)
    destinations.forget(Location(SEOUL.provider, ""))
    assert destinations.cached(there) is None


async def test_facts_that_were_read_before_a_change_was_made_do_not_last(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock)
    destinations.forget(SEOUL)
    await destinations.facts(SEOUL)
    clock.seconds += UNKNOWN_TTL_SECONDS
    assert destinations.cached(SEOUL) is None
    clock.seconds += SETTLES_SECONDS
    await destinations.facts(SEOUL)
    clock.seconds += UNKNOWN_TTL_SECONDS
    assert destinations.cached(SEOUL) is not None


async def test_of_many_changes_none_is_lost(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock)
    destinations.forget(SEOUL)
    for number in range(2 * CHANGES):
        destinations.forget(dataclasses.replace(SEOUL, container=f"c{number}"))
    await destinations.facts(SEOUL)
    clock.seconds += UNKNOWN_TTL_SECONDS
    assert destinations.cached(SEOUL) is None


async def test_what_is_being_read_while_it_is_forgotten_serves_its_own_asker_alone(
    provider: Provider, clock: HandClock
) -> None:
    destinations, provider.gate = cache(provider, clock), asyncio.Event()
    earlier = asyncio.create_task(destinations.facts(SEOUL))
    while not provider.reads:
        await asyncio.sleep(0)
    destinations.forget(SEOUL)
    provider.gate.set()
    await earlier
    assert destinations.cached(SEOUL) is None


async def test_many_who_ask_for_one_key_share_one_read(provider: Provider, clock: HandClock) -> None:
    provider.gate = asyncio.Event()
    destinations = cache(provider, clock)
    asked = [asyncio.create_task(destinations.key(SEOUL, "k")) for _ in range(50)]
    await asyncio.sleep(0)
    provider.gate.set()
    answers = await asyncio.gather(*asked)
    assert provider.keys == 1
    assert all(answer is answers[0] for answer in answers)


async def test_a_key_in_use_is_read_anew_before_it_expires_and_nobody_waits(
    provider: Provider, clock: HandClock
) -> None:
    destinations = cache(provider, clock)
    old = await destinations.key(SEOUL, "k")
    clock.seconds, provider.change = 230, {"enabled": False}
    assert await destinations.key(SEOUL, "k") is old
    for _ in range(5):
        await asyncio.sleep(0)
    clock.seconds = 310
    fresh = await destinations.key(SEOUL, "k")
    assert isinstance(fresh, KeyFacts)
    assert (fresh.enabled, provider.keys) == (False, 2)


@pytest.mark.parametrize("passing", ["part", "whole"])
async def test_a_passing_failure_does_not_displace_a_known_key_within_its_life(
    provider: Provider, clock: HandClock, passing: str
) -> None:
    destinations = cache(provider, clock)
    old = await destinations.key(SEOUL, "k")
    clock.seconds = 230
    if passing == "part":
        provider.change = {"origin": Unknown("throttled")}
    else:
        provider.error = TimeoutError()
    await destinations.key(SEOUL, "k")
    for _ in range(5):
        await asyncio.sleep(0)
    assert provider.keys == 2
    assert await destinations.key(SEOUL, "k") is old
    clock.seconds = 300
    assert await destinations.key(SEOUL, "k") != old


async def test_a_key_that_may_soon_be_known_is_kept_shortly(provider: Provider, clock: HandClock) -> None:
    provider.change = {"account": Unknown("access-denied")}
    destinations = cache(provider, clock)
    await destinations.key(SEOUL, "k")
    clock.seconds = 11
    await destinations.key(SEOUL, "k")
    clock.seconds = 15
    provider.change = {}
    assert "access-denied" not in repr(await destinations.key(SEOUL, "k"))


async def test_keys_named_by_requests_are_cached(provider: Provider, clock: HandClock) -> None:
    destinations = cache(provider, clock)
    first = await destinations.key(SEOUL, "k")
    assert await destinations.key(SEOUL, "k") is first
    clock.seconds = 300
    await destinations.key(SEOUL, "k")
    assert provider.keys == 2


async def test_after_another_registry_nothing_that_was_read_before_is_used(
    provider: Provider, clock: HandClock
) -> None:
    destinations, other = cache(provider, clock), Provider()
    await destinations.facts(SEOUL)
    await destinations.key(SEOUL, "k")
    other.change = {"account": "999"}
    destinations.follow({"aws": other})
    assert destinations.cached(SEOUL) is None
    assert (await destinations.facts(SEOUL)).account == "999"
    await destinations.key(SEOUL, "k")
    assert (provider.reads, provider.keys, other.reads, other.keys) == (1, 1, 1, 1)


async def test_a_read_that_began_before_another_registry_serves_its_own_asker_alone(
    provider: Provider, clock: HandClock
) -> None:
    destinations, other = cache(provider, clock), Provider()
    provider.gate, other.change = asyncio.Event(), {"account": "999"}
    earlier = asyncio.create_task(destinations.facts(SEOUL))
    while not provider.reads:
        await asyncio.sleep(0)
    destinations.follow({"aws": other})
    assert (await destinations.facts(SEOUL)).account == "999"
    provider.gate.set()
    assert (await earlier).account == "111122223333"
    now = destinations.cached(SEOUL)
    assert now is not None
    assert now.account == "999"


async def test_the_fast_path_takes_microseconds(provider: Provider) -> None:
    from haechi.outbound.clock import SystemClock

    destinations = CachedDestinations({"aws": provider}, SystemClock(), Counts())
    await destinations.facts(SEOUL)
    best = min(_timed(destinations) for _ in range(5))
    assert best < 5e-6


def _timed(destinations: CachedDestinations, times: int = 2000) -> float:
    began = time.perf_counter()
    for _ in range(times):
        destinations.cached(SEOUL)
    return (time.perf_counter() - began) / times


FACTS = st.sampled_from(
    [
        ("exists", False),
        ("region", "ap-northeast-1"),
        ("country", Unknown("region-not-listed")),
        ("account", Unknown("not-ours")),
        ("account", Unknown("access-denied")),
        ("encryption", EncryptionFacts("kms", KeyFacts("k"))),
        ("public", PublicAccess(False)),
        ("replicas", (ReplicaTarget("tokyo"),)),
        ("versioning", "off"),
        ("mfa_delete", True),
        ("object_lock", True),
        ("logging", "logs"),
        ("acceleration", True),
        ("ways", WaysIn(sftp=True)),
    ]
)


@settings(max_examples=60)
@given(st.lists(FACTS, max_size=4), st.lists(FACTS, max_size=4))
def test_revisions_are_equal_exactly_when_the_facts_are(
    one: list[tuple[str, object]], other: list[tuple[str, object]]
) -> None:
    left, right = known(**dict(one)), known(**dict(other), read_at=START)
    same = dataclasses.replace(left, read_at=None) == dataclasses.replace(right, read_at=None)
    assert (revision_of(left) == revision_of(right)) == same


async def test_what_a_request_may_name_for_a_key(provider: Provider, clock: HandClock) -> None:
    """A reader that has no such names: the keys themselves. One that cannot say: none."""
    assert await cache(provider, clock).named(SEOUL, ["k1", "k2"]) == ["k1", "k2"]

    class Named(Provider):
        async def named(self, place: Location, keys: Sequence[str]) -> Sequence[str]:
            if self.error:
                raise self.error
            return [f"scope/{key}" for key in keys]

    naming = Named()
    assert await cache(naming, clock).named(SEOUL, ["k1"]) == ["scope/k1"]
    naming.error = RuntimeError("broken")
    assert await cache(naming, clock).named(SEOUL, ["k1"]) == ()
