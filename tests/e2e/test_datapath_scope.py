"""Another scope while the data path runs: what was tunnelled is judged, and a scope that is refused changes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from haechi.domain.errors import HaechiError
from haechi.inbound.envoy import datapath

from tests.e2e.datapath_lab import (
    INNOCENT,
    PIECES,
    SCOPE,
    SEOUL,
    RecordingServer,
    ScriptedJudge,
    answer,
    connected,
    laboratory,
)

pytestmark = pytest.mark.e2e
WIDER = dataclasses.replace(SCOPE, patterns=(*SCOPE.patterns, INNOCENT))
CLOSED = (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[RecordingServer]:
    server = RecordingServer(tmp_path, ["*.s3.ap-northeast-2.amazonaws.com", INNOCENT])
    yield server
    server.close()


def put(host: str, size: int = 5) -> bytes:
    return f"PUT /k HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size


async def asked(path: datapath.DataPath, host: str) -> bytes:
    reader, writer = await connected(path, host)
    writer.write(put(host))
    try:
        return await answer(reader)
    finally:
        writer.close()


async def test_a_tunnel_ends_and_its_host_is_judged(tmp_path: Path, sink: RecordingServer) -> None:
    judge = ScriptedJudge()
    async with laboratory(tmp_path, judge, sink) as path:
        port, before = path.proxy_port, path.bundle.read_bytes()
        reader, writer = await connected(path, INNOCENT)
        writer.write(put(INNOCENT))
        assert b" 200 " in await answer(reader)
        assert judge.opened == []
        assert await path.follow(WIDER, ())
        with pytest.raises(CLOSED):
            writer.write(put(INNOCENT))
            await answer(reader)
        assert (path.proxy_port, path.healthy, path.restarts) == (port, True, 0)
        assert path.bundle.read_bytes() != before
        for host in (INNOCENT, SEOUL):
            assert b" 200 " in await asked(path, host)
        assert [judging.request.host for judging in judge.opened] == [INNOCENT, SEOUL]
        assert not await path.follow(WIDER, ())


async def test_an_upload_that_is_under_way_may_end(tmp_path: Path, sink: RecordingServer) -> None:
    size = 4 << 20
    async with laboratory(tmp_path, ScriptedJudge(on_head=PIECES), sink) as path:
        reader, writer = await connected(path, SEOUL)
        body = put(SEOUL, size)
        writer.write(body[: len(body) // 2])
        await writer.drain()
        while not sink.seen:
            await asyncio.sleep(0.01)
        changing = asyncio.create_task(path.follow(WIDER, ()))
        await asyncio.sleep(1)
        assert not changing.done()
        writer.write(body[len(body) // 2 :])
        assert b" 200 " in await answer(reader)
        assert await changing
    assert [one.size for one in sink.stored] == [size]


async def test_a_root_that_was_told_stays_and_new_names_get_no_certificate(
    tmp_path: Path, sink: RecordingServer
) -> None:
    judge = ScriptedJudge()
    async with laboratory(tmp_path, judge, sink) as path:
        before = path.bundle.read_bytes()
        await path.follow(WIDER, (), keep_root=True)
        assert path.bundle.read_bytes() == before
        assert b" 200 " in await asked(path, SEOUL)
        with pytest.raises(CLOSED):
            await asked(path, INNOCENT)
        assert len(judge.opened) == 1
        assert len(sink.stored) == 1


async def test_a_scope_that_envoy_refuses_leaves_everything_as_it_was(
    tmp_path: Path, sink: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with laboratory(tmp_path, ScriptedJudge(), sink) as path:
        pid, root = path.envoy_pid, path.bundle.read_bytes()
        monkeypatch.setattr(datapath, "bootstrap", lambda *_: {"static_resources": {"listeners": [{"name": 1}]}})
        with pytest.raises(HaechiError, match="envoy-config"):
            await path.follow(WIDER, ())
        assert (path.envoy_pid, path.bundle.read_bytes()) == (pid, root)
        assert b" 200 " in await asked(path, SEOUL)
        monkeypatch.undo()
        assert await path.follow(WIDER, ())
