"""What changed and was not looked at yet: a bounded, ordered set of names that threads hand to one worker.

Too many names at once are not kept one by one: the set says that everything must be gone through, and counts what it
dropped.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

MOST_WAITING = 50_000


class Kind(Enum):
    """What happened to a name."""

    TOUCHED = "touched"
    GONE = "gone"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``new`` is where a moved name went. ``due`` is when it may be looked at (monotonic seconds)."""

    kind: Kind
    path: str
    new: str = ""
    due: float = 0.0


class Changes:
    """The set. Touches of one name are joined while no other change of names lies between."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: dict[tuple[Kind, str, str], Change] = {}
        self._changed = threading.Condition()
        self._rescan = False
        self._closed = False
        self.dropped = 0

    def put(self, change: Change) -> None:
        """Add a change; a touch of a name that already waits makes it wait anew, at its place in the order."""
        with self._changed:
            key = (change.kind, change.path, change.new)
            if key not in self._waiting and len(self._waiting) >= self._most:
                self.dropped += 1
                self._rescan = True
            else:
                if change.kind is not Kind.TOUCHED:
                    self._waiting.pop(key, None)  # moved or gone again: the order counts
                self._waiting[key] = change
            self._changed.notify_all()

    def put_back(self, changes: Sequence[Change]) -> None:
        """What was taken could not be looked at: it is the first again. What does not fit is dropped."""
        with self._changed:
            back = {(change.kind, change.path, change.new): change for change in changes}
            waiting = {**back, **self._waiting}
            if len(waiting) > self._most:
                self.dropped += len(waiting) - self._most
                self._rescan = True
                waiting = dict(itertools.islice(waiting.items(), self._most))
            self._waiting = waiting

    def rescan(self) -> None:
        """Say that changes were lost: everything must be gone through."""
        with self._changed:
            self._rescan = True
            self._changed.notify_all()

    def close(self) -> None:
        """Wake the worker for the last time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, now: float, wait: float) -> tuple[list[Change], bool]:
        """The changes that are due, in order, and whether everything must be gone through. Waits at most ``wait``
        seconds for
        the first. Changes that are not due hold back those behind them: order matters more than haste.
        """
        with self._changed:
            if not self._waiting and not self._rescan and not self._closed:
                self._changed.wait(wait)
            rescan, self._rescan = self._rescan, False
            if rescan:
                self._waiting = {}
                return [], True
            due: list[Change] = []
            for key, change in list(self._waiting.items()):
                if change.due > now and not self._closed:
                    break
                due.append(self._waiting.pop(key))
            return due, False
