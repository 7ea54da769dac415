"""Takes from the kernel's queue what waits there, and remembers the reads that it tells of.

Everything but ``collect`` is called with the watch's lock held.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable

import structlog

from haechi.domain.facts import Unknown
from haechi.domain.reads import Line
from haechi.outbound.reads.fanotify import Event, Fanotify
from haechi.outbound.reads.memory import Memory
from haechi.outbound.reads.processes import line_of, there
from haechi.outbound.reads.readers import Readers
from haechi.outbound.reads.steps import Steps

MOST = 65_536
"""Different events of an earlier group that are put by while its files are looked up."""

log = structlog.get_logger(__name__)


class Left:
    """An earlier agent's group, and what was taken from it before its files were known. ``maker`` is that agent's
    process, whose own openings are none.
    """

    def __init__(self, group: Fanotify, maker: int) -> None:
        self.group, self.maker = group, maker
        self.whole = True
        """Whether the kernel dropped nothing."""
        self._events: dict[Event, None] = {}
        self._lines: dict[int, Line | Unknown] = {}

    def collect(self) -> None:
        """Ask whose the processes are while they are there. Raises ``OSError``."""
        for event in self.group.events():
            if event.overflow or len(self._events) >= MOST:
                self.whole = False
            elif event.pid not in (self.maker, os.getpid()):
                self._events[event] = None
                if isinstance(self._lines.get(event.pid, Unknown("not-read")), Unknown):
                    self._lines[event.pid] = line_of(event.pid)

    def collected(self) -> tuple[list[Event], dict[int, Line | Unknown]]:
        """What was put by, once."""
        events, lines, self._events, self._lines = list(self._events), self._lines, {}, {}
        return events, lines


class Queue:
    """``group`` is None where the kernel gives none."""

    def __init__(self, group: Fanotify | None, readers: Readers, memory: Memory, steps: Steps) -> None:
        self._group, self._readers, self._memory, self._steps = group, readers, memory, steps
        self.overflows = 0
        self.failed = False

    def empty(self, left: Left | None = None) -> None:
        """Take everything that waits, also for an earlier agent's group. What cannot be taken is a gap."""
        if self._group is None:
            return
        now, step = self._steps.now()
        if step:
            self._memory.shift(step)
        try:
            self._memory.taking()
            if left is not None:
                left.collect()
                events, lines = left.collected()
                self._readers.begin(lines)
                self._look(events, now)
            self._readers.begin()
            skipped = self._group.skipped
            self._look(self._group.events(self._readers.told), now)
            self._readers.seen += self._group.skipped - skipped
        except Exception as error:  # whatever it was: what was taken from the queue and not looked at is lost
            self.failed = True
            log.warning("reads.failed", cause=repr(error))
            self._memory.missed("reads-failed", now)
        self._memory.looked(now)

    def _look(self, events: Iterable[Event], now: dt.datetime) -> None:
        own = os.getpid()
        for event in events:
            if event.overflow:
                self.overflows += 1
                self._memory.missed("reads-overflowed", now, there(self._memory.reached, now))
            elif event.gone:
                self._readers.files.pop(event.key, None)
            elif event.pid != own and (read := self._readers.read(event, now)) is not None:
                self._memory.remember(read)
