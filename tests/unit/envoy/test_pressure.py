"""Envoy's figures over its admin socket, and what they count."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from haechi.inbound.envoy import pressure
from haechi.inbound.envoy.doubts import AGREED, TOWARD_PROVIDER
from haechi.inbound.envoy.pressure import AdminSocket
from haechi.inbound.envoy.tunnels import ClosedTunnels, PassedTunnels


class Admin:
    """Envoy's admin socket, with figures of the test's own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.figures: dict[str, object] = {}
        self.raw: bytes | None = None
        self.status = 200
        self.connections: set[object] = set()
        self.stalled: asyncio.Event | None = None

    async def answer(self, asked: web.BaseRequest) -> web.Response:
        assert asked.path == "/stats"
        self.connections.add(asked.transport)
        if self.stalled is not None:
            await self.stalled.wait()
        found = [
            {"name": name, "value": value}
            for name, value in self.figures.items()
            if re.search(asked.query["filter"], name)
        ]
        if self.raw is not None:
            return web.Response(body=self.raw, status=self.status)
        return web.json_response({"stats": [*found, {"histograms": {"computed": []}}]}, status=self.status)


@pytest_asyncio.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    made = Admin(tmp_path / "admin.sock")
    runner = web.ServerRunner(web.Server(made.answer), shutdown_timeout=0)
    await runner.setup()
    await web.UnixSite(runner, made.path).start()
    yield made
    await runner.cleanup()


@pytest_asyncio.fixture
async def socket(admin: Admin) -> AsyncIterator[AdminSocket]:
    made = AdminSocket(admin.path)
    yield made
    await made.close()


async def test_the_figures_asked_for_come_over_one_connection(admin: Admin, socket: AdminSocket) -> None:
    admin.figures = {"cluster.a+b.held": 7, "cluster.c.held": 8, "text": "words", "http.held": 1}
    for _ in range(3):
        assert await socket.figures(r"^cluster\.(a\+b|c)\.held$|text") == {"cluster.a+b.held": 7, "cluster.c.held": 8}
    assert len(admin.connections) == 1


@pytest.mark.parametrize("raw", [b"", b"words", b"[]", b'{"stats": 1}', b" " * ((1 << 20) + 1)])
async def test_what_is_no_figures_is_an_error(admin: Admin, socket: AdminSocket, raw: bytes) -> None:
    admin.raw = raw
    with pytest.raises(OSError):
        await socket.figures("x")


async def test_an_envoy_that_refuses_or_stalls_is_an_error(
    admin: Admin, socket: AdminSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.status = 503
    with pytest.raises(OSError):
        await socket.figures("x")
    await socket.close()
    monkeypatch.setattr(pressure, "_TIMEOUT_S", 0.05)
    admin.status, admin.stalled = 200, asyncio.Event()
    with pytest.raises(OSError):
        await socket.figures("x")
    admin.stalled.set()


async def test_no_envoy_is_an_error(tmp_path: Path) -> None:
    socket = AdminSocket(tmp_path / "nobody.sock")
    with pytest.raises(OSError):
        await socket.figures("x")
    await socket.close()


class Looks(AdminSocket):
    """One look after the other."""

    def __init__(self, *looks: tuple[int, int]) -> None:
        self._looks = iter(looks)

    async def figures(self, pattern: str) -> dict[str, int]:
        agreed, toward = next(self._looks)
        return {AGREED: agreed, TOWARD_PROVIDER: toward}


PIDS: dict[str, tuple[list[tuple[int, int]], Callable[[int], int], list[int]]] = {
    "growth": ([(3, 1), (5, 1), (5, 1)], lambda look: 1, [2, 4, 4]),
    "one counter is ahead of the other": ([(100, 10), (100, 12), (103, 12)], lambda look: 1, [90, 90, 91]),
    "a new envoy by its pid": ([(5, 0), (7, 0)], lambda look: look, [5, 12]),
    "a new envoy by its counter": ([(5, 0), (2, 0)], lambda look: 1, [5, 7]),
}


@pytest.mark.parametrize(("looks", "pid", "totals"), PIDS.values(), ids=PIDS)
async def test_every_tunnel_that_passed_is_counted_once(
    looks: list[tuple[int, int]], pid: Callable[[int], int], totals: list[int]
) -> None:
    tunnels = ClosedTunnels()
    passed = PassedTunnels(Looks(*looks), tunnels)
    for look, total in enumerate(totals):
        await passed.look(pid(look))
        assert tunnels.totals()["passed"] == total
