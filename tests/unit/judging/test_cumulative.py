"""What many small uploads of one file add up to is a fact: by person and place, over days."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from blake3 import blake3
from haechi.app.permitting import Permits
from haechi.domain.actor import Actor
from haechi.domain.content import Match, MatchHow
from haechi.domain.decision import Mode, Modes
from haechi.domain.facts import Unknown
from haechi.domain.policy import cumulative_share
from haechi.domain.upload import Location
from haechi.outbound.ledger.sent import SqliteSentLedger

from tests.policy.base import TAG
from tests.unit.judging.conftest import Case, noise

FILE = noise(21, 400_000)
PIECE = 40_000


class HandClock:
    def __init__(self) -> None:
        self.at = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def shares(case: Case) -> list[float]:
    return [record["input"]["content"]["matches"][0]["cumulative_share"] for record in case.records()]


@pytest.fixture
def monitored(case: Case, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Where nothing is enforced, what is recognised goes, and adds up."""
    case.tag("layout.gds", FILE)
    engine: Any = case.judge.assessor.engine
    policies = dataclasses.replace(engine.in_force, modes=Modes(Mode.MONITOR))
    monkeypatch.setattr(engine, "_policies", policies)
    return case


async def test_pieces_of_one_file_add_up(monitored: Case) -> None:
    for at in range(3):
        assert await monitored.allowed("PUT", f"/ours-seoul/part-{at}", FILE[at * PIECE : (at + 1) * PIECE])
    first, second, third = shares(monitored)
    assert 0 < first < second < third <= 3 * PIECE / len(FILE)


async def test_another_container_begins_anew(monitored: Case) -> None:
    assert await monitored.allowed("PUT", "/ours-seoul/one", FILE[:PIECE])
    assert await monitored.allowed("PUT", "/abroad/two", FILE[:PIECE])
    one, two = shares(monitored)
    assert one == two


async def test_what_was_refused_adds_nothing(case: Case) -> None:
    case.tag("layout.gds", FILE)
    assert not await case.allowed("PUT", "/ours-seoul/one", FILE[:PIECE])
    assert not await case.allowed("PUT", "/ours-seoul/two", FILE[:PIECE])
    one, two = shares(case)
    assert one == two


@pytest.mark.parametrize("broken", ["spent", "unrecorded"])
async def test_what_was_refused_in_the_last_moment_adds_nothing(case: Case, broken: str, monkeypatch: Any) -> None:
    """A permit that another upload took meanwhile, or a record that could not be made: nothing left."""
    case.tag("lot.csv", FILE)
    document = case.approvers.statement(
        place="ours-seoul/lot.csv", digest=f"blake3:{blake3(FILE).hexdigest()}", size=len(FILE)
    )
    await case.permits.arm_document(case.approvers.sign(document), "kim")

    async def spent(self: Any, permit: Any, use: str) -> bool:
        if broken == "unrecorded":
            case.log.close()
        return broken == "unrecorded"

    monkeypatch.setattr(Permits, "take", spent)
    assert not await case.allowed("PUT", "/ours-seoul/lot.csv", FILE)
    place = Location("aws", "ours-seoul", "lot.csv")
    digest = f"blake3:{blake3(FILE).hexdigest()}"
    sums = case.judge.assessor.sent.before("kim", place, [digest], 1)
    assert sums.get(digest, 0) == 0


def match(seen: int, how: MatchHow = MatchHow.PARTIAL) -> Match:
    return Match("c1", "f", (TAG,), how, seen, 1000, "blake3:" + "1" * 64)


def test_sums_are_by_person_and_end(tmp_path: Any) -> None:
    clock, here = HandClock(), Location("aws", "bucket", "key")
    ledger = SqliteSentLedger(tmp_path / "sent.sqlite", clock)
    one = match(100)
    ledger.add("kim", here, [one])
    ledger.add("lee", here, [one])
    ledger.add("kim", here, [match(1000, MatchHow.SEALED)])
    clock.at += dt.timedelta(days=29)
    ledger.add("kim", here, [one])
    assert ledger.before("kim", here, [one.digest], 30) == {one.digest: 200}
    clock.at += dt.timedelta(days=1)
    assert ledger.before("kim", here, [one.digest], 30) == {one.digest: 100}
    assert ledger.before("kim", here, ["blake3:" + "2" * 64, ""], 30) == {}
    ledger.add("kim", here, [one])
    ledger.take_back("kim", here, [one])
    ledger.take_back("lee", here, [one])
    assert ledger.before("kim", here, [one.digest], 30) == {one.digest: 100}
    ledger.close()
    again = SqliteSentLedger(tmp_path / "sent.sqlite", clock)
    assert again.before("lee", here, [one.digest], 60) == {one.digest: 100}
    again.close()


def test_a_day_is_korean(tmp_path: Any) -> None:
    clock, here = HandClock(), Location("aws", "bucket", "key")
    ledger = SqliteSentLedger(tmp_path / "sent.sqlite", clock)
    clock.at = dt.datetime(2026, 3, 1, 14, 59, tzinfo=dt.UTC)
    ledger.add("kim", here, [match(100)])
    clock.at = dt.datetime(2026, 3, 1, 15, 0, tzinfo=dt.UTC)
    assert ledger.before("kim", here, [match(1).digest], 1) == {}
    assert ledger.before("kim", here, [match(1).digest], 2) == {match(1).digest: 100}
    ledger.close()


def test_the_share_is_bounded_and_never_invented() -> None:
    assert cumulative_share(match(100), {match(1).digest: 300}) == 0.4
    assert cumulative_share(match(100), {match(1).digest: 5000}) == 1.0
    assert cumulative_share(match(100), Unknown("ledger-locked")) == Unknown("ledger-locked")
    assert cumulative_share(match(1000, MatchHow.SEALED), Unknown("ledger-locked")) == 1.0


async def test_whoever_is_unknown_is_one_person(monitored: Case) -> None:
    actors: Any = monitored.judge.actors
    actors.actor = Actor()
    for at in range(2):
        assert await monitored.allowed("PUT", f"/ours-seoul/part-{at}", FILE[at * PIECE : (at + 1) * PIECE])
    first, second = shares(monitored)
    assert first < second
