"""What guards ask over the control socket: bodies in their three ways, hostile ones, and judgements that end early."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Request
from haechi.inbound.control import client
from haechi.inbound.control.guards import register_guards
from haechi.inbound.control.peer import Role
from haechi.inbound.control.server import ControlServer, Limits
from haechi.ports.guard import FileRange
from haechi.ports.judge import Forward, Inspect, Refuse, Reply
from haechi_connectors.agent import Agent

LOG = structlog.get_logger("test")
NO = Refuse(Reply(403, (("x-amz-request-id", "hd-1"),), "차단".encode()))
HEAD = Request("PUT", "https", "bucket.s3.amazonaws.com", "/key?x=%2F", (("content-type", "a"), ("x-amz-meta-b", "é")))


@dataclass
class Told:
    """A judge that notes what it sees. ``early`` refuses at the first piece, ``blind`` lets pass on the head."""

    request: Request | None = None
    proxy: str = ""
    pid: int = 0
    seen: bytearray = field(default_factory=bytearray)
    ends: int = 0
    early: bool = False
    blind: bool = False
    refuse: bool = False
    abandons: list[str] = field(default_factory=list)
    waits: float = 0.0

    def open(self, pid: int, uid: int, request: Request, proxy: str) -> Told:
        self.request, self.proxy, self.pid = request, proxy, pid
        self.seen.clear()
        return self

    async def head(self) -> Forward | Inspect | Refuse:
        await asyncio.sleep(self.waits)
        return Forward() if self.blind else Inspect()

    async def piece(self, data: bytes, last: bool) -> Forward | Refuse:
        self.seen += data
        self.ends += last
        return NO if self.early or (last and self.refuse) else Forward()

    @property
    def heeds(self) -> bool:
        return False

    async def answered(self, status: int) -> None:
        raise AssertionError("nobody heeds it")

    async def abandoned(self, cause: str) -> None:
        self.abandons.append(cause)


class NoRemedy:
    async def __call__(self, request: Request, source: int, path: str, actor: Any) -> Any:
        raise HaechiError("seal.io", name=path, reason="test")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hg") as name:  # short: a socket's path has 107 bytes
        yield Path(name)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest_asyncio.fixture
async def server(folder: Path, told: Told) -> AsyncIterator[ControlServer]:
    roles = {Role.ANYONE, Role.ENGINEER}
    limits = Limits(connections=6, connections_per_user=6, idle=5, send=2)
    made = ControlServer(folder / "run" / "c.sock", lambda peer: roles, LOG, limits=limits)
    register_guards(made, told, NoRemedy())  # type: ignore[arg-type]
    await made.start()
    yield made
    await made.stop()


def reader(data: bytes) -> Callable[[int], bytes]:
    rest = memoryview(data)

    def read(size: int) -> bytes:
        nonlocal rest
        piece, rest = bytes(rest[: min(size, 70_001)]), rest[min(size, 70_001) :]
        return piece

    return read


async def judge(server: ControlServer, body: Any, proxy: str = "http://p:1") -> Reply | None:
    return await asyncio.to_thread(Agent(server.path).judge, HEAD, body, proxy)


@pytest.mark.parametrize("size", [0, 1, 4096, 3 << 20])
async def test_a_body_arrives_as_it_lies_on_the_wire(
    server: ControlServer, told: Told, folder: Path, size: int
) -> None:
    data = os.urandom(size)
    path = folder / "body"
    path.write_bytes(b"before" + data + b"after")
    with path.open("rb") as file:
        for body in (data[: 256 << 10], reader(data), FileRange(file.fileno(), 6, size)):
            wanted = body if isinstance(body, bytes) else data
            assert await judge(server, body) is None
            assert bytes(told.seen) == wanted
    assert (told.request, told.proxy, told.pid) == (HEAD, "http://p:1", os.getpid())
    assert told.ends == 3


async def test_a_file_that_the_sdk_frames_is_judged_framed(server: ControlServer, told: Told, folder: Path) -> None:
    from haechi.domain.upload import BodyShape, Framing
    from haechi.payload.body import decoder
    from haechi.payload.events import Bytes

    data = os.urandom(1 << 20)
    (folder / "body").write_bytes(data)
    with (folder / "body").open("rb") as file:
        assert await judge(server, FileRange(file.fileno(), 0, len(data), chunked=True)) is None
    decoding = decoder(BodyShape(Framing.AWS_CHUNKED, decoded_length=len(data), trailer=True))
    events = [*decoding.feed(bytes(told.seen)), *decoding.finish()]
    assert b"".join(bytes(event.data) for event in events if isinstance(event, Bytes)) == data


async def test_a_refusal_comes_back_whole(server: ControlServer, told: Told) -> None:
    told.refuse = True
    for body in (b"small", reader(os.urandom(1 << 20))):
        assert await judge(server, body) == NO.reply


@pytest.mark.parametrize("how", ["early", "blind"])
async def test_what_is_known_early_need_not_be_read_to_its_end(server: ControlServer, told: Told, how: str) -> None:
    setattr(told, how, True)
    handed = 0

    def read(size: int) -> bytes:
        nonlocal handed
        handed += size
        return b"x" * size if handed < 1 << 30 else b""

    assert await judge(server, read) == (NO.reply if how == "early" else None)
    assert handed < 1 << 26


async def test_a_reading_that_fails_is_the_programs_own_error(server: ControlServer, told: Told) -> None:
    def read(size: int) -> bytes:
        raise OSError(5, "the disk of the program")

    agent = Agent(server.path)
    with pytest.raises(OSError, match="the disk of the program"):
        await asyncio.to_thread(agent.judge, HEAD, read, "")
    assert await asyncio.to_thread(agent.judge, HEAD, b"next", "") is None
    async with asyncio.timeout(5):
        while not told.abandons:
            await asyncio.sleep(0.01)
    assert told.abandons == ["client-closed"]


async def test_a_file_that_is_shorter_than_was_said_ends_there(server: ControlServer, told: Told, folder: Path) -> None:
    (folder / "body").write_bytes(b"short")
    with (folder / "body").open("rb") as file:
        assert await judge(server, FileRange(file.fileno(), 0, 1 << 30)) is None
    assert bytes(told.seen) == b"short"


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"method": "put"}, "method"),
        ({"method": "PUT\r\nX"}, "method"),
        ({"scheme": "ftp"}, "method"),
        ({"host": ""}, "host"),
        ({"target": 7}, "target"),
        ({"headers": [["a"]]}, "headers"),
        ({"headers": [["a", 1]]}, "headers"),
        ({"headers": {"a": "b"}}, "headers"),
        ({"body": "no base64!"}, "body"),
        ({"body": 7}, "body"),
        ({"file": {"offset": 0, "length": 1}}, "files"),
        ({"stream": True}, "files"),
        ({"proxy": 7}, "proxy"),
    ],
)
async def test_a_malformed_question_is_named(server: ControlServer, args: dict[str, Any], reason: str) -> None:
    whole = {"method": "PUT", "scheme": "https", "host": "h", "target": "/", "headers": [], **args}
    with pytest.raises(HaechiError) as caught:
        await asyncio.to_thread(client.call, "guard.judge", whole, path=server.path)
    assert (caught.value.code, caught.value.params["reason"]) == ("control.bad-request", reason)


@pytest.mark.parametrize(
    "form", [{}, {"offset": -1, "length": 1}, {"offset": 0, "length": True}, {"offset": "0", "length": 1}, 7]
)
async def test_a_malformed_range_is_named(server: ControlServer, form: Any, folder: Path) -> None:
    (folder / "body").write_bytes(b"data")
    args = {"method": "PUT", "scheme": "https", "host": "h", "target": "/", "headers": [], "file": form}
    with (folder / "body").open("rb") as file, pytest.raises(HaechiError) as caught:
        await asyncio.to_thread(client.call, "guard.judge", args, path=server.path, files=(file.fileno(),))
    assert caught.value.code == "control.bad-request"


async def test_what_is_neither_file_nor_socket_is_not_waited_for(server: ControlServer) -> None:
    reading, writing = os.pipe()
    try:
        for more in ({"file": {"offset": 0, "length": 1}}, {"stream": True}):
            args = {"method": "PUT", "scheme": "https", "host": "h", "target": "/", "headers": [], **more}
            with pytest.raises(HaechiError) as caught:
                await asyncio.to_thread(client.call, "guard.judge", args, path=server.path, files=(reading,))
            assert caught.value.code == "control.bad-request"
    finally:
        os.close(reading)
        os.close(writing)


async def test_a_judge_that_is_late_is_an_error_with_a_name(
    server: ControlServer, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.inbound.control.guards.ANSWER_S", 0.05)
    told.waits = 5
    with pytest.raises(HaechiError) as caught:
        await judge(server, b"")
    assert caught.value.code == "guard.late"
    assert told.abandons == ["judge-late"]


async def test_a_stream_that_stops_is_not_waited_for_for_ever(
    server: ControlServer, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.inbound.control.guards.STREAM_S", 0.05)
    ours, theirs = socket.socketpair()
    args = {"method": "PUT", "scheme": "https", "host": "h", "target": "/", "headers": [], "stream": True}
    with ours, theirs, pytest.raises(HaechiError) as caught:
        await asyncio.to_thread(client.call, "guard.judge", args, path=server.path, files=(theirs.fileno(),))
    assert caught.value.code == "guard.body-stopped"
    assert told.abandons == ["client-closed"]


async def test_connections_are_used_again_and_never_more_than_there_is_room_for(server: ControlServer) -> None:
    agent = Agent(server.path, at_once=3)
    answers = await asyncio.gather(*(asyncio.to_thread(agent.judge, HEAD, b"x" * n, "") for n in range(12)))
    assert answers == [None] * 12
    assert len(agent._open) <= 3


async def test_a_connection_that_the_agent_closed_is_not_used_again(server: ControlServer) -> None:
    agent = Agent(server.path)
    assert await asyncio.to_thread(agent.judge, HEAD, b"one", "") is None
    await server.stop()
    with pytest.raises(HaechiError) as caught:
        await asyncio.to_thread(agent.judge, HEAD, b"two", "")
    assert caught.value.code == "control.not-running"
    await server.start()
    assert await asyncio.to_thread(agent.judge, HEAD, b"three", "") is None


async def test_no_room_for_another_connection_is_waited_out(server: ControlServer) -> None:
    others = [client.Connection(server.path) for _ in range(6)]
    for other in others:
        other.send("guard.hello")
        await asyncio.to_thread(other.answer)
    waiting = asyncio.create_task(judge(server, b"later"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    for other in others:
        other.close()
    assert await waiting is None


async def test_an_agent_that_knows_no_guards_refuses(folder: Path) -> None:
    older = ControlServer(folder / "run" / "o.sock", lambda peer: {Role.ANYONE}, LOG)
    await older.start()
    try:
        with pytest.raises(HaechiError) as caught:
            await judge(older, b"")
        assert caught.value.code == "control.unknown-call"
    finally:
        await older.stop()
