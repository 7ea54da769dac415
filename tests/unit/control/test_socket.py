"""The control socket, over a real one: calls, roles, bounds and descriptors."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from haechi.domain.errors import HaechiError
from haechi.inbound.control import client, protocol
from haechi.inbound.control.peer import Authorisation, Peer, Role, peer_of
from haechi.inbound.control.server import Access, ControlServer, Limits, Progress
from haechi.outbound.telemetry.prometheus import PrometheusMetrics
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = structlog.get_logger("test")


async def echo(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
    return {"args": args, "uid": peer.uid, "pid": peer.pid}


async def count(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
    for number in range(args["to"]):
        await progress({"done": number})
    return {"done": args["to"]}


async def refuse(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
    raise HaechiError("tag.unknown-technology", technology="SEM-99")


async def fail(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
    raise OSError("the disk said something private")


async def copy(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
    source, target = peer.files
    os.write(target, os.read(source, 100))
    return {}


async def slow(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
    await asyncio.sleep(30)
    return {}


@pytest.fixture
def folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hc") as name:  # short: a socket's path has 107 bytes
        yield Path(name)


@pytest_asyncio.fixture
async def server(folder: Path) -> AsyncIterator[ControlServer]:
    roles = {Role.ANYONE, Role.ENGINEER}
    made = ControlServer(
        folder / "run" / "c.sock",
        lambda peer: roles,
        LOG,
        limits=Limits(connections=4, connections_per_user=3, idle=0.4, send=2),
    )
    made.register("echo", echo, Role.ANYONE)
    made.register("count", count, Role.ENGINEER)
    made.register("refuse", refuse, Role.ANYONE)
    made.register("fail", fail, Role.ANYONE)
    made.register("copy", copy, Role.ANYONE)
    made.register("slow", slow, Role.ANYONE, timeout=0.2)
    made.register("officers", echo, Role.OFFICER)
    await made.start()
    yield made
    await made.stop()


async def ask(server: ControlServer, name: str, args: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return await asyncio.to_thread(lambda: client.call(name, args, path=server.path, **more))


async def raw(server: ControlServer, data: bytes) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(data)
    await writer.drain()
    writer.write_eof()
    answers = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return [json.loads(line) for line in answers.splitlines()]


async def test_a_call_is_answered_and_the_kernel_names_the_caller(server: ControlServer) -> None:
    assert await ask(server, "echo", {"path": "설계.gds"}) == {
        "args": {"path": "설계.gds"},
        "uid": os.geteuid(),
        "pid": os.getpid(),
    }


async def test_a_file_name_that_is_not_utf8_survives(server: ControlServer) -> None:
    name = os.fsdecode(b"caf\xe9.gds")
    assert (await ask(server, "echo", {"path": name}))["args"]["path"] == name


async def test_progress_comes_before_the_result_and_in_order(server: ControlServer) -> None:
    seen: list[dict[str, Any]] = []
    assert await ask(server, "count", {"to": 3}, on_progress=seen.append) == {"done": 3}
    assert seen == [{"done": 0}, {"done": 1}, {"done": 2}]


async def test_a_named_error_travels_with_its_parameters(server: ControlServer) -> None:
    with pytest.raises(HaechiError) as caught:
        await ask(server, "refuse")
    assert (caught.value.code, caught.value.params) == ("tag.unknown-technology", {"technology": "SEM-99"})


async def test_what_is_turned_away_is_counted(folder: Path) -> None:
    metrics = PrometheusMetrics()
    server = ControlServer(folder / "c.sock", lambda peer: set(), LOG, metrics=metrics)
    server.register("echo", echo, Role.ANYONE)
    await server.start()
    with pytest.raises(HaechiError):
        await ask(server, "echo")
    await server.stop()
    counted = metrics.registry.get_sample_value("haechi_control_refused_total", {"cause": "control.not-allowed"})
    assert counted == 1


async def test_a_role_that_the_peer_lacks_is_refused(server: ControlServer) -> None:
    with pytest.raises(HaechiError) as caught:
        await ask(server, "officers")
    assert caught.value.code == "control.not-allowed"
    assert caught.value.params["role"] == "officer"


async def test_an_unforeseen_failure_gives_a_reference_and_none_of_its_text(server: ControlServer) -> None:
    with pytest.raises(HaechiError) as caught:
        await ask(server, "fail")
    assert caught.value.code == "control.internal"
    assert "private" not in repr(caught.value.params)
    assert await ask(server, "echo")  # and the agent goes on


async def test_a_call_over_its_time_is_ended(server: ControlServer) -> None:
    with pytest.raises(HaechiError) as caught:
        await ask(server, "slow")
    assert caught.value.code == "control.timed-out"


async def test_open_files_are_handed_over_and_closed_afterwards(server: ControlServer, folder: Path) -> None:
    (folder / "in").write_bytes(b"content")
    before = len(os.listdir("/proc/self/fd"))
    with (folder / "in").open("rb") as source, (folder / "out").open("wb") as target:
        await ask(server, "copy", files=(source.fileno(), target.fileno()))
    assert (folder / "out").read_bytes() == b"content"
    async with asyncio.timeout(5):  # the server closes its end after the answer left
        while len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep(0.01)


async def test_files_that_were_announced_and_did_not_come_are_refused(server: ControlServer) -> None:
    answers = await raw(server, b'{"id":"1","call":"copy","args":{},"files":2}\n')
    assert answers[0]["error"] == {"code": "control.bad-request", "params": {"reason": "files"}}


@pytest.mark.parametrize("line", [b"x", b"[]", b"{}", b'{"id":1}', b'{"id":"1","call":"echo","args":3}', b"\xff\xfe"])
async def test_a_bad_line_is_answered_with_a_named_error(server: ControlServer, line: bytes) -> None:
    answers = await raw(server, line + b"\n")
    assert answers[-1]["error"]["code"] == "control.bad-request"


def _pour(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        caller.settimeout(5)
        try:
            for _ in range(64):
                caller.sendall(b"a" * 65536)
        except OSError:
            pass  # cut off while pouring, which is the point
        return caller.recv(4096)


async def test_a_line_without_end_is_cut_off_at_the_bound(server: ControlServer) -> None:
    answer = await asyncio.to_thread(_pour, server.path)
    assert json.loads(answer)["error"]["code"] == "control.too-large"


async def test_a_silent_caller_is_let_go(server: ControlServer) -> None:
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    assert json.loads(await asyncio.wait_for(reader.readline(), 3))["error"]["code"] == "control.idle"
    writer.close()


async def test_one_user_cannot_take_every_connection(server: ControlServer) -> None:
    writers = [(await asyncio.open_unix_connection(str(server.path)))[1] for _ in range(3)]
    with pytest.raises(HaechiError) as caught:
        await ask(server, "echo")
    assert caught.value.code == "control.too-many"
    assert server.refused["too-many"] == 1
    for writer in writers:
        writer.close()


async def test_a_caller_that_hangs_up_cancels_its_call(folder: Path) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def waits(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        began.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return {}

    server = ControlServer(folder / "c.sock", lambda peer: set(Role), LOG)
    server.register("waits", waits, Role.ANYONE)
    await server.start()
    _, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(b'{"id":"1","call":"waits"}\n')
    await asyncio.wait_for(began.wait(), 5)
    writer.close()
    await asyncio.wait_for(ended.wait(), 5)
    await server.stop()


async def test_without_an_agent_the_error_says_so(folder: Path) -> None:
    with pytest.raises(HaechiError) as caught:
        client.call("echo", path=folder / "none.sock")
    assert caught.value.code == "control.not-running"


async def test_a_stale_socket_is_replaced_and_a_living_one_is_not(server: ControlServer, folder: Path) -> None:
    with pytest.raises(HaechiError) as caught:
        await ControlServer(server.path, lambda peer: set(), LOG).start()
    assert caught.value.code == "control.already-running"
    stale = folder / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    again = ControlServer(stale, lambda peer: set(), LOG)
    await again.start()
    await again.stop()
    assert not stale.exists()


@pytest.mark.parametrize(
    ("access", "folder_mode", "mode"), [(Access.PRIVATE, 0o700, 0o600), (Access.MACHINE, 0o755, 0o666)]
)
async def test_who_may_reach_the_socket(folder: Path, access: Access, folder_mode: int, mode: int) -> None:
    server = ControlServer(folder / "r" / "c.sock", lambda peer: set(), LOG, access=access)
    await server.start()
    assert stat.S_IMODE(server.path.stat().st_mode) == mode
    assert stat.S_IMODE(server.path.parent.stat().st_mode) == folder_mode
    await server.stop()


def test_roles_follow_from_the_kernels_word() -> None:
    roles = Authorisation(own_uid=990, officer_gid=500, first_person_uid=1000)
    assert roles(Peer(33, 33, 1)) == {Role.ANYONE}
    assert roles(Peer(1000, 1000, 1)) == {Role.ANYONE, Role.ENGINEER}
    assert roles(Peer(1000, 1000, 1, groups=(7, 500))) == {Role.ANYONE, Role.ENGINEER, Role.OFFICER}
    assert roles(Peer(65534, 65534, 1)) == {Role.ANYONE}
    assert roles(Peer(0, 0, 1)) == roles(Peer(990, 990, 1)) == set(Role)


def test_the_kernel_tells_peer_and_groups() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        peer = peer_of(one)
    assert (peer.uid, peer.gid, peer.pid) == (os.getuid(), os.getgid(), os.getpid())
    assert set(peer.groups) == set(os.getgroups())


@settings(max_examples=200)
@given(
    st.one_of(
        st.binary(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
    )
)
def test_no_line_does_worse_than_a_named_error(line: bytes) -> None:
    try:
        protocol.decode_call(line)
    except HaechiError as error:
        assert error.code == "control.bad-request"
