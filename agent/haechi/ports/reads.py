"""Who read tagged content lately."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from haechi.domain.actor import Actor
from haechi.domain.reads import ReadFacts, unseen


class Reads(Protocol):
    """Openings of tagged files on this machine."""

    async def of(self, actor: Actor, window: dt.timedelta) -> ReadFacts:
        """What the actor's process and user read within ``window``, every read before this call included. Never raises:
        what could not be seen is unknown. Asked of bodies that nobody can read, while a client waits.
        """


class Unwatched:
    """Where nobody sees reads at all: questions that no upload waits for."""

    async def of(self, actor: Actor, window: dt.timedelta) -> ReadFacts:
        """See the port."""
        return unseen("reads-not-watched", window)
