"""The judge hears what the store answered where it heeds it, before the client does, whatever way the body went."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from haechi.inbound.envoy.http import SMALL
from haechi.ports.judge import Forward

from tests.e2e.datapath_lab import (
    PIECES,
    SEOUL,
    WHOLE,
    RecordingServer,
    ScriptedJudge,
    answer,
    connected,
    laboratory,
)

pytestmark = pytest.mark.e2e
NAMES = ["*.s3.ap-northeast-2.amazonaws.com"]
CONFLICT = b"HTTP/1.1 409 Conflict\r\nContent-Length: 9\r\n\r\nnot today"


@pytest.fixture
def sink(tmp_path) -> Iterator[RecordingServer]:
    server = RecordingServer(tmp_path, NAMES)
    yield server
    server.close()


@pytest.fixture
def hasty(tmp_path) -> Iterator[RecordingServer]:
    server = RecordingServer(tmp_path, NAMES, early=CONFLICT)
    yield server
    server.close()


async def asked(path, body: bytes) -> bytes:
    reader, writer = await connected(path)
    writer.write(f"PUT /k HTTP/1.1\r\nHost: {SEOUL}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    reply = await answer(reader)
    writer.close()
    return reply


@pytest.mark.parametrize("verdict", [Forward(), PIECES, WHOLE], ids=["forward", "pieces", "whole"])
@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 3 << 20])
async def test_the_answer_is_told_and_the_body_arrives_as_it_was_sent(tmp_path, sink, verdict, size):
    judge, body = ScriptedJudge(verdict, heeds=True), os.urandom(size)
    async with laboratory(tmp_path, judge, sink) as path:
        assert (await asked(path, body)).startswith(b"HTTP/1.1 200")
    (seen,) = sink.stored
    assert (seen.size, seen.body_sha) == (size, hashlib.sha256(body).hexdigest())
    assert [one.statuses for one in judge.opened if one.statuses] == [[200]]


@pytest.mark.parametrize("verdict", [Forward(), PIECES, WHOLE], ids=["forward", "pieces", "whole"])
@pytest.mark.parametrize("size", [0, 4096, 3 << 20])
async def test_a_stores_refusal_is_told_and_reaches_the_client(tmp_path, hasty, verdict, size):
    judge = ScriptedJudge(verdict, heeds=True)
    async with laboratory(tmp_path, judge, hasty) as path:
        reply = await asked(path, os.urandom(size))
    assert reply.startswith(b"HTTP/1.1 409 ") and reply.endswith(b"not today")
    told = [one.statuses for one in judge.opened if one.statuses]
    assert told == [[409]] or (told == [] and size > SMALL)  # a body that its client did not send to the end


@pytest.mark.parametrize("size", [0, 4096, 1 << 20])
async def test_where_the_store_says_nothing_the_judge_is_told_no_success(tmp_path, size):
    """A store that takes it all and hangs up: Envoy answers in its place."""
    listening = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        while True:
            try:
                listening.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=hang_up, daemon=True).start()
    silent = RecordingServer(tmp_path, NAMES)
    silent.port = listening.getsockname()[1]
    judge = ScriptedJudge(PIECES, heeds=True)
    async with laboratory(tmp_path, judge, silent) as path:
        assert (await asked(path, os.urandom(size))).startswith(b"HTTP/1.1 5")
    listening.close()
    silent.close()
    assert all(status >= 500 for one in judge.opened for status in one.statuses)


async def test_nothing_is_told_to_a_judge_that_does_not_heed_it(tmp_path, sink):
    judge = ScriptedJudge(PIECES)
    async with laboratory(tmp_path, judge, sink) as path:
        for size in (0, 4096, SMALL + 1):
            assert (await asked(path, os.urandom(size))).startswith(b"HTTP/1.1 200")
    assert all(one.statuses == [] for one in judge.opened)
