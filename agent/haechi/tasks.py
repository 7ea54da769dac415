"""Work that runs beside everything else: its failure is heard when it happens, and never stands in the way of stopping.

Theory. A task that nobody awaits keeps its exception to itself until somebody does, which is when the agent stops: what
it did is missing for days, and then its old failure breaks the taking down. So the exception is told at once, and
whoever stops a task asks only whether it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

FAILURES: Final = "haechi_background_failures_total"
AGAIN_S: Final = 0.5
"""Seconds after which a task that did not end is cancelled once more."""

_log = structlog.get_logger(__name__)


def background(
    work: Coroutine[Any, Any, None], name: str, count: Callable[[str], None] = lambda name: None
) -> asyncio.Task[None]:
    """Start ``work``. When it fails, that is logged under ``name``, and ``count`` gets the metric's name."""

    def done(task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            count(FAILURES)
            _log.error("background-work-failed", work=name, error=type(error).__name__, exc_info=error)

    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(done)
    return task


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and return when it has ended, however it did: its own error was told when it happened.

    A cancellation may get lost: Python 3.11's ``wait_for`` drops one that comes in the same turn of the event loop as
    what it waits for. So it is said again until it was heard.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_S)
