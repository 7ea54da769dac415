"""A request that ends while its verdict is being recorded: the verdict reached nobody, and the record says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from haechi.domain.facts import JSON
from haechi.domain.upload import Request
from haechi.ports.judge import Connection

from tests.unit.judging.conftest import HOST, Case

ACL = Request("PUT", "https", HOST, "/ours-seoul/k?acl", (("x-amz-acl", "private"), ("content-length", "0")))


class SlowDisk:
    """The audit, whose first record takes longer than anybody waits."""

    def __init__(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.kinds = asyncio.Event(), []
        self._durable = case.log.durable
        monkeypatch.setattr(case.log, "durable", self)

    async def __call__(self, event: Mapping[str, JSON]) -> None:
        about = event.get("decision", event)
        assert isinstance(about, Mapping)
        self.kinds.append((event["kind"], about.get("effect") or about.get("cause")))
        await self._durable(event)
        if not self.begun.is_set():
            self.begun.set()
            await asyncio.Event().wait()


async def test_a_verdict_that_is_recorded_and_then_given_to_nobody(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SlowDisk(case, monkeypatch)
    judging = case.judge.open(Connection("127.0.0.1", 1), ACL)
    work = asyncio.create_task(judging.head())
    await asyncio.wait_for(disk.begun.wait(), 10)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await judging.abandoned("judge-late")
    assert disk.kinds == [("decision", "allow"), ("broken-off", "judge-late")]
    await judging.abandoned("judge-late")
    assert len(disk.kinds) == 2


async def test_a_verdict_that_was_given_is_not_broken_off(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    judging = case.judge.open(Connection("127.0.0.1", 1), ACL)
    await judging.head()
    disk = SlowDisk(case, monkeypatch)
    await judging.abandoned("client-closed")
    assert disk.kinds == []
