"""How often an OPA server was written to, asked once for all who wait.

Theory. Whoever has an answer wants to know that nobody wrote before it was given, so the count has to be of a later
moment: a question that is on its way already is of no use to him, the next one is, and it serves all who came since.
Must not know: what is written, who waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Writes:
    """``ask`` gives the count as it is at some moment of the call."""

    def __init__(self, ask: Callable[[], Awaitable[int]]) -> None:
        self._ask = ask
        self._next: asyncio.Task[int] | None = None
        self._running: asyncio.Task[int] | None = None

    async def now(self) -> int:
        """The count at a moment after the call. Raises what ``ask`` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._asked(self._running))
            self._next.add_done_callback(_noted)
        return await asyncio.shield(self._next)

    async def _asked(self, before: asyncio.Task[int] | None) -> int:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._ask()


def _noted(task: asyncio.Task[int]) -> None:
    """An error that nobody waits for any more is nobody's."""
    if not task.cancelled():
        task.exception()
