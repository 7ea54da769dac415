"""The watch: a finding is raised once and open until it is mended or accepted; the shipped policies judge."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from haechi.app.assessing import Assessor
from haechi.app.drift_told import DriftTold
from haechi.app.drifting import PATIENCE, WatchDrift
from haechi.domain.destination import Destination, EncryptionFacts, PublicAccess, ReplicaTarget
from haechi.domain.drift import Drift, State
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.index import SqliteContentIndex
from haechi.outbound.ledger.drift import SqliteDriftLedger
from haechi.outbound.ledger.objects import SqliteObjectLedger
from haechi.outbound.ledger.sent import SqliteSentLedger
from haechi.ports.objects import START, LetThrough

from tests.fakes import CountedMetrics, FixedDestinations, FixedRegistry
from tests.policy.base import ACTOR, DESTINATION, OURS, REGISTRY, SEALED

NAME = "ours-seoul"
PLACE = Location("aws", NAME, "lots/recipe.csv.age")
OPEN = PublicAccess(False, {}, True, False)
TOKYO = ReplicaTarget("copies", "ap-northeast-1", "JP", OURS)
SEOUL_TOO = ReplicaTarget("second", "ap-northeast-2", "KR", OURS)
DENIED, LATE = Unknown("access-denied"), Unknown("timeout")
WHY = "the central trail has the access logs"


@dataclass
class Records:
    """The audit, as far as the watch writes to it; it can be full."""

    events: list[dict[str, Any]] = field(default_factory=list)
    full: bool = False

    async def durable(self, event: Any) -> None:
        if self.full:
            raise HaechiError("audit.disk-full", path="/")
        self.events.append(dict(event))

    def soon(self, event: Any) -> None: ...

    def later(self, event: Any) -> bool:
        return True

    def acts(self) -> list[tuple[str, str]]:
        """Kind and step of each record, in order."""
        return [(event["drift"]["kind"], event["act"]) for event in self.events]


class Bench:
    """One watch over one folder of ledgers; ``again`` is the same after a restart."""

    def __init__(self, folder: Path, engine: WorkerEngine, destinations: FixedDestinations, records: Records) -> None:
        self.folder, self.engine, self.destinations, self.records = folder, engine, destinations, records
        self.clock, self.metrics = SystemClock(), CountedMetrics()
        self.objects = SqliteObjectLedger(folder / "objects.sqlite", self.clock)
        self.ledger = SqliteDriftLedger(folder / "drift.sqlite")
        self.sent = SqliteSentLedger(folder / "sent.sqlite", self.clock)
        self.index = SqliteContentIndex(folder / "index.sqlite")
        self.index.mark_ready()
        self.forgotten: list[Location] = []
        self.notices: list[tuple[str, int]] = []
        self.numbers = iter(range(len(records.events) + 1, 1000))
        self.watch = WatchDrift(
            self.objects,
            self.ledger,
            self.assessors,
            engine,
            records,
            self.clock,
            lambda: f"hd-{next(self.numbers):03}",
            self.metrics,
            lambda: ACTOR,
            self.forgotten.append,
            lambda drift, objects: self.notices.append((drift.kind, objects)),
        )

    @asynccontextmanager
    async def assessors(self, access: str) -> AsyncIterator[Assessor]:
        self.destinations.read.clear()  # each look has a cache of its own
        asked: Any = self.destinations
        yield Assessor(self.engine, asked, asked, FixedRegistry(REGISTRY), self.index, self.clock, self.sent)

    def again(self) -> Bench:
        """The same after a restart of the agent."""
        self.close()
        return Bench(self.folder, self.engine, self.destinations, self.records)

    def close(self) -> None:
        for part in (self.objects, self.ledger, self.sent, self.index):
            part.close()

    def kinds(self) -> dict[str, Drift]:
        """Open findings by kind."""
        return {one.kind: one for one in self.ledger.listed("", 100)}

    async def look(self, **facts: Any) -> dict[str, Drift]:
        """What is open after the bucket got these facts."""
        if facts:
            self.destinations.change(NAME, **facts)
        await self.watch()
        return self.kinds()


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    engine = WorkerEngine(locate(), deadline_ms=2000)
    await engine.start()
    made = Bench(tmp_path, engine, FixedDestinations({NAME: DESTINATION}), Records())
    made.objects.stored(PLACE, SEALED, LetThrough("kim", "hd-UPLOAD", SEALED.digest, DESTINATION))
    yield made
    made.close()
    await engine.stop()


def rules(drift: Drift) -> set[Any]:
    return {rule["rule"] for rule in drift.rules}


async def test_nothing_is_found_where_nothing_changed(bench: Bench) -> None:
    assert await bench.look() == {}
    assert (bench.records.events, bench.forgotten) == ([], [])
    assert bench.watch.age is not None


async def test_a_bucket_that_turned_public_names_its_objects_and_the_rules_that_speak_now(bench: Bench) -> None:
    found = await bench.look(public=OPEN)
    assert set(found) == {"public", "public-block"}
    drift = found["public"]
    assert (dict(drift.was), dict(drift.now), drift.grave) == ({"access": "closed"}, {"access": "open"}, True)
    assert rules(drift) == {"r30_public_access", "r30_guardrail"}
    assert rules(found["public-block"]) == {"r30_guardrail"} and not found["public-block"].grave
    (event,) = (one for one in bench.records.events if one["drift"]["kind"] == "public")
    assert event["objects"] == [{"key": PLACE.key, "files": ["recipe.csv.age"], "decision": "hd-UPLOAD"}]
    assert (event["objects_total"], event["destination"]["container"]) == (1, NAME)
    assert ("public", 1) in bench.notices and bench.forgotten, "uploads are to read it anew"


@pytest.mark.parametrize(
    ("facts", "kind", "rule"),
    [
        ({"replicas": (TOKYO,)}, "replicas", "r11_replicas"),
        ({"account": "999988887777"}, "owner", "owner_not_ours"),
        ({"account": Unknown("not-ours")}, "owner", "owner_not_ours"),
        ({"region": "ap-northeast-1", "country": "JP"}, "region", "r10_region"),
        ({"encryption": EncryptionFacts("provider", None)}, "key", "r15_key_custody"),
        ({"logging": "off"}, "logging", "r09_logging"),
    ],
    ids=str,
)
async def test_each_change_is_told_with_the_rule_that_it_breaks(
    bench: Bench, facts: dict[str, Any], kind: str, rule: str
) -> None:
    found = await bench.look(**facts)
    assert set(found) == {kind}
    assert rule in rules(found[kind])


async def test_a_disabled_key_is_a_finding_though_no_rule_asks_for_it(bench: Bench) -> None:
    key: Any = DESTINATION.encryption.key
    off = EncryptionFacts("kms", dataclasses.replace(key, enabled=False))
    found = await bench.look(encryption=off)
    assert set(found) == {"key"} and found["key"].grave
    assert dict(found["key"].was) == {"enabled": True}


async def test_copies_within_the_country_to_an_own_account_are_none(bench: Bench) -> None:
    assert await bench.look(replicas=(SEOUL_TOO,)) == {}
    assert await bench.look(replicas=(SEOUL_TOO, dataclasses.replace(SEOUL_TOO, account="999988887777")))


async def test_it_is_raised_once_stays_over_a_restart_and_is_mended(bench: Bench) -> None:
    await bench.look(public=OPEN)
    number = bench.kinds()["public"].id
    for _ in range(2):
        await bench.look()
    later = bench.again()
    assert (await later.look())["public"].id == number
    assert [act for _, act in bench.records.acts()] == ["open", "open"]
    assert await later.look(public=DESTINATION.public) == {}
    assert sorted(bench.records.acts()[2:]) == [("public", "mended"), ("public-block", "mended")]
    ended = later.ledger.find(number)
    assert ended is not None and ended.state is State.MENDED and ended.ended is not None
    assert "public" in await later.look(public=OPEN), "and may open again"
    later.close()


async def test_what_changes_further_is_another_finding(bench: Bench) -> None:
    first = (await bench.look(replicas=(TOKYO,)))["replicas"]
    second = (await bench.look(replicas=(TOKYO, ReplicaTarget("far", "us-east-1", "US", OURS))))["replicas"]
    assert first.id != second.id
    assert bench.records.acts() == [("replicas", "open"), ("replicas", "followed"), ("replicas", "open")]


async def test_uploads_into_a_bucket_that_turned_public_do_not_make_it_good(bench: Bench) -> None:
    """In monitor mode they go on: what they see is no new measure."""
    now = dataclasses.replace(DESTINATION, public=OPEN)
    bench.objects.stored(dataclasses.replace(PLACE, key="later"), SEALED, LetThrough("kim", "hd-2", "", now))
    assert "public" in await bench.look(public=OPEN)


async def test_lost_sight_is_one_finding_and_mends_nothing(bench: Bench) -> None:
    await bench.look(public=OPEN)
    nothing = PublicAccess(DENIED, {}, DENIED, DENIED)
    found = await bench.look(public=nothing, account=DENIED, logging=DENIED)
    assert set(found) == {"public", "public-block", "unreadable"}
    lost = found["unreadable"]
    assert lost.was["owner.account"] == OURS and lost.now["owner.account"] == {"unknown": "access-denied"}
    assert "unknown_facts" in rules(lost)
    found = await bench.look(public=OPEN, account=OURS, logging="ours-logs")
    assert set(found) == {"public", "public-block"}


async def test_a_time_out_is_waited_for_and_then_told(bench: Bench) -> None:
    await bench.look(public=OPEN)
    late = dataclasses.replace(Destination.unread("aws", NAME, LATE), exists=True)
    facts = {name: getattr(late, name) for name in ("account", "public", "replicas", "logging", "encryption")}
    for _ in range(PATIENCE - 1):
        assert set(await bench.look(**facts)) == {"public", "public-block"}, "neither lost nor mended"
    assert bench.ledger.unread() == 1
    assert "unreadable" in await bench.look(**facts)
    good = {name: getattr(DESTINATION, name) for name in facts}
    assert await bench.look(**good) == {}
    assert bench.ledger.unread() == 0


async def test_an_officer_accepts_with_a_reason_and_only_that(bench: Bench) -> None:
    found = await bench.look(logging="off", public=OPEN)
    for bad in ("", "ok"):
        with pytest.raises(HaechiError, match=r"permit\.reason"):
            await bench.watch.accept(found["logging"].id, "officer", bad)
    done = await bench.watch.accept(found["logging"].id, "officer", WHY)
    assert (done.state, done.by, done.reason) == (State.ACCEPTED, "officer", WHY)
    assert bench.records.events[-1]["reason"] == WHY and bench.records.events[-1]["user"] == "officer"
    assert set(await bench.look()) == {"public", "public-block"}
    with pytest.raises(HaechiError, match=r"drift\.ended"):
        await bench.watch.accept(found["logging"].id, "officer", WHY)
    with pytest.raises(HaechiError, match=r"drift\.unknown"):
        await bench.watch.accept("hd-none", "officer", WHY)
    await bench.look(logging="ours-logs")
    assert "logging" in await bench.look(logging="off"), "what was accepted once is no leave for ever"


async def test_lost_sight_that_was_accepted_is_quiet_until_it_is_bad(bench: Bench) -> None:
    found = await bench.look(account=DENIED)
    await bench.watch.accept(found["unreadable"].id, "officer", WHY)
    assert await bench.look() == {}
    assert "owner" in await bench.look(account="999988887777")


async def test_what_cannot_be_recorded_is_raised_at_the_next_look(bench: Bench) -> None:
    bench.records.full = True
    assert await bench.look(public=OPEN) == {}
    assert bench.watch.age is None, "nobody may take it for looked at"
    bench.records.full = False
    assert "public" in await bench.look()


async def test_an_engine_that_does_not_answer_hides_nothing(bench: Bench) -> None:
    await bench.engine.stop()
    found = await bench.look(public=OPEN)
    assert {"public", "public-block"} == set(found) and found["public"].rules == ()


async def test_of_a_bucket_of_which_nothing_was_kept_what_is_bad_today_is_found(bench: Bench) -> None:
    there = Location("aws", "old", "a")
    bench.objects.stored(there, SEALED)
    bench.destinations.known["old"] = dataclasses.replace(DESTINATION, container="old", public=OPEN, country="JP")
    await bench.watch()
    assert {"public", "region"} <= {one.kind for one in bench.ledger.open_in("aws", "old")}
    bench.destinations.known["fine"] = dataclasses.replace(DESTINATION, container="fine")
    bench.objects.stored(Location("aws", "fine", "a"), SEALED)
    await bench.watch()
    assert bench.ledger.open_in("aws", "fine") == ()


class Slow(FixedDestinations):
    """Answers only once it may."""

    asked: Any = None
    going: Any = None

    async def facts(self, place: Location) -> Destination:
        """See ``ports.destinations``."""
        self.asked.append(place.container)
        await self.going.wait()
        return await FixedDestinations.facts(self, place)


async def test_each_container_is_read_once_a_look_and_a_second_look_waits_its_turn(bench: Bench) -> None:
    slow = Slow({NAME: DESTINATION})
    slow.asked, slow.going = [], asyncio.Event()
    bench.destinations = slow
    for number in range(40):
        name = f"box-{number:02}"
        slow.known[name] = dataclasses.replace(DESTINATION, container=name)
        bench.objects.stored(Location("aws", name, "a"), SEALED, LetThrough("kim", "", "", DESTINATION))
    looking = asyncio.create_task(bench.watch())
    while len(slow.asked) < bench.watch.at_once:
        await asyncio.sleep(0.01)
    second = asyncio.create_task(bench.watch())
    await asyncio.sleep(0)
    with pytest.raises(HaechiError, match=r"drift\.busy"):
        await bench.watch()
    assert len(slow.asked) == bench.watch.at_once
    slow.going.set()
    assert (await looking)["containers"] == 41
    assert len(slow.asked[:41]) == len(set(slow.asked[:41])) == 41
    assert (await second)["containers"] == 41 and len(slow.asked) == 82


async def test_the_watch_looks_again_and_again_and_no_failure_ends_it(bench: Bench) -> None:
    bench.destinations.change(NAME, public=OPEN)
    looks: list[int] = []
    assessors = bench.watch.assessors

    @asynccontextmanager
    async def failing(access: str) -> AsyncIterator[Assessor]:
        looks.append(1)
        if len(looks) == 1:
            raise RuntimeError("nobody foresaw this")
        async with assessors(access) as made:
            yield made

    bench.watch.assessors = failing
    running = asyncio.create_task(bench.watch.run(0.01))
    while bench.metrics.counts.get("haechi_drift_looks_total", 0) < 2:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert "public" in bench.kinds()
    assert {"failed", "changed"} <= bench.metrics.labels["haechi_drift_looks_total.outcome"]


class Finding(FixedDestinations):
    """Facts, and which objects are there."""

    keys_there: Any = None
    asked_for: Any = None

    async def there(self, place: Location) -> Any:
        """See ``ports.cloud.Finds``."""
        self.asked_for.append(place.key)
        return self.keys_there if isinstance(self.keys_there, Unknown) else place.key in self.keys_there


async def test_the_store_is_asked_in_turn_which_objects_are_there(bench: Bench) -> None:
    for number in range(5):
        key = dataclasses.replace(PLACE, key=f"k{number}")
        bench.objects.stored(key, SEALED, LetThrough("kim", "", "", DESTINATION))
    finding = Finding({NAME: DESTINATION})
    finding.keys_there, finding.asked_for = {"k0", PLACE.key}, []
    bench.destinations, bench.watch.confirm = finding, 4
    await bench.watch()
    assert finding.asked_for == ["k0", "k1", "k2", "k3"]
    await bench.watch()
    assert finding.asked_for[4:] == ["k4", PLACE.key]
    await bench.watch()
    assert finding.asked_for[6:] == ["k0", "k1", "k2", "k3"], "round and round"
    seen = {one.key: one.there for one in bench.objects.objects(START, 10)}
    assert seen == {"k0": True, "k1": False, "k2": False, "k3": False, "k4": False, PLACE.key: True}
    bench.objects.stored(dataclasses.replace(PLACE, key="k1"), SEALED)
    (again,) = (one for one in bench.objects.objects(START, 10) if one.key == "k1")
    assert isinstance(again.there, Unknown), "what was let through since was not asked for"


@pytest.mark.parametrize("cause", ["access-denied", "timeout"])
async def test_a_store_that_does_not_say_is_asked_once_a_look(bench: Bench, cause: str) -> None:
    bench.objects.stored(dataclasses.replace(PLACE, key="k0"), SEALED)
    finding = Finding({NAME: DESTINATION})
    finding.keys_there, finding.asked_for = Unknown(cause), []
    bench.destinations = finding
    await bench.watch()
    assert finding.asked_for == ["k0"] and bench.kinds() == {}
    assert all(isinstance(one.there, Unknown) for one in bench.objects.objects(START, 10))


async def test_a_person_is_told_of_own_objects_alone(bench: Bench) -> None:
    bench.objects.stored(dataclasses.replace(PLACE, key="of-lee"), SEALED, LetThrough("lee", "hd-3"))
    await bench.look(public=OPEN)
    told = DriftTold(bench.ledger, bench.objects, bench.engine, bench.engine.words)
    for user, keys in (("kim", [PLACE.key]), ("lee", ["of-lee"]), (None, [PLACE.key, "of-lee"])):
        page = await told("", user, "en", every=False)
        assert {one["key"] for one in page["findings"][0]["objects"]} == set(keys), user
        assert ("open" in page) == (user is None)
    assert (await told("", "choi", "en", every=False))["findings"] == []
    spoken = (await told("", None, "ko", every=False))["findings"][0]["rules"]
    assert spoken and all(rule["title"] and rule["remedy"] for rule in spoken)
