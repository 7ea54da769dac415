"""Wait for work in a thread to its end, whatever happens to whoever waits: what it uses must not be taken from it."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def uninterrupted(work: asyncio.Future[T]) -> T:
    """The result, or what the work raised; a cancellation is taken up only after it has ended.

    ``work`` is a future of an executor and no task: nothing but the thread's end makes it done.
    """
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()
        raise cancelled
    return work.result()
