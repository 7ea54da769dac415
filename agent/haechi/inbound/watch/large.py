"""Large files that changed are read beside the others: one of them takes seconds, and small ones must not wait for it.

One thread, a bounded queue, each name once. A name that changes while it is read is read again afterwards, here too:
what was read first must not be noted last. What finds no room is read at once, by whoever wanted to hand it over:
nothing is dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from haechi.domain.tags import Tag, merge_tags

MOST_LARGE = 1000

Look = Callable[[str, tuple[Tag, ...]], None]
"""Reads one file, which has these tags besides its own. Does not raise."""


class LargeFiles:
    """The queue and its thread. Safe from any thread."""

    def __init__(self, look: Look, most: int = MOST_LARGE) -> None:
        self._look = look
        self._most = most
        self._waiting: dict[str, tuple[Tag, ...]] = {}
        self._since: dict[str, float] = {}
        self._reading = ""
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="haechi-watch-large", daemon=True)
        self.crowded = 0
        """How often there was no room."""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End. Waits for the file that is being read; the others are found by the next scan."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def late(self, seconds: float) -> bool:
        """Whether one of them waits, or is being read, for longer than this."""
        with self._changed:
            return bool(self._since) and time.monotonic() - min(self._since.values()) > seconds

    @property
    def waiting(self) -> int:
        """Files that are still to be read."""
        return len(self._waiting)

    def holds(self, path: str) -> bool:
        """Whether this name waits or is being read."""
        with self._changed:
            return path in self._waiting or path == self._reading

    def put(self, path: str, tags: tuple[Tag, ...]) -> bool:
        """Have a file read; False where there is no room."""
        with self._changed:
            if path not in self._waiting and len(self._waiting) >= self._most:
                self.crowded += 1
                return False
            self._since.setdefault(path, time.monotonic())
            self._waiting[path] = merge_tags([*self._waiting.get(path, ()), *tags])
            self._changed.notify_all()
            return True

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                path = next(iter(self._waiting))
                tags, self._reading = self._waiting.pop(path), path
            self._look(path, tags)
            with self._changed:
                self._reading = ""
                if path not in self._waiting:
                    self._since.pop(path, None)
