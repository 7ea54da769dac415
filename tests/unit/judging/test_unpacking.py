"""Archives are read beside everything else: whoever asks for seconds of a processor keeps nobody waiting."""

from __future__ import annotations

import asyncio
import bz2
import dataclasses
import gzip
import threading

import pytest
from haechi.app.inspection import Inspection
from haechi.app.unpacking import Allowance, Unpacking
from haechi.domain.decision import Mode, Modes
from haechi.domain.upload import BodyShape, Framing
from haechi.payload.body import decoder

from tests.unit.judging.conftest import Case, noise
from tests.unit.judging.test_unrecorded import under

pytestmark = pytest.mark.asyncio
BOMB = bz2.compress(noise(1, 9_000) * 100) * 60
"""A small body that becomes 54 MB."""


def looking(case: Case, body: bytes) -> Inspection:
    made = Inspection(decoder(BodyShape(Framing.PLAIN, len(body)), deferred=True), case.index)
    made.feed(body)
    return made


async def test_a_bystander_is_answered_while_bombs_are_read(case: Case) -> None:
    """Each bomb alone takes many steps; whoever asks meanwhile is answered between them, long before they end."""
    case.tag("secret", noise(9, 40_000))
    bombs = [asyncio.create_task(case.ask("PUT", f"/ours-seoul/bomb{n}", BOMB)) for n in range(4)]
    while not case.judge.unpacking._waiting:
        await asyncio.sleep(0)
    answered = 0
    for n in range(3):
        assert await case.allowed("PUT", f"/ours-seoul/small{n}", gzip.compress(b"harmless %d" % n))
        answered += not any(bomb.done() for bomb in bombs)
    assert answered == 3
    await asyncio.gather(*bombs)
    recorded = {r["destination"]["key"] for r in case.records()}
    assert recorded == {*(f"bomb{n}" for n in range(4)), *(f"small{n}" for n in range(3))}


async def test_who_had_least_goes_first(case: Case) -> None:
    unpacking, order = Unpacking(1), list[str]()
    gate, started = threading.Event(), threading.Event()

    def held() -> None:
        started.set()
        gate.wait(10)

    running = asyncio.create_task(unpacking.run(looking(case, b""), held))
    await asyncio.to_thread(started.wait, 10)
    waiting = []
    for name, had in (("much", 9.0), ("little", 0.1), ("some", 2.0)):
        inspection = looking(case, b"")
        inspection.seconds = had
        waiting.append(asyncio.create_task(unpacking.run(inspection, lambda name=name: order.append(name))))
    while len(unpacking._waiting) < 3:
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(running, *waiting)
    assert order == ["little", "some", "much"]
    unpacking.close()


async def test_a_turn_that_nobody_waits_for_any_more_is_passed_on(case: Case) -> None:
    unpacking, gate = Unpacking(1), threading.Event()
    running = asyncio.create_task(unpacking.run(looking(case, b""), lambda: gate.wait(10)))
    left = asyncio.create_task(unpacking.run(looking(case, b""), lambda: None))
    stayed = asyncio.create_task(unpacking.run(looking(case, b""), lambda: "stayed"))
    while len(unpacking._waiting) < 2:
        await asyncio.sleep(0)
    left.cancel()
    gate.set()
    assert await stayed == "stayed"
    await running
    assert await unpacking.run(looking(case, b""), lambda: "free") == "free"
    unpacking.close()


async def test_whoever_is_cancelled_leaves_no_thread_in_the_inspection(case: Case) -> None:
    unpacking, gate, ended = Unpacking(1), threading.Event(), threading.Event()
    started = threading.Event()

    def step() -> None:
        started.set()
        gate.wait(10)
        ended.set()

    running = asyncio.create_task(unpacking.run(looking(case, b""), step))
    await asyncio.to_thread(started.wait, 10)
    running.cancel()
    await asyncio.sleep(0)
    assert not running.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()
    unpacking.close()


@pytest.mark.parametrize("allowance", [Allowance(0.05, 0.05), Allowance(piece=0.02)], ids=["body", "piece"])
async def test_beyond_its_allowance_a_body_is_opaque(case: Case, allowance: Allowance) -> None:
    case.tag("secret", noise(9, 40_000))
    unpacking = Unpacking(1, allowance)
    case.judge = dataclasses.replace(case.judge, unpacking=unpacking)
    assert await case.allowed("PUT", "/ours-seoul/bomb", BOMB)
    (record,) = case.records()
    assert (record["content"]["state"], record["content"]["notes"]) == ("opaque", ["too-large"])
    unpacking.close()


@pytest.mark.parametrize(("mode", "effect"), [(Mode.ENFORCE, "block"), (Mode.MONITOR, "would_block")])
async def test_a_body_that_was_not_read_in_time_is_decided_and_recorded(
    case: Case, monkeypatch: pytest.MonkeyPatch, mode: Mode, effect: str
) -> None:
    """Others' archives must not be a way to get one's own through unread."""
    case.tag("secret", noise(9, 40_000))
    under(case, Modes(mode))
    monkeypatch.setattr("haechi.app.looking.LOOK_WITHIN_S", 0.0)
    assert await case.allowed("PUT", "/ours-seoul/late", BOMB) is (mode is Mode.MONITOR)
    (record,) = case.records()
    assert record["decision"]["effect"] == effect
    assert [cause["code"] for cause in record["decision"]["causes"]] == ["inspection-late"]
