"""A body that is held whole: its file outlives whoever broke off, and it is given back no faster than it is taken."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
import structlog
from haechi.inbound.envoy import processor as processors
from haechi.inbound.envoy.processor import Processor
from haechi.inbound.envoy.spool import IN_MEMORY

from tests.e2e.datapath_lab import WHOLE, ScriptedJudge
from tests.unit.envoy.streams import body_of

LIMIT = 1 << 30


class SlowDisk:
    """``os.write`` that waits until it is told to go on, and then asks whether its file is still there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writing, self.go_on = threading.Event(), threading.Event()
        self.gone: list[int] = []
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, file: int, data: bytes) -> int:
        self.writing.set()
        self.go_on.wait(30)
        try:
            os.fstat(file)
        except OSError:
            self.gone.append(file)
            return len(data)
        return self._write(file, data)


async def test_a_file_that_is_written_outlives_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor = Processor(ScriptedJudge(WHOLE), spool_dir=tmp_path, spool_bytes=LIMIT, log=structlog.get_logger())
    call = await body_of(processor)
    disk = SlowDisk(monkeypatch)
    call.body(bytes(IN_MEMORY + 1))
    work = asyncio.create_task(processor._process(None, call))
    await asyncio.to_thread(disk.writing.wait, 30)
    for _ in range(2):  # grpc's own shutdown cancels what is cancelled already
        work.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
    assert not work.done(), "the file would be closed under the thread that writes it"
    disk.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not disk.gone
    assert processor.spool_left == LIMIT


class Gauge:
    """Envoy's gauge, which cannot be read at first."""

    def __init__(self, silent: int) -> None:
        self.silent = silent
        self.enough, self.speaks = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> int:
        if self.speaks.is_set():
            return 0
        self.silent -= 1
        if self.silent <= 0:
            self.enough.set()
        raise ConnectionRefusedError


async def test_no_word_of_envoy_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = 4 * processors._REPLAYED
    monkeypatch.setattr(processors, "_AHEAD", ahead)
    monkeypatch.setattr(processors, "_LOOK_AGAIN_S", 0)
    monkeypatch.setattr(processors, "_TRICKLE_S", 3600)
    gauge = Gauge(silent=5)
    processor = Processor(
        ScriptedJudge(WHOLE), spool_dir=tmp_path, spool_bytes=LIMIT, log=structlog.get_logger(), buffered=gauge
    )
    call = await body_of(processor)
    call.body(bytes(3 * ahead), last=True)
    work = asyncio.create_task(processor._process(None, call))
    await asyncio.wait_for(gauge.enough.wait(), 10)
    assert call.written.qsize() == 1 + 4, "the head, and as much as may go ahead"
    gauge.speaks.set()
    await asyncio.wait_for(work, 10)
    assert call.written.qsize() == 1 + 12
