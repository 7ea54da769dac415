"""What changed and was not looked at yet: a bounded, ordered set of names that threads hand to one worker.

There are two lanes. A *single* change is looked at as soon as it is due; what is *bulk* (a folder with all in it, or
more files at once than a few) waits in the second lane and is overtaken by singles: a save must not wait for the
thirty thousand files of an archive. Order counts among singles alone.

Too many names at once are not kept one by one: the set says that everything must be gone through, and counts what it
dropped. What waits longer than its time is *late*: until it was looked at, nobody knows what the files hold.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

MOST_WAITING = 50_000
LONGEST_QUIET = 0.5
"""Seconds after which a file is looked at although it is still written: a log that never rests must hold up nobody."""


class Kind(Enum):
    """What happened to a name."""

    TOUCHED = "touched"
    GONE = "gone"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``new`` is where a moved name went. ``due`` is when it may be looked at, ``since`` when it was first
    seen (monotonic seconds; 0: when it is put).
    """

    kind: Kind
    path: str
    new: str = ""
    due: float = 0.0
    since: float = 0.0


_Key = tuple[Kind, str, str]


class Changes:
    """The set. Touches of one name are joined while no other change of names lies between."""

    def __init__(self, most: int = MOST_WAITING, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._waiting: dict[_Key, Change] = {}
        self._bulk: dict[str, Change] = {}
        self._in_hand: float | None = None
        self._changed = threading.Condition()
        self._rescan = False
        self._rescanning = False
        self._overfull = False
        self._closed = False
        self.dropped = 0

    def put(self, change: Change) -> None:
        """Add a change; a touch of a name that already waits makes it wait anew, at its place in the order, but never
        longer than ``LONGEST_QUIET`` in all.
        """
        with self._changed:
            key = (change.kind, change.path, change.new)
            earlier = self._waiting.get(key)
            if earlier is None and len(self._waiting) >= self._most:
                self.dropped += 1
                self._rescan = self._overfull = True
            else:
                if change.kind is not Kind.TOUCHED:
                    self._waiting.pop(key, None)  # moved or gone again: the order counts
                since = earlier.since if earlier is not None else change.since or self._clock()
                self._waiting[key] = replace(change, since=since, due=min(change.due, since + LONGEST_QUIET))
            self._changed.notify_all()

    def put_back(self, changes: Sequence[Change]) -> None:
        """What was taken could not be looked at: it is the first again. What does not fit is dropped."""
        with self._changed:
            back = {(change.kind, change.path, change.new): change for change in changes}
            waiting = {**back, **self._waiting}
            if len(waiting) > self._most:
                self.dropped += len(waiting) - self._most
                self._rescan = self._overfull = True
                waiting = dict(itertools.islice(waiting.items(), self._most))
            self._waiting = waiting
            self._in_hand = None

    def defer(self, changes: Iterable[Change]) -> None:
        """These touches are bulk: singles overtake them. What does not fit is dropped."""
        with self._changed:
            for change in changes:
                earlier = self._bulk.pop(change.path, None)
                if earlier is None and len(self._bulk) >= self._most:
                    self.dropped += 1
                    self._rescan = self._overfull = True
                    continue
                since = min(change.since or self._clock(), earlier.since if earlier else float("inf"))
                self._bulk[change.path] = replace(change, since=since)

    def bulk(self, most: int) -> list[Change]:
        """The next of the second lane, oldest first; they stay in it until ``looked_at``."""
        with self._changed:
            return [change for change, _ in zip(self._bulk.values(), range(most), strict=False)]

    def looked_at(self, changes: Iterable[Change]) -> None:
        """Of the second lane; one that was touched again meanwhile stays."""
        with self._changed:
            for change in changes:
                if self._bulk.get(change.path) is change:
                    del self._bulk[change.path]

    def rescan(self) -> None:
        """Say that changes were lost: everything must be gone through."""
        with self._changed:
            self._rescan = True
            self._changed.notify_all()

    def rescanned(self) -> None:
        """Everything was gone through, from after the last ``take`` that asked for it on."""
        with self._changed:
            self._rescanning = False

    def close(self) -> None:
        """Wake the worker for the last time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, now: float, wait: float) -> tuple[list[Change], bool]:
        """The changes that are due, in order, and whether everything must be gone through. Waits at most ``wait``
        seconds for the first, where nothing is in the second lane. Changes that are not due hold back those behind
        them: order matters more than haste. ``done`` says that they were looked at.
        """
        with self._changed:
            if not self._waiting and not self._bulk and not self._rescan and not self._closed:
                self._changed.wait(wait)
            rescan, self._rescan = self._rescan, False
            self._rescanning = self._rescanning or rescan
            if self._overfull:
                self._overfull, self._waiting, self._bulk = False, {}, {}
            return self._due(now), rescan

    def overtaking(self, now: float) -> list[Change]:
        """The changes that are due, for whoever is at bulk work; ``done`` says that they were looked at."""
        with self._changed:
            return self._due(now)

    def _due(self, now: float) -> list[Change]:
        due: list[Change] = []
        for key, change in list(self._waiting.items()):
            if change.due > now and not self._closed:
                break
            due.append(self._waiting.pop(key))
        if due:
            self._in_hand = min(change.since for change in due)
        return due

    def done(self) -> None:
        """What was taken last was looked at, deferred or put back."""
        with self._changed:
            self._in_hand = None

    @property
    def waiting(self) -> int:
        """How many are in both lanes."""
        return len(self._waiting) + len(self._bulk)

    def late(self, seconds: float) -> bool:
        """Whether some change waits, or is in hand, for longer than this, or changes were lost and not all was gone
        through since.
        """
        with self._changed:
            if self._rescan or self._rescanning:
                return True
            first = (next(iter(lane.values()), None) for lane in (self._waiting, self._bulk))
            ages = [change.since for change in first if change is not None]
            if self._in_hand is not None:
                ages.append(self._in_hand)
            return bool(ages) and self._clock() - min(ages) > seconds
