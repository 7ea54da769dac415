"""Tunnels whose names are in doubt: judged as everything else, recorded first, and never more records than bounded."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from haechi.app.tunnelling import MOST, TOTALS_EVERY_S, UNTOLD, WINDOW_S, JudgeTunnels
from haechi.domain.decision import Mode, Modes
from haechi.domain.errors import HaechiError
from haechi.outbound.clock import SystemClock
from haechi.ports.judge import Connection
from haechi.ports.tunnels import Doubt

from tests.unit.judging.conftest import Case


@dataclass(slots=True)
class SetClock(SystemClock):
    """Its spans pass when the test says so."""

    at: float = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def tunnels(case: Case) -> JudgeTunnels:
    judge = case.judge
    end = judge.conclude
    return JudgeTunnels(judge.assessor, judge.actors, end.recorder, end.compose, SetClock(), judge.metrics)


def lie(number: int = 0) -> Connection:
    return Connection("127.0.0.1", 40000 + number, f"innocent-{number}.example.org:443", "other.example.org")


def everything(case: Case) -> list[dict[str, Any]]:
    case.log.close()
    lines = [line for part in sorted((case.folder / "audit").glob("*.jsonl")) for line in part.read_text().splitlines()]
    return [event for line in lines if "tunnel" in line for event in [json.loads(line)["event"]]]


def monitored(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = case.judge.assessor.engine
    policies = dataclasses.replace(engine.in_force, modes=Modes(Mode.MONITOR))
    monkeypatch.setattr(type(engine), "in_force", property(lambda self: policies))


async def test_a_tunnel_that_lies_is_refused_with_who_and_which_names(case: Case, tunnels: JudgeTunnels) -> None:
    assert await tunnels.doubtful(lie(), Doubt.NAMES) is False
    (event,) = case.records()
    assert event["decision"]["effect"] == "block"
    assert next(finding["rule"] for finding in event["decision"]["findings"]) == "names_disagree"
    assert event["connection"] == {"way": "proxy", "connect": "innocent-0.example.org:443", "sni": "other.example.org"}
    assert event["action"]["reason"] == "names-disagree"
    assert event["actor"]["executable"]
    assert event["input"]["request"]["consistent"] is False


async def test_monitor_mode_lets_it_pass_and_says_so(
    case: Case, tunnels: JudgeTunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitored(case, monkeypatch)
    assert await tunnels.doubtful(lie(), Doubt.NAMES) is True
    assert await tunnels.doubtful(dataclasses.replace(lie(), sni=""), Doubt.NO_NAME) is False
    passed, closed = case.records()
    assert passed["decision"]["effect"] == "would_block"
    assert closed["decision"]["effect"] == "block", "where to is not known, so it is closed, and that is recorded"
    assert closed["decision"]["causes"] == [{"code": "tunnel-nowhere", "params": {}}]
    assert tunnels.totals() == {"passed": 0, "refused": 1, "observed": 1}


async def test_the_same_lie_a_thousand_times_is_two_records(case: Case, tunnels: JudgeTunnels) -> None:
    answers = await asyncio.gather(*(tunnels.doubtful(lie(), Doubt.NAMES) for _ in range(1000)))
    assert not any(answers)
    tunnels.clock.at += WINDOW_S  # type: ignore[attr-defined]
    await tunnels.settle()
    first, more = everything(case)
    assert (more["kind"], more["id"], more["more"]) == ("tunnels-alike", first["id"], 999)
    assert tunnels.totals()["refused"] == 1000


async def test_a_thousand_different_lies_are_bounded_too(case: Case, tunnels: JudgeTunnels) -> None:
    for number in range(1000):
        assert await tunnels.doubtful(lie(number), Doubt.NAMES) is False
    await tunnels.settle(ending=True)
    kinds = [event["kind"] for event in everything(case)]
    assert kinds.count("decision") == MOST
    assert kinds[MOST:] == ["tunnels-crowded", "tunnels-alike", "tunnels"]
    assert everything(case)[-2]["more"] == 1000 - MOST
    assert everything(case)[-1]["refused"] == 1000


async def test_a_lie_of_a_later_minute_is_recorded_anew(case: Case, tunnels: JudgeTunnels) -> None:
    await tunnels.doubtful(lie(), Doubt.NAMES)
    tunnels.clock.at += WINDOW_S  # type: ignore[attr-defined]
    await tunnels.doubtful(lie(), Doubt.NAMES)
    assert [event["kind"] for event in everything(case)] == ["decision", "decision"]


async def test_what_passed_unseen_is_recorded_by_the_hour(case: Case, tunnels: JudgeTunnels) -> None:
    await tunnels.settle()
    tunnels.passed(7)
    await tunnels.settle()
    tunnels.clock.at += TOTALS_EVERY_S  # type: ignore[attr-defined]
    await tunnels.settle()
    await tunnels.settle(ending=True)
    (event,) = everything(case)
    assert (event["kind"], event["passed"]) == ("tunnels", 7)


class Stuck:
    """The audit's disk, slow to answer: every record waits until ``freed``."""

    def __init__(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        self.freed, self.waiting = asyncio.Event(), asyncio.Event()
        real = type(case.log).durable

        async def durable(log: Any, event: Any) -> None:
            self.waiting.set()
            await self.freed.wait()
            await real(log, event)

        monkeypatch.setattr(type(case.log), "durable", durable)

    async def broken_off(self, call: Coroutine[Any, Any, object]) -> None:
        """Break a call off while it waits for its record."""
        self.waiting.clear()
        task = asyncio.create_task(call)
        await self.waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("by", ["a client", "the end"])
async def test_a_call_that_is_broken_off_takes_no_count_with_it(
    case: Case, tunnels: JudgeTunnels, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    for number in (0, 0, 0, 1, 1):
        await tunnels.doubtful(lie(number), Doubt.NAMES)
    tunnels.clock.at += WINDOW_S  # type: ignore[attr-defined]
    stuck = Stuck(case, monkeypatch)
    await stuck.broken_off(tunnels.doubtful(lie(2), Doubt.NAMES) if by == "a client" else tunnels.settle())
    stuck.freed.set()
    await tunnels.settle(ending=True)
    more = {event["connect"]: event["more"] for event in everything(case) if event["kind"] == "tunnels-alike"}
    assert more == {lie(0).connect: 2, lie(1).connect: 1}


async def test_a_question_waits_for_no_record_but_its_own(
    case: Case, tunnels: JudgeTunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await tunnels.doubtful(lie(number), Doubt.NAMES)
        await tunnels.doubtful(lie(number), Doubt.NAMES)
    tunnels.clock.at += WINDOW_S  # type: ignore[attr-defined]
    written: list[str] = []
    real = type(case.log).durable

    async def durable(log: Any, event: Any) -> None:
        written.append(event["kind"])
        await real(log, event)

    monkeypatch.setattr(type(case.log), "durable", durable)
    await tunnels.doubtful(lie(9), Doubt.NAMES)
    assert written == ["decision"]


async def test_what_waits_to_be_told_is_bounded_and_the_rest_left_to_the_audit(
    case: Case, tunnels: JudgeTunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[Any] = []
    monkeypatch.setattr(case.log, "later", lambda event: later.append(event) or True)
    for _ in range(UNTOLD + 2):
        await tunnels.doubtful(lie(), Doubt.NAMES)
        await tunnels.doubtful(lie(), Doubt.NAMES)
        tunnels.clock.at += WINDOW_S  # type: ignore[attr-defined]
    await tunnels.settle()
    assert len(later) == 2
    assert [event["kind"] for event in everything(case)].count("tunnels-alike") == UNTOLD


@pytest.mark.parametrize(("doubt", "passes"), [(Doubt.NAMES, True), (Doubt.NO_NAME, False)])
async def test_a_failing_index_closes_in_monitor_mode_only_what_leads_nowhere(
    case: Case, tunnels: JudgeTunnels, monkeypatch: pytest.MonkeyPatch, doubt: Doubt, passes: bool
) -> None:
    def locked(index: object) -> bool:
        raise HaechiError("index.locked", path="x")

    monitored(case, monkeypatch)
    monkeypatch.setattr(type(case.index), "empty", property(locked))
    assert await tunnels.doubtful(lie(), doubt) is passes
    (record,) = case.records()
    assert record["decision"]["effect"] == ("would_block" if passes else "block")
    assert record["decision"]["causes"][0]["code"] == "index-locked"


async def test_the_notice_names_no_decision_of_which_no_record_is_left(
    case: Case, tunnels: JudgeTunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise HaechiError("audit.disk-full", path="/")

    told: list[str] = []
    tunnels.notify = told.append
    monkeypatch.setattr(type(case.log), "durable", broken)
    monkeypatch.setattr(case.log, "later", lambda event: False)
    assert await tunnels.doubtful(lie(), Doubt.NAMES) is False
    (message,) = told
    assert "haechi explain" not in message and "no decision number" in message


@pytest.mark.parametrize("monitor", [False, True])
async def test_without_a_record_only_monitor_mode_goes_on(
    case: Case, tunnels: JudgeTunnels, monkeypatch: pytest.MonkeyPatch, monitor: bool
) -> None:
    async def broken(*_: object) -> None:
        raise HaechiError("audit.disk-full", path="/")

    if monitor:
        monitored(case, monkeypatch)
    monkeypatch.setattr(type(case.log), "durable", broken)
    assert await tunnels.doubtful(lie(), Doubt.NAMES) is monitor
