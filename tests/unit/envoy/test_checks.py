"""A check that is answered too late, or not at all, is on record as that: Envoy refuses it, so it was not allowed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import structlog
from haechi.domain.upload import Request
from haechi.inbound.envoy.checks import CheckServer, _perhaps_repeated
from haechi.inbound.envoy.http import CHECK_PREFIX, CONNECTION_HEADER, END
from haechi.inbound.envoy.tally import Tally
from haechi.ports.judge import Forward

from tests.e2e.datapath_lab import PIECES, ScriptedJudge, ScriptedJudging

ABOUT = f"proxy https 127.0.0.1:51000 127.0.0.1:1 h.example:443 h.example {END}"
HEADERS = {"host": "h.example", CONNECTION_HEADER: ABOUT, "content-type": "x/y"}


class Forgetful(ScriptedJudge):
    """Never answers one kind of question."""

    def __init__(self, question: str, answer: Callable[..., object]) -> None:
        super().__init__(PIECES)
        self._question, self._answer = question, answer

    def open(self, *about: object) -> ScriptedJudging:
        judging = super().open(*about)  # type: ignore[arg-type]
        setattr(judging, self._question, self._answer)
        return judging


async def never(*_: object) -> Forward:
    await asyncio.Event().wait()
    return Forward()


async def broken(*_: object) -> Forward:
    raise RuntimeError("broken")


@pytest_asyncio.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    started: list[CheckServer] = []

    async def ask(judge: ScriptedJudge, tally: Tally, answer_s: float) -> int:
        server = CheckServer(judge, tally, structlog.get_logger(), answer_s=answer_s)
        started.append(server)
        await server.start(tmp_path / "checks.sock")
        connector = aiohttp.UnixConnector(str(tmp_path / "checks.sock"))
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as session,
            session.put(f"http://h{CHECK_PREFIX}/k", data=b"hello", headers=HEADERS) as reply,
        ):
            return reply.status

    yield ask
    for server in started:
        await server.stop()


@pytest.mark.parametrize("question", ["head", "piece"])
async def test_a_judge_that_is_late_is_broken_off_with_a_cause(asked: Callable[..., object], question: str) -> None:
    judge, tally = Forgetful(question, never), Tally()
    assert await asked(judge, tally, 0.05) == 500
    assert judge.opened[0].causes == ["judge-late"]
    assert (tally.failed, tally.abandoned) == (1, 1)


async def test_a_judge_that_fails_is_broken_off_with_a_cause(asked: Callable[..., object]) -> None:
    judge, tally = Forgetful("piece", broken), Tally()
    assert await asked(judge, tally, 10) == 500
    assert judge.opened[0].causes == ["judge-failed"]


async def test_what_was_judged_in_time_is_not_broken_off(asked: Callable[..., object]) -> None:
    judge, tally = ScriptedJudge(PIECES), Tally()
    assert await asked(judge, tally, 10) == 200
    assert judge.opened[0].causes == []
    assert (tally.failed, tally.abandoned) == (0, 0)


async def test_many_that_come_while_the_loop_is_busy_wait_to_be_taken(tmp_path: Path) -> None:
    path, many = tmp_path / "checks.sock", 1000
    allowed = int(Path("/proc/sys/net/core/somaxconn").read_text())
    server = CheckServer(ScriptedJudge(PIECES), Tally(), structlog.get_logger(), answer_s=10)
    await server.start(path)
    with ExitStack() as stack:
        for _ in range(min(many, allowed)):  # nothing is awaited: the loop takes none of them
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)  # as Envoy does: without room it is told so at once
            client.connect(str(path))
    await server.stop()


@pytest.mark.parametrize(
    ("value", "apart"),
    [
        ("Fri, 27 Nov 2026 00:00:00 GMT", False),
        ("Fri,27 Nov 2026 00:00:00 GMT", True),
        ("Fri, 27 Nov 2026 00:00:00 GMT,x", True),
        ("one,two", True),
    ],
)
def test_a_date_is_one_line_under_any_name_and_other_commas_may_be_two(value: str, apart: bool) -> None:
    request = Request("PUT", "https", "h", "/k", (("x-ms-date", value),))
    assert _perhaps_repeated(request) is apart
