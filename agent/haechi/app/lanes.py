"""Lanes of work side by side, which end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def side_by_side(lanes: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run every lane to its end. Where one fails, or the caller is cancelled, the others are cancelled and waited for
    before that is raised.
    """
    tasks = [asyncio.ensure_future(lane) for lane in lanes]
    try:
        await asyncio.gather(*tasks)
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
