"""Keeps copies of what sources give out, as files, and knows when they were last confirmed.

Theory. The files of a mirror belong together (a document and its signature): all are asked, and only when all answered
are those written that changed. What was written and when it was last confirmed is remembered beside them, so neither a
restart nor a source that is away makes an old copy look fresh. A source that fails is asked again after a time that
doubles up to the interval, at random within it, so that a fleet does not come back all at once.

Must not know: what the files mean; whether they are good is for whoever follows them to say.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from haechi.domain.errors import HaechiError
from haechi.durable import replace_file
from haechi.ports.clock import Clock
from haechi.ports.fetching import Fetched, Source
from haechi.ports.metrics import Metrics

FIRST_RETRY_S = 2.0
"""Seconds before the first repetition at most."""
SPREAD = 0.1
"""How far an interval may be shorter, as a share of it."""
_LIMIT = 64 << 10


class _Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``source`` is a digest of the addresses: another source confirms nothing. ``tags`` and ``digests`` by the file's
    name.
    """

    source: str
    confirmed_at: dt.datetime
    tags: dict[str, str]
    digests: dict[str, str]


class Mirror:
    """``sources`` by the file that holds each one's copy; written in this order. ``name`` is for metrics."""

    def __init__(
        self,
        name: str,
        sources: Mapping[Path, Source],
        memory: Path,
        addresses: str,
        interval: float,
        clock: Clock,
        metrics: Metrics,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``memory`` is the file that remembers; ``addresses`` name the sources, so that others are told apart."""
        self._name, self._sources, self._file, self._interval = name, dict(sources), memory, interval
        self._clock, self._metrics, self._chance = clock, metrics, chance
        self._source = hashlib.sha256(addresses.encode()).hexdigest()
        self._failures = 0
        self._began = clock.now()
        self._memory = self._remembered()
        self.problem: HaechiError | None = None
        """Why the source was not reached, or its answer not kept, the last time; None where all went well."""

    @property
    def confirmed_at(self) -> dt.datetime | None:
        """When every source last said what it has."""
        return self._memory.confirmed_at if self._memory else None

    def unconfirmed(self, now: dt.datetime) -> float:
        """Seconds since then; where it never was, since this began: at least so long."""
        return max((now - (self.confirmed_at or self._began)).total_seconds(), 0.0)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(self.pause())

    async def look(self) -> bool:
        """Ask every source once. True when a file was written. Never raises for what a source did."""
        try:
            changed = await self._look()
        except Exception as error:  # what nobody foresaw must not end the asking
            self._failures += 1
            why = f"{type(error).__name__}: {error}"[:300]
            self.problem = error if isinstance(error, HaechiError) else HaechiError("fetch.failed", why=why)
            self._metrics.count("haechi_fetches_total", what=self._name, outcome="failed")
            return False
        self._failures, self.problem = 0, None
        self._metrics.count("haechi_fetches_total", what=self._name, outcome="changed" if changed else "unchanged")
        return changed

    def pause(self) -> float:
        """Seconds until the next look."""
        if self._failures:
            longest = min(FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 16), self._interval)
            return longest * (0.1 + 0.9 * self._chance())
        return self._interval * (1 - SPREAD * self._chance())

    async def _look(self) -> bool:
        memory = self._memory
        known = await asyncio.to_thread(self._whole, memory) if memory else {}
        fetched = {file: await source.fetch(known.get(file.name, "")) for file, source in self._sources.items()}
        try:
            return await asyncio.to_thread(self._keep, fetched)
        except OSError as error:
            raise HaechiError("fetch.not-kept", file=str(self._file.parent), why=error.strerror or "") from error

    def _keep(self, fetched: Mapping[Path, Fetched | None]) -> bool:
        earlier = self._memory
        tags, digests = (dict(earlier.tags), dict(earlier.digests)) if earlier else ({}, {})
        changed = False
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, one in fetched.items():
            if one is None:
                continue
            digest = hashlib.sha256(one.body).hexdigest()
            tags[file.name], digests[file.name] = one.tag, digest
            if _digest(file) != digest:
                replace_file(file, one.body)
                changed = True
        self._memory = _Memory(self._source, self._clock.now(), tags, digests)
        replace_file(self._file, msgspec.json.encode(self._memory))
        return changed

    def _whole(self, memory: _Memory) -> dict[str, str]:
        """The tags of copies that are still what was written; of others none is known."""
        return {
            file.name: memory.tags.get(file.name, "")
            for file in self._sources
            if memory.digests.get(file.name) == _digest(file)
        }

    def _remembered(self) -> _Memory | None:
        try:
            with self._file.open("rb") as held:
                memory = msgspec.json.decode(held.read(_LIMIT), type=_Memory)
        except (OSError, msgspec.DecodeError):
            return None
        if memory.source != self._source or memory.confirmed_at.tzinfo is None:
            return None
        return memory if memory.confirmed_at <= self._clock.now() else None  # a time to come confirms nothing


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as held:
            return hashlib.file_digest(held, "sha256").hexdigest()
    except OSError:
        return ""
