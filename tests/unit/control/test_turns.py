"""Long work has bounds, for one user and for all, also when callers hang up."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from haechi.domain.errors import HaechiError
from haechi.inbound.control.peer import Peer
from haechi.inbound.control.turns import Turns


class Work:
    """Goes on until it may end."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.running = 0

    async def __call__(self, opened: tuple[int, ...]) -> dict[str, Any]:
        self.running += 1
        try:
            await self.may_end.wait()
            return {"read": [os.pread(one, 10, 0).decode() for one in opened]}
        finally:
            self.running -= 1


async def refused(turns: Turns, peer: Peer, work: Work) -> str:
    with pytest.raises(HaechiError) as raised:
        await turns.take(peer, work)
    return raised.value.code


async def test_a_user_has_two_and_all_have_four() -> None:
    turns, work = Turns(2, 4), Work()
    kim, lee, park = (Peer(uid, uid, 1) for uid in (1, 2, 3))
    begun = [asyncio.create_task(turns.take(peer, work)) for peer in (kim, kim, lee, lee)]
    await asyncio.sleep(0)
    assert await refused(turns, kim, work) == "control.busy-user"
    assert await refused(turns, park, work) == "control.busy"
    work.may_end.set()
    await asyncio.gather(*begun)
    assert await turns.take(kim, work) == {"read": []}


async def test_who_hangs_up_keeps_the_turn_until_the_work_ends(tmp_path: Path) -> None:
    turns, work = Turns(1, 4), Work()
    (tmp_path / "f").write_text("content")
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    call = asyncio.create_task(turns.take(Peer(1, 1, 1, (), (descriptor,)), work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    os.close(descriptor)  # as the server does when a call is over
    assert work.running == 1
    assert await refused(turns, Peer(1, 1, 1), work) == "control.busy-user"
    work.may_end.set()
    while work.running:
        await asyncio.sleep(0)
    assert await turns.take(Peer(1, 1, 1), work) == {"read": []}


async def test_work_that_fails_gives_its_turn_back() -> None:
    turns = Turns(1, 1)

    async def fails(opened: tuple[int, ...]) -> dict[str, Any]:
        raise HaechiError("index.locked", path="x")

    for _ in range(3):
        with pytest.raises(HaechiError, match=r"index\.locked"):
            await turns.take(Peer(1, 1, 1), fails)
