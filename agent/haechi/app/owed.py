"""Looks at files that are to be had again: bounded, in the order in which they failed. Storage refused to take them, or
they changed under every reading.

More than can be kept means that everything must be gone through.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from haechi.domain.tags import Tag

MOST_OWED = 10_000


@dataclass(frozen=True, slots=True)
class Look:
    """A path, and the tags that were to be added to it. ``number`` tells two debts of the same look apart."""

    path: str
    tags: tuple[Tag, ...]
    number: int


class Owed:
    """Safe from any thread."""

    def __init__(self, most: int = MOST_OWED) -> None:
        self._most = most
        self._looks: dict[tuple[str, tuple[Tag, ...]], int] = {}
        self._number = 0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._looks)

    def add(self, paths: Iterable[str], tags: tuple[Tag, ...]) -> bool:
        """Remember looks, those that are owed already anew; False where there is no room: then none is remembered any
        more.
        """
        with self._lock:
            for path in paths:
                self._looks.pop((path, tags), None)
                self._number += 1
                self._looks[path, tags] = self._number
            if len(self._looks) <= self._most:
                return True
            self._looks.clear()
            return False

    def due(self) -> Sequence[Look]:
        """What is owed now, the oldest first."""
        with self._lock:
            return [Look(path, tags, number) for (path, tags), number in self._looks.items()]

    def paid(self, look: Look) -> None:
        """It was had, unless it is owed anew since."""
        with self._lock:
            if self._looks.get((look.path, look.tags)) == look.number:
                del self._looks[look.path, look.tags]
