"""Those who wait until a record is durable, each in an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from haechi.domain.errors import HaechiError


@dataclass(slots=True)
class Waiter:
    """Somebody who waits for a record to be durable, in their own event loop."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


class Waiters:
    """Belongs to the writer's thread."""

    def __init__(self) -> None:
        self._waiting: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiters: Iterable[Waiter]) -> None:
        """More who wait."""
        self._waiting += waiters

    def tell(self, error: HaechiError | None) -> None:
        """Tell them all, with one call into each event loop: it is durable, or why it is not."""
        waiting, self._waiting = self._waiting, []
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for waiter in waiting:
            by_loop.setdefault(waiter.loop, []).append(waiter.future)
        for loop, futures in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: Iterable[asyncio.Future[None]], error: HaechiError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(HaechiError(error.code, **error.params))
