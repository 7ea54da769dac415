"""What was asked outside, kept while it is young: the same for containers and for keys. It must not know either.

Theory. An answer lives for ``ttl`` seconds; one in which something is unknown that may soon be known, for
``unknown_ttl``. One that is used after three quarters of its life is asked for anew in the background, and its users go
on with what they have. Questions about one thing are joined. A failure that passes does not displace an answer without
one that is still within its life. What is forgotten while it is being asked serves those who asked, and nobody else.
What is forgotten because it is about to change may be asked for before it does: answers to that live for
``unknown_ttl`` a while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from haechi.ports.clock import Clock
from haechi.ports.destinations import PASSING

__all__ = ["LASTING", "PASSING", "REFRESH_AT", "Asked", "Cache", "Lives"]

REFRESH_AT = 0.75
SETTLES_SECONDS = 60.0
"""How long a change may take until every answer tells it. This project's choice."""
CHANGES = 64
"""Changes that are told apart meanwhile; of more, every answer is taken for one that may change."""

LASTING = frozenset(
    {
        "alias-of-requester",
        "no-container",
        "no-registered-account",
        "not-a-key-name",
        "not-ours",
        "not-supported",
        "not-told",
        "region-not-listed",
        "several-places",
    }
)
"""Causes that asking again soon will not cure: such facts live as long as known ones."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Asked(StrEnum):
    """How a question was answered."""

    CACHED = "cached"
    JOINED = "joined"
    READ = "read"
    REFRESHED = "refreshed"


@dataclass(frozen=True, slots=True)
class Lives:
    """Seconds that answers live, and how many are kept: the longest unused is dropped first."""

    ttl: float
    unknown_ttl: float
    capacity: int


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V
    refresh_at: float
    expires_at: float


class Cache(Generic[K, V]):
    """All methods belong to one event loop. ``causes`` names what is unknown in an answer, ``fleeting`` tells an answer
    that lives shortly though all of it is known, ``told`` hears how each question was answered.
    """

    def __init__(
        self,
        clock: Clock,
        lives: Lives,
        causes: Callable[[V], frozenset[str]],
        *,
        fleeting: Callable[[V], bool] = lambda value: False,
        told: Callable[[Asked], None] = lambda how: None,
    ) -> None:
        self._clock, self._lives, self._causes, self._fleeting, self._told = clock, lives, causes, fleeting, told
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._reads: dict[K, asyncio.Task[V]] = {}
        self._running: set[asyncio.Task[V]] = set()
        self._changing: deque[tuple[float, Callable[[K], bool]]] = deque()

    def fresh(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> V | None:
        """The answer if it is young, without waiting; else None. Late in its life, begins to ask anew."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock.monotonic()
        if now >= entry.refresh_at:
            if now >= entry.expires_at:
                return None
            self._refresh(key, ask, entry)
        self._entries.move_to_end(key)
        return entry.value

    async def get(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The answer, asked for now where none is young. ``ask`` must not raise."""
        fresh = self.fresh(key, ask)
        if fresh is not None:
            self._told(Asked.CACHED)
            return fresh
        running = self._reads.get(key)
        self._told(Asked.JOINED if running else Asked.READ)
        # Shielded: when one of many askers goes away, the others still want the answer.
        return await asyncio.shield(running or self._begin(key, ask))

    def forget(self, which: Callable[[K], bool]) -> None:
        """Ask anew at the next use: these are about to change. What is being asked now may be of before already, and so
        may what is asked for soon.
        """
        for known in (self._entries, self._reads):
            for key in [key for key in known if which(key)]:
                del known[key]
        if len(self._changing) == CHANGES:
            self._changing.clear()
            which = _every
        self._changing.append((self._clock.monotonic() + SETTLES_SECONDS, which))

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._reads.clear()

    async def close(self) -> None:
        """End all questions."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._entries)

    def _refresh(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]], entry: _Entry[V]) -> None:
        if key in self._reads:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # asked from outside the loop: the next asker inside it refreshes
        # The next attempt waits a little even when this one ends at once without a better answer.
        entry.refresh_at = min(entry.expires_at, self._clock.monotonic() + self._lives.unknown_ttl)
        self._told(Asked.REFRESHED)
        self._begin(key, ask)

    def _begin(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        task = asyncio.get_running_loop().create_task(self._read(key, ask()))
        self._reads[key] = task
        self._running.add(task)

        def done(ended: asyncio.Task[V]) -> None:
            self._running.discard(ended)
            if self._reads.get(key) is ended:
                del self._reads[key]

        task.add_done_callback(done)
        return task

    async def _read(self, key: K, asked: Awaitable[V]) -> V:
        value = await asked
        forgotten = self._reads.get(key) is not asyncio.current_task()
        return value if forgotten else self._keep(key, value)

    def _keep(self, key: K, value: V) -> V:
        now, causes, lives = self._clock.monotonic(), self._causes(value), self._lives
        earlier = self._entries.get(key)
        passes = earlier is not None and causes & PASSING and not self._causes(earlier.value) & PASSING
        if earlier is not None and passes and now < earlier.expires_at:
            earlier.refresh_at = min(earlier.expires_at, now + lives.unknown_ttl)
            return earlier.value
        while self._changing and self._changing[0][0] <= now:
            self._changing.popleft()
        changing = any(which(key) for _, which in self._changing)
        life = lives.unknown_ttl if changing or causes - LASTING or self._fleeting(value) else lives.ttl
        self._entries[key] = _Entry(value, now + life * REFRESH_AT, now + life)
        self._entries.move_to_end(key)
        while len(self._entries) > lives.capacity:
            self._entries.popitem(last=False)
        return value


def _every(key: object) -> bool:
    return True
