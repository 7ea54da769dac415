"""What the watch over containers with tagged content remembers, over restarts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from haechi.domain.destination import Destination
from haechi.domain.drift import Drift


@dataclass(frozen=True, slots=True)
class Watched:
    """One container under watch.

    ``baseline`` is what its facts are held against: those of when content first went there, and every change since
    that was no finding or that an officer accepted. ``latest`` are those of the last look; ``read_at`` is when they
    could last be read, ``misses`` how often in a row not, ``cause`` why. ``asked`` is the key up to which the store was
    asked whether objects are there.
    """

    provider: str
    container: str
    baseline: Destination
    latest: Destination
    read_at: dt.datetime | None = None
    misses: int = 0
    cause: str = ""
    asked: str = ""


class DriftLedger(Protocol):
    """Containers under watch and findings about them. Every method raises ``HaechiError('ledger.…')`` on failure."""

    def watched(self, provider: str, container: str) -> Watched | None:
        """One of them; None before it was first read."""

    def keep(self, watched: Watched) -> None:
        """Remember it as it is now."""

    def put(self, drift: Drift) -> None:
        """Remember a finding, or what became of one."""

    def find(self, drift_id: str) -> Drift | None:
        """A finding by its id."""

    def open_in(self, provider: str, container: str) -> tuple[Drift, ...]:
        """Open findings about one container: at most one a kind."""

    def listed(self, after: str, most: int, *, every: bool = False) -> Sequence[Drift]:
        """The next ``most`` open findings, by id; ``every``: those that ended too."""

    def counts(self) -> Mapping[str, int]:
        """How many are open, by kind."""

    def unread(self) -> int:
        """How many containers could not be read at the last attempt."""
