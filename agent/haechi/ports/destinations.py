"""Live facts about destinations."""

from __future__ import annotations

from typing import Final, Protocol

from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Unknown
from haechi.domain.upload import Location

PASSING: Final = frozenset({"timeout", "too-many-at-once", "throttled", "unreachable", "server-error"})
"""Causes of unknown facts that say nothing about the thing itself."""


class Destinations(Protocol):
    """Reads and caches what a provider says about a container. Never raises: what failed is ``Unknown``."""

    async def facts(self, place: Location) -> Destination:
        """The facts: from the cache while fresh (then without any wait), else read now.

        Concurrent reads of one container are joined.
        """

    def forget(self, place: Location) -> None:
        """The facts may be about to change: read them anew at the next use."""

    def cached(self, place: Location) -> Destination | None:
        """The facts if they are fresh, without waiting; None otherwise."""


class Keys(Protocol):
    """Reads what a provider says about a key that a request itself names, which need not be the container's own."""

    async def key(self, place: Location, key_id: str) -> KeyFacts | Unknown:
        """The key's facts, cached as the container's are. Never raises: what failed is ``Unknown``."""
