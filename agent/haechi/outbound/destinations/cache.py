"""The cache of destination facts. It must not know any provider.

Theory. An entry lives for ``ttl`` seconds; one in which something is unknown that may soon be known, or whose container
is not there, for ``unknown_ttl``. Both are this project's own choice: no rule says how old a fact may be, so the age
travels with the facts and the policy may judge it. An entry that is used after three quarters of its life is read anew
in the background, and its users go on with what they have. Reads of one container are joined. A read that fails for a
passing reason does not displace facts that are still within their life. ``follow`` begins a new epoch: what was read,
or begun to be read, in an earlier one serves those who asked then and nobody else.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import structlog

from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Unknown
from haechi.domain.upload import Location
from haechi.outbound.destinations.revision import revision_of, unknown_causes
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics

TTL_SECONDS = 300.0
UNKNOWN_TTL_SECONDS = 15.0
DEADLINE_SECONDS = 10.0
CAPACITY = 2048
READS_AT_ONCE = 8
REFRESH_AT = 0.75

PASSING = frozenset({"timeout", "throttled", "unreachable", "server-error"})
"""Causes that say nothing about the place itself."""
LASTING = frozenset(
    {"alias-of-requester", "no-container", "no-registered-account", "not-ours", "not-supported", "region-not-listed"}
)
"""Causes that asking again soon will not cure: such facts live as long as known ones."""

Key: TypeAlias = tuple[str, str, str, str]
log = structlog.get_logger(__name__)


class Reader(Protocol):
    """Reads one provider's facts. ``haechi_connectors`` has one for each."""

    async def read(self, place: Location) -> Destination:
        """Ask the provider now."""

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """Ask about a key that a request names."""


@dataclass(slots=True)
class _Entry:
    facts: Destination
    refresh_at: float
    expires_at: float


@dataclass(slots=True)
class _KeyEntry:
    facts: KeyFacts | Unknown
    expires_at: float


