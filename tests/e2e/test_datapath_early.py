"""A store that answers before it has the whole body: its answer neither stands in a refusal's way nor gets lost."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import pytest
from haechi.ports.judge import Forward, Refuse

from tests.e2e.datapath_lab import (
    PIECES,
    REFUSAL,
    SEOUL,
    RecordingServer,
    ScriptedJudge,
    answer,
    connected,
    laboratory,
)

pytestmark = pytest.mark.e2e
FIRST, REST = os.urandom(100_000), os.urandom(200_000)
HEAD = f"PUT /k HTTP/1.1\r\nHost: {SEOUL}\r\nContent-Length: {len(FIRST) + len(REST)}\r\n\r\n".encode()
STORES_OWN = b"HTTP/1.1 409 Conflict\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Length: 9\r\n\r\nnot today"


@pytest.fixture
def hasty(tmp_path) -> Iterator[RecordingServer]:
    server = RecordingServer(tmp_path, ["*.s3.ap-northeast-2.amazonaws.com"], early=STORES_OWN)
    yield server
    server.close()


def after_the_answer(server: RecordingServer, verdict: Forward | Refuse):
    """Judges a piece only when the server has answered, and the answer had time to come to the data path."""

    def judge(*_: object) -> Forward | Refuse:
        while not server.seen:
            time.sleep(0.01)
        time.sleep(0.3)
        return verdict

    return judge


async def test_a_refusal_is_read_although_the_store_answered_first(tmp_path, hasty):
    judge = ScriptedJudge(PIECES, after_the_answer(hasty, Refuse(REFUSAL)))
    async with laboratory(tmp_path, judge, hasty) as path:
        reader, writer = await connected(path)
        writer.write(HEAD + FIRST)
        reply = await answer(reader)
        writer.close()
    assert b" 403 " in reply and reply.endswith(REFUSAL.body)
    assert hasty.stored == []


async def test_a_client_that_waits_for_the_early_answer_gets_it(tmp_path, hasty):
    async with laboratory(tmp_path, ScriptedJudge(PIECES), hasty) as path:
        reader, writer = await connected(path)
        writer.write(HEAD + FIRST)
        reply = await answer(reader)
        writer.close()
    assert reply.startswith(b"HTTP/1.1 409 ") and reply.endswith(b"not today")


async def test_what_comes_after_the_early_answer_reaches_nobody(tmp_path, hasty):
    judge = ScriptedJudge(PIECES)
    async with laboratory(tmp_path, judge, hasty) as path:
        reader, writer = await connected(path)
        writer.write(HEAD + FIRST)
        while not hasty.seen:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        writer.write(REST)
        assert (await answer(reader)).startswith(b"HTTP/1.1 409 ")
        writer.close()
    assert judge.opened[0].size == len(FIRST)
    assert hasty.seen[0].size <= len(FIRST) and hasty.stored == []
