"""Where documents come from that someone else gives out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as its source gave it out. ``tag`` names this version to the source; empty where it gave none."""

    body: bytes
    tag: str = ""


class Source(Protocol):
    """One document at its source."""

    async def fetch(self, known: str = "") -> Fetched | None:
        """The document; None where it is still the version that ``known`` names. Raises ``HaechiError('fetch.…')``."""
