"""A store's early answer is passed on exactly once, however its time and the verdict meet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog
from haechi.inbound.envoy import stream as streams
from haechi.inbound.envoy.messages import ANSWER_PASSES
from haechi.inbound.envoy.processor import Processor
from haechi.inbound.envoy.stream import Stream

from tests.e2e.datapath_lab import PIECES, ScriptedJudge
from tests.unit.envoy.streams import Call, body_of


class SlowCall(Call):
    """Takes a message, and then its time."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def write(self, message: bytes) -> None:
        await super().write(message)
        self.begun.set()
        await self.go_on.wait()


async def test_an_answer_whose_time_is_up_while_the_body_is_judged_goes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEPT_S", 0)
    call = SlowCall()
    stream = Stream(call)
    stream.keep_answer()
    await asyncio.wait_for(call.begun.wait(), 10)
    released = asyncio.create_task(stream.release_answer())
    for _ in range(5):
        await asyncio.sleep(0)
    call.go_on.set()
    await asyncio.wait_for(released, 10)
    stream.close()
    assert call.written.qsize() == 1
    assert (await call.got()).SerializeToString() == ANSWER_PASSES


async def test_an_answer_goes_as_soon_as_the_body_is_judged() -> None:
    call = Call()
    stream = Stream(call)
    stream.keep_answer()
    await asyncio.wait_for(stream.release_answer(), streams.KEPT_S / 2)
    assert call.written.qsize() == 1


async def test_a_second_early_answer_is_out_of_turn(tmp_path: Path) -> None:
    processor = Processor(ScriptedJudge(PIECES), spool_dir=tmp_path, spool_bytes=1, log=structlog.get_logger())
    call = await body_of(processor)
    call.early_answer()
    call.early_answer()
    await asyncio.wait_for(processor._process(None, call), 10)
    assert call.aborted
    assert processor.tally.failed == 1


async def test_an_answer_without_a_request_is_passed_on(tmp_path: Path) -> None:
    """Envoy's own answer to a name that does not resolve, say: it never gave the body's filter the request."""
    processor = Processor(ScriptedJudge(PIECES), spool_dir=tmp_path, spool_bytes=1, log=structlog.get_logger())
    call = Call("body")
    call.early_answer()
    await asyncio.wait_for(processor._process(None, call), 10)
    assert (await call.got()).SerializeToString() == ANSWER_PASSES
    assert not call.aborted
    assert processor.tally.failed == 0
