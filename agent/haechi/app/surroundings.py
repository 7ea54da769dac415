"""What is known of the places that a request names, as far as it can be read while the client waits.

Theory. Reading settings at a provider takes longer than a client should wait, and many uploads may ask at once. So a
question waits within a stated time only; what was not read by then is *unknown* with that cause, goes on being read,
and is there for whoever asks next. Knows nothing of contents and policies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Unknown
from haechi.domain.upload import Action, Location
from haechi.ports.clock import Clock
from haechi.ports.destinations import Destinations, Keys

PATIENCE_SECONDS = 12.0
"""How long an upload waits for facts since it was first looked at, their turn included. Facts that are read at once end
by their own deadline before that. With ``LAST_WAIT_SECONDS`` it stays below what the data path gives an answer (18 s),
so that what was not read is refused for that and never for want of an answer. This project's choice.
"""
LAST_WAIT_SECONDS = 4.0
"""What is waited for facts in any case: later questions of the same upload find what the first one began to read."""
MOST_TARGETS = 4
"""Containers that one change of settings may name and have read while the client waits; more are unknown."""

TOO_MANY = Unknown("too-many-at-once")
"""Facts for which the turn did not come in time."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``destination`` and ``source`` are None where the action names no container, ``request_key`` where it names no
    key; ``targets`` are the containers to which a change of settings would send copies or lists.
    """

    destination: Destination | None
    source: Destination | None
    request_key: KeyFacts | Unknown | None
    targets: Mapping[Location, Destination]

    @property
    def revisions(self) -> tuple[object, ...]:
        """Equal where the facts are."""
        return (
            self.destination.revision if self.destination else None,
            self.source.revision if self.source else None,
            self.request_key,
            tuple((place, read.revision) for place, read in self.targets.items()),
        )


@dataclass(frozen=True, slots=True)
class FactsInTime:
    """Reads them, and waits no longer than it says above."""

    destinations: Destinations
    keys: Keys
    clock: Clock

    async def around(self, action: Action, since: float | None) -> Surroundings:
        """All of them. ``since`` is when the judgement began, on the monotonic clock; None: now."""
        ends = self._ends(since)
        destination, source = await self._places(action, ends)
        return Surroundings(
            destination, source, await self._request_key(action, ends), await self._targets(action, ends)
        )

    async def places(self, action: Action) -> tuple[Destination | None, Destination | None]:
        """The live facts of destination and copy source; None where the action names no container."""
        return await self._places(action, self._ends(None))

    async def _places(self, action: Action, ends: float) -> tuple[Destination | None, Destination | None]:
        here, there = action.destination, action.source
        if there is None or not there.container:
            return await self._place(here, ends), None
        return await asyncio.gather(self._place(here, ends), self._place(there, ends))

    async def _place(self, place: Location | None, ends: float) -> Destination | None:
        if place is None or not place.container:
            return None
        cached = self.destinations.cached(place)
        if cached is not None:
            return cached
        try:
            async with asyncio.timeout(ends - self.clock.monotonic()):
                return await self.destinations.facts(place)
        except TimeoutError:  # it goes on being read, for whoever asks next
            return Destination.unread(place.provider, place.container, TOO_MANY)

    def _ends(self, since: float | None) -> float:
        """Until when facts are waited for, on the monotonic clock."""
        now = self.clock.monotonic()
        return max(now + LAST_WAIT_SECONDS, (now if since is None else since) + PATIENCE_SECONDS)

    async def _targets(self, action: Action, ends: float) -> Mapping[Location, Destination]:
        """Facts of the containers to which a change of settings would send copies or lists."""
        named = dict.fromkeys(place for change in action.exposures for _, place in change.places)
        if not named or len(named) > MOST_TARGETS:
            return {}
        facts = await asyncio.gather(*(self._place(place, ends) for place in named))
        return {place: read for place, read in zip(named, facts, strict=True) if read is not None}

    async def _request_key(self, action: Action, ends: float) -> KeyFacts | Unknown | None:
        """Facts of the key that the request itself names; None where it names none."""
        if not action.encryption.key_id or action.destination is None:
            return None
        try:
            async with asyncio.timeout(ends - self.clock.monotonic()):
                return await self.keys.key(action.destination, action.encryption.key_id)
        except TimeoutError:
            return TOO_MANY
