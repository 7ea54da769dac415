"""The facts of destinations and of keys, cached by the rules of ``aging``. It must not know any provider.

How long facts live is this project's own choice: no rule says how old a fact may be, so the age travels with the facts
and the policy may judge it. A container that is not there is asked for again soon. ``follow`` forgets all: what was
read, or begun to be read, before serves those who asked then and nobody else.

``READS_AT_ONCE`` are read at a time; the others wait for their turn, first come first served. A read's own deadline
begins with its turn: that many ask at once is no fault of the provider's, and nothing of what it would have answered. A
read goes on when its asker has left: whoever asks again finds the answer.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

import structlog

from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import Location
from haechi.outbound.destinations.aging import PASSING, Asked, Cache, Lives
from haechi.outbound.destinations.revision import key_causes, revision_of, unknown_causes
from haechi.ports.clock import Clock
from haechi.ports.cloud import Finds, NamesKeys
from haechi.ports.metrics import Metrics

TTL_SECONDS = 300.0
UNKNOWN_TTL_SECONDS = 15.0
DEADLINE_SECONDS = 10.0
"""Of one read, from its turn on."""
TURN_SECONDS = 30.0
"""How long a read waits for its turn, longer than any upload waits for it: what comes too late for this one serves the
next.
"""
CAPACITY = 2048
READS_AT_ONCE = 8

Key: TypeAlias = tuple[str, str, str, str]
V = TypeVar("V")
log = structlog.get_logger(__name__)


class CrowdedError(Exception):
    """Too many others were to be read first."""


class Reader(Protocol):
    """Reads one provider's facts. ``haechi_connectors`` has one for each."""

    async def read(self, place: Location) -> Destination:
        """Ask the provider now."""

    async def key(self, place: Location, key_id: str) -> KeyFacts:
        """Ask about a key that a request names."""


