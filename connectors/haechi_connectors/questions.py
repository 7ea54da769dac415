"""Questions to a provider, asked side by side, each of which ends in an answer or a named cause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


async def together(
    threads: Executor, ask: Callable[[Q], A], questions: Mapping[str, Q], seconds: float, late: A
) -> dict[str, A]:
    """What ``ask`` makes of each question, in a thread of its own; ``late`` for those that take longer than this."""
    loop = asyncio.get_running_loop()
    asked = {name: loop.run_in_executor(threads, ask, question) for name, question in questions.items()}
    if asked:
        await asyncio.wait(asked.values(), timeout=max(0.0, seconds))
    answers = {}
    for name, future in asked.items():
        done = future.done() and not future.cancelled()
        answers[name] = future.result() if done else late
        if not done:
            future.cancel()
    return answers
