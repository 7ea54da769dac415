"""Names that vanished a moment ago: editors save by replacing, and what takes the place inherits the tags."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from haechi.domain.tags import Tag

DEPARTED_SECONDS = 60.0
"""How long a vanished name is remembered for whatever takes its place."""
MOST_DEPARTED = 100_000


class Departed:
    """Bounded, safe from any thread. ``clock`` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._names: OrderedDict[str, tuple[tuple[Tag, ...], float]] = OrderedDict()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, path: str, tags: tuple[Tag, ...]) -> None:
        """A name vanished."""
        with self._lock:
            self._names[path] = (tags, self._clock() + DEPARTED_SECONDS)
            self._names.move_to_end(path)
            while self._names and (
                len(self._names) > MOST_DEPARTED or next(iter(self._names.values()))[1] < self._clock()
            ):
                self._names.popitem(last=False)

    def tags(self, path: str) -> tuple[Tag, ...]:
        """What takes this name inherits these."""
        with self._lock:
            tags, until = self._names.get(path, ((), 0.0))
            return tags if until >= self._clock() else ()
