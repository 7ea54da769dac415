"""Read containers beside the event loop, so that nobody waits for another's archive.

Theory. Decompressing takes a hundred times longer than hashing what passes, and a small body can ask for seconds of it.
So it runs in threads, in short steps, and whoever had least of a processor so far goes first: a bystander's small
archive never waits for more than the steps that run already. Every body has an allowance of processor time that grows
with its size; what lies beyond is opaque, as with every other bound on unpacking.

The decompressors and the index leave the interpreter's lock while they work. Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from haechi.app.inspection import Inspection
from haechi.app.uninterrupted import uninterrupted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Allowance:
    """Seconds of a processor that one body may take: at once, for each MiB of it, and for what was fed in one piece,
    which somebody waits for. Ordinary archives take 0.02 to 0.3 s a MiB; a file made to expand 128 times takes 2 to 10.
    """

    seconds: float = 30.0
    each_mib: float = 0.5
    piece: float = 5.0

    def of(self, size: int) -> float:
        """For so many bytes."""
        return self.seconds + self.each_mib * size / (1 << 20)


class Unpacking:
    """Runs steps of inspections in threads of its own. Belongs to one event loop; ``close`` ends the threads."""

    def __init__(self, threads: int = 1, allowance: Allowance | None = None) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="unpack")
        self._free = threads
        self._allowance = allowance or Allowance()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    async def run(self, inspection: Inspection, step: Callable[[], T]) -> T:
        """Run one step of an inspection in its turn. Whoever is cancelled waits for a step that runs to end: until then
        nobody else may touch the inspection.
        """
        await self._turn(inspection.seconds)
        work = asyncio.get_running_loop().run_in_executor(self._threads, _timed, step)
        try:
            made, seconds = await uninterrupted(work)
        finally:
            self._next()
        inspection.seconds += seconds
        if inspection.seconds > self._allowance.of(inspection.fed):
            inspection.stop()
        return made

    async def all_of(self, inspection: Inspection) -> bool:
        """Run all that an inspection has put aside; True when something new was recognised."""
        grew, until = False, inspection.seconds + self._allowance.piece
        while inspection.pending:
            grew = await self.run(inspection, inspection.unpack) or grew
            if inspection.seconds > until:
                inspection.stop()
        return grew

    def close(self) -> None:
        """Start nothing more; does not wait."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _turn(self, had: float) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (had, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _timed(step: Callable[[], T]) -> tuple[T, float]:
    began = time.thread_time()
    made = step()
    return made, time.thread_time() - began
