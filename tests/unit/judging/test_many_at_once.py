"""Uploads wait for the facts of their place within a stated time; what was not read by then is said, and read on."""

from __future__ import annotations

import asyncio

import pytest
from haechi.app import surroundings
from haechi.app.assessing import Circumstances
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Effect
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Unknown
from haechi.domain.upload import Action, ActionKind, Location, RequestEncryption
from haechi.outbound.clock import SystemClock
from haechi.outbound.destinations import CachedDestinations
from haechi.ports.cloud import Facts

from tests.fakes import CountedMetrics
from tests.policy.base import ACTOR, DESTINATION
from tests.unit.judging.conftest import HOST, Case, noise

PLACE = Location("aws", DESTINATION.container, "a", "ap-northeast-2", HOST)
ACTION = Action(
    "aws", "s3", "PutObject", ActionKind.UPLOAD, PLACE, encryption=RequestEncryption(mode="kms", key_id="k")
)
CLEAN = Content(ContentState.CLEAN, size=10, digest="blake3:" + "0" * 64)


class Waiting(Facts):
    """A provider that is asked once, and answers when the gate opens."""

    def __init__(self) -> None:
        self.gate, self.reads = asyncio.Event(), 0

    async def read(self, place: Location) -> Destination:
        self.reads += 1
        await self.gate.wait()
        return DESTINATION

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        await self.gate.wait()
        return KeyFacts(key_id)


@pytest.fixture
def provider(case: Case, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    made = Waiting()
    assessor = case.judge.assessor
    assessor.clock = SystemClock()
    assessor.destinations = assessor.keys = CachedDestinations({"aws": made}, SystemClock(), CountedMetrics())
    monkeypatch.setattr(surroundings, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(surroundings, "LAST_WAIT_SECONDS", 0.02)
    return made


async def test_what_could_not_be_read_in_time_is_unknown_with_its_cause(case: Case, provider: Waiting) -> None:
    assessor, tagged = case.judge.assessor, case.tag("recipe", noise(1, 200_000))
    scan = case.index.scan()
    scan.feed(tagged)
    made = await assessor.assess(Circumstances(ACTION, ACTOR, "https", HOST), scan.finish())
    assert made.destination is not None and made.destination.account == Unknown("too-many-at-once")
    assert made.decision.effect is Effect.BLOCK


async def test_who_asks_again_finds_what_was_read_meanwhile(case: Case, provider: Waiting) -> None:
    assessor, about = case.judge.assessor, Circumstances(ACTION, ACTOR, "https", HOST)
    await assessor.assess(about, CLEAN)
    provider.gate.set()
    made = await assessor.assess(about, CLEAN)
    assert made.destination is not None and made.destination.account == DESTINATION.account
    assert provider.reads == 1


async def test_a_judgement_that_began_long_ago_still_waits_a_little(case: Case, provider: Waiting) -> None:
    assessor, about = case.judge.assessor, Circumstances(ACTION, ACTOR, "https", HOST, since=-1000.0)
    provider.gate.set()
    made = await assessor.assess(about, CLEAN)
    assert made.destination is not None and made.destination.account == DESTINATION.account