class CachedDestinations:
    """Implements ``haechi.ports.destinations``. All methods belong to one event loop.

    ``readers`` maps a provider to its reader; a provider without one has unknown facts (``no-reader``). Times are in
    seconds, ``capacity`` in containers, and as many keys.
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
        turn: float = TURN_SECONDS,
        capacity: int = CAPACITY,
    ) -> None:
        self._readers: Mapping[str, Reader] = dict(readers)
        self._clock, self._metrics, self._deadline, self._turn = clock, metrics, deadline, turn
        lives = Lives(ttl, min(unknown_ttl, ttl), capacity)
        self._containers: Cache[Key, Destination] = Cache(
            clock, lives, unknown_causes, fleeting=lambda facts: facts.exists is False, told=self._told
        )
        self._keys: Cache[tuple[Key, str], KeyFacts | Unknown] = Cache(clock, lives, key_causes)
        self._slots = asyncio.Semaphore(READS_AT_ONCE)

    def cached(self, place: Location) -> Destination | None:
        """The facts if they are fresh, without waiting; else None. Late in their life, begins to read them anew."""
        return self._containers.fresh(_key(place), lambda: self._read(place))

    async def facts(self, place: Location) -> Destination:
        """The facts, read now where none are fresh. Never raises but for cancellation of the caller."""
        return await self._containers.get(_key(place), lambda: self._read(place))

    async def key(self, place: Location, key_id: str) -> KeyFacts | Unknown:
        """The facts of a key that a request names, cached as containers are. Never raises."""
        return await self._keys.get((_key(place), key_id), lambda: self._read_key(place, key_id))

    async def there(self, place: Location) -> Known[bool]:
        """Whether an object is in the container now, asked each time. Never raises but for cancellation."""
        reader = self._readers.get(place.provider)
        if not isinstance(reader, Finds):
            return Unknown("not-supported")
        return await self._asked(place, "object", lambda: reader.there(place))

    async def named(self, place: Location, keys: Sequence[str]) -> Sequence[str]:
        """What a request to the place may name to be stored with one of these keys; asked each time, none where that
        cannot be learned. Never raises but for cancellation.
        """
        reader = self._readers.get(place.provider)
        if not isinstance(reader, NamesKeys) or not keys:
            return keys
        names = await self._asked(place, "names", lambda: reader.named(place, keys))
        return () if isinstance(names, Unknown) else names  # without a key named, an upload is made no worse

    def forget(self, place: Location) -> None:
        """Facts may have changed (a change of settings was let through): read them anew at the next use."""

        def of_it(key: Key) -> bool:
            """By whatever endpoint it is reached. What an access point stands for is not known here, nor which of a
            provider's containers are an account's.
            """
            provider, container, alias, _ = key
            all_of_it = not place.container or bool(alias or place.alias)
            return provider == place.provider and (all_of_it or container == place.container)

        self._containers.forget(of_it)

    def follow(self, readers: Mapping[str, Reader]) -> None:
        """Other readers, or other things that they go by (the institution's accounts, its sites): read all anew."""
        self._readers = dict(readers)
        self._containers.clear()
        self._keys.clear()

    async def close(self) -> None:
        """End all reads."""
        await self._containers.close()
        await self._keys.close()

    def __len__(self) -> int:
        return len(self._containers)

    def _told(self, how: Asked) -> None:
        self._metrics.count("haechi_destination_lookups_total", answer=how.value)

    async def _read(self, place: Location) -> Destination:
        began = self._clock.monotonic()
        facts = await self._ask(place)
        facts = dataclasses.replace(facts, read_at=facts.read_at or self._clock.now(), revision=revision_of(facts))
        causes = unknown_causes(facts)
        self._metrics.observe(
            "haechi_destination_read_seconds", self._clock.monotonic() - began, provider=place.provider
        )
        outcome = "passing-failure" if causes & PASSING else "partly-unknown" if causes else "known"
        self._metrics.count("haechi_destination_reads_total", provider=place.provider, outcome=outcome)
        return facts

    async def _ask(self, place: Location) -> Destination:
        reader = self._readers.get(place.provider)
        if reader is None:
            return unknown_destination(place, "no-reader")
        read = await self._asked(place, "container", lambda: reader.read(place))
        return unknown_destination(place, read.cause) if isinstance(read, Unknown) else read

    async def _read_key(self, place: Location, key_id: str) -> KeyFacts | Unknown:
        reader = self._readers.get(place.provider)
        if reader is None:
            return Unknown("no-reader")
        return await self._asked(place, "key", lambda: reader.key(place, key_id))

    async def _asked(self, place: Location, what: str, question: Callable[[], Awaitable[V]]) -> V | Unknown:
        """A provider's answer, or why there is none."""
        try:
            return await self._in_turn(question)
        except CrowdedError:
            return Unknown("too-many-at-once")
        except TimeoutError:
            return Unknown("timeout")
        except Exception as error:  # an adapter's edge: the policy judges the unknown
            log.warning("destination.read-failed", of=what, provider=place.provider, error=type(error).__name__)
            return Unknown("not-understood")

    async def _in_turn(self, question: Callable[[], Awaitable[V]]) -> V:
        """Raises ``CrowdedError`` where the turn does not come, ``TimeoutError`` where the answer does not."""
        try:
            async with asyncio.timeout(self._turn):
                await self._slots.acquire()
        except TimeoutError:
            raise CrowdedError from None
        try:
            async with asyncio.timeout(self._deadline):
                return await question()
        finally:
            self._slots.release()


def unknown_destination(place: Location, cause: str) -> Destination:
    """A destination of which every fact is unknown for one cause."""
    return Destination.unread(place.provider, place.container, Unknown(cause))


def _key(place: Location) -> Key:
    # A container's name is unique in a partition of AWS; at a compatible store it belongs to the endpoint.
    where = place.store if place.provider == "aws" else place.endpoint
    return (place.provider, place.container, place.alias, where)
