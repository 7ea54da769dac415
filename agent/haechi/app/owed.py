"""Looks at files that storage refused to take, to be had again: bounded, in the order in which they failed.

More than can be kept means that everything must be gone through.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from haechi.domain.tags import Tag

MOST_OWED = 10_000

Look = tuple[str, tuple[Tag, ...]]
"""A path, and the tags that were to be added to it."""


class Owed:
    """Safe from any thread."""

    def __init__(self, most: int = MOST_OWED) -> None:
        self._most = most
        self._looks: dict[Look, None] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._looks)

    def add(self, paths: Iterable[str], tags: tuple[Tag, ...]) -> bool:
        """Remember looks; False where there is no room: then none is remembered any more."""
        with self._lock:
            self._looks.update(dict.fromkeys((path, tags) for path in paths))
            if len(self._looks) <= self._most:
                return True
            self._looks.clear()
            return False

    def first(self) -> Look | None:
        """The oldest; None where nothing is owed."""
        with self._lock:
            return next(iter(self._looks), None)

    def paid(self, look: Look) -> None:
        """It was had."""
        with self._lock:
            self._looks.pop(look, None)
