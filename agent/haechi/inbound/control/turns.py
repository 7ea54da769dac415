"""Turns: how much long work of one kind is done at once, for one user and for all.

Work that reads whole files or the whole audit runs in threads, which nobody can stop: a caller who hangs up and calls
again would otherwise have any number of them at work, and those that everything else needs would be taken. So a turn
ends when its work does, whoever still waits for it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from haechi.domain.errors import HaechiError
from haechi.inbound.control.peer import Peer

OF_USER: Final = 2
OF_ALL: Final = 4
"""This project's choice: fewer than the threads that the agent has for everything."""


class Turns:
    """Belongs to one event loop."""

    def __init__(self, of_user: int = OF_USER, of_all: int = OF_ALL) -> None:
        self._of_user = of_user
        self._of_all = of_all
        self._users: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[dict[str, Any]]] = set()

    async def take(self, peer: Peer, work: Callable[[tuple[int, ...]], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Do the work, which gets the call's open files for as long as it lasts.

        Raises ``HaechiError``: ``control.busy-user`` and ``control.busy`` where there is no turn, and what it raises.
        """
        if self._users[peer.uid] >= self._of_user:
            raise HaechiError("control.busy-user", limit=self._of_user)
        if self._users.total() >= self._of_all:
            raise HaechiError("control.busy", limit=self._of_all)
        task = asyncio.create_task(self._turn(peer.uid, tuple(os.dup(one) for one in peer.files), work))
        self._tasks.add(task)
        task.add_done_callback(self._over)
        self._users[peer.uid] += 1
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[dict[str, Any]]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # asked for, as the caller may have gone: else it is logged as nobody's

    async def _turn(
        self, uid: int, files: tuple[int, ...], work: Callable[[tuple[int, ...]], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        try:
            return await work(files)
        finally:
            for descriptor in files:
                os.close(descriptor)
            self._users[uid] -= 1
            if not self._users[uid]:
                del self._users[uid]