class CachedDestinations:
    """Implements ``haechi.ports.destinations.Destinations``. All methods belong to one event loop.

    ``readers`` maps a provider to its reader; a provider without one has unknown facts (``no-reader``). Times are in
    seconds, ``capacity`` in containers: the longest unused is dropped first.
    """

    def __init__(
        self,
        readers: Mapping[str, Reader],
        clock: Clock,
        metrics: Metrics,
        *,
        ttl: float = TTL_SECONDS,
        unknown_ttl: float = UNKNOWN_TTL_SECONDS,
        deadline: float = DEADLINE_SECONDS,
        capacity: int = CAPACITY,
    ) -> None:
        self._readers: Mapping[str, Reader] = dict(readers)
        self._clock, self._metrics = clock, metrics
        self._ttl, self._unknown_ttl, self._deadline, self._capacity = ttl, min(unknown_ttl, ttl), deadline, capacity
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._keys: OrderedDict[tuple[Key, str], _KeyEntry] = OrderedDict()
        self._reads: dict[Key, asyncio.Task[Destination]] = {}
        self._running: set[asyncio.Task[Destination]] = set()
        self._epoch = 0
        self._slots = asyncio.Semaphore(READS_AT_ONCE)

    def cached(self, place: Location) -> Destination | None:
        """The facts if they are fresh, without waiting; else None. Late in their life, begins to read them anew."""
        key = _key(place)
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock.monotonic()
        if now >= entry.refresh_at:
            if now >= entry.expires_at:
                return None
            self._refresh(key, place, entry)
        self._entries.move_to_end(key)
        return entry.facts

    async def facts(self, place: Location) -> Destination:
        """The facts, read now where none are fresh. Never raises but for cancellation of the caller."""
        fresh = self.cached(place)
        if fresh is not None:
            self._metrics.count("haechi_destination_lookups_total", answer="cached")
            return fresh
        key = _key(place)
        running = self._reads.get(key)
        self._metrics.count("haechi_destination_lookups_total", answer="joined" if running else "read")
        # Shielded: when one of many askers goes away, the others still want the answer.
        return await asyncio.shield(running or self._begin(key, place))

    async def key(self, place: Location, key_id: str) -> KeyFacts | Unknown:
        """The facts of a key that a request names, cached as containers are. Never raises."""
        slot = (_key(place), key_id)
        entry = self._keys.get(slot)
        if entry is not None and self._clock.monotonic() < entry.expires_at:
            self._keys.move_to_end(slot)
            return entry.facts
        epoch = self._epoch
        facts = await self._read_key(place, key_id)
        if epoch != self._epoch:
            return facts
        known = not isinstance(facts, Unknown) and not any(
            isinstance(fact, Unknown) for fact in dataclasses.astuple(facts)
        )
        life = self._ttl if known else self._unknown_ttl
        self._keys[slot] = _KeyEntry(facts, self._clock.monotonic() + life)
        while len(self._keys) > self._capacity:
            self._keys.popitem(last=False)
        return facts

    def forget(self, place: Location) -> None:
        """Facts may have changed (a change of settings was let through): read them anew at the next use."""
        self._entries.pop(_key(place), None)

    def follow(self, readers: Mapping[str, Reader]) -> None:
        """Other readers, or other things that they go by (the institution's accounts, its sites): read all anew."""
        self._readers = dict(readers)
        self._epoch += 1
        self._entries.clear()
        self._keys.clear()
        self._reads.clear()

    async def close(self) -> None:
        """End all reads."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._entries)

    # --- reading ---

    def _refresh(self, key: Key, place: Location, entry: _Entry) -> None:
        if key in self._reads:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # asked from outside the loop: the next asker inside it refreshes
        # The next attempt waits a little even when this one ends at once without a better answer.
        entry.refresh_at = min(entry.expires_at, self._clock.monotonic() + self._unknown_ttl)
        self._metrics.count("haechi_destination_lookups_total", answer="refreshed")
        self._begin(key, place)

    def _begin(self, key: Key, place: Location) -> asyncio.Task[Destination]:
        task = asyncio.get_running_loop().create_task(self._read(key, place), name=f"facts of {place.container}")
        self._reads[key] = task
        self._running.add(task)

        def done(ended: asyncio.Task[Destination]) -> None:
            self._running.discard(ended)
            if self._reads.get(key) is ended:
                del self._reads[key]

        task.add_done_callback(done)
        return task

    async def _read(self, key: Key, place: Location) -> Destination:
        began, epoch = self._clock.monotonic(), self._epoch
        facts = await self._ask(place)
        facts = dataclasses.replace(facts, read_at=facts.read_at or self._clock.now(), revision=revision_of(facts))
        causes = unknown_causes(facts)
        self._metrics.observe(
            "haechi_destination_read_seconds", self._clock.monotonic() - began, provider=place.provider
        )
        outcome = "passing-failure" if causes & PASSING else "partly-unknown" if causes else "known"
        self._metrics.count("haechi_destination_reads_total", provider=place.provider, outcome=outcome)
        return self._keep(key, facts, causes) if epoch == self._epoch else facts

    def _keep(self, key: Key, facts: Destination, causes: frozenset[str]) -> Destination:
        now = self._clock.monotonic()
        earlier = self._entries.get(key)
        if (
            earlier is not None
            and now < earlier.expires_at
            and causes & PASSING
            and not unknown_causes(earlier.facts) & PASSING
        ):
            earlier.refresh_at = min(earlier.expires_at, now + self._unknown_ttl)
            return earlier.facts
        life = self._unknown_ttl if causes - LASTING or facts.exists is False else self._ttl
        self._entries[key] = _Entry(facts, now + life * REFRESH_AT, now + life)
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return facts

    async def _ask(self, place: Location) -> Destination:
        reader = self._readers.get(place.provider)
        if reader is None:
            return unknown_destination(place, "no-reader")
        try:
            async with asyncio.timeout(self._deadline), self._slots:
                return await reader.read(place)
        except TimeoutError:
            return unknown_destination(place, "timeout")
        except Exception as error:  # an adapter's edge: the policy judges the unknown
            log.warning("destination.read-failed", provider=place.provider, error=type(error).__name__)
            return unknown_destination(place, "not-understood")

    async def _read_key(self, place: Location, key_id: str) -> KeyFacts | Unknown:
        reader = self._readers.get(place.provider)
        if reader is None:
            return Unknown("no-reader")
        try:
            async with asyncio.timeout(self._deadline), self._slots:
                return await reader.key(place, key_id)
        except TimeoutError:
            return Unknown("timeout")
        except Exception as error:  # an adapter's edge: the policy judges the unknown
            log.warning("destination.key-failed", provider=place.provider, error=type(error).__name__)
            return Unknown("not-understood")


def unknown_destination(place: Location, cause: str) -> Destination:
    """A destination of which every fact is unknown for one cause."""
    return Destination.unread(place.provider, place.container, Unknown(cause))


def _key(place: Location) -> Key:
    # A container's name is unique at AWS; at a compatible store it belongs to the endpoint.
    return (place.provider, place.container, place.alias, "" if place.provider == "aws" else place.endpoint)
