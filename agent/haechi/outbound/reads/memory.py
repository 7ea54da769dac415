"""What was seen, and what of it is not written yet.

Theory. A reader that is new, and every gap, is written as soon as it is met; that a reader which was written less than
``BEAT`` ago reads on can wait for the beat, because whoever takes up what was written adds that time. So little is
written however much is read, and hardly anything is lost with an agent that is killed; whether anything is, ``Taken``
says. Everything but ``keep`` and ``load`` is called with the lock held.
"""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace

import structlog

from haechi.domain.errors import HaechiError
from haechi.domain.reads import KEPT, Gap, Read
from haechi.domain.recent_reads import MOST, RecentReads
from haechi.outbound.ledger.reads import Held, Remembered, Seen, SqliteReads
from haechi.outbound.ledger.taken import Taken
from haechi.outbound.reads.processes import ended
from haechi.ports.clock import Clock

BEAT = 5.0
"""Seconds between two writings of all that was seen: an agent that is killed leaves a gap that begins at the last."""
_BEAT = dt.timedelta(seconds=BEAT)
CROWDED = 1024
"""Processes that are remembered before it is asked which of them have ended."""

log = structlog.get_logger(__name__)


class Memory:
    """``lock`` is held while what is remembered changes."""

    def __init__(self, ledger: SqliteReads, clock: Clock, lock: threading.Lock) -> None:
        self._ledger, self._clock, self._lock = ledger, clock, lock
        self._writing = threading.Lock()
        self.recent = RecentReads()
        self._new: dict[object, Read] = {}
        self._again: dict[object, Read] = {}
        self._gaps: list[Gap] = []
        self._forgotten: dict[object, Read] = {}
        self._written: dict[object, dt.datetime] = {}
        """Readers that were written lately, and what time they were written with."""
        self.reached = self.written_until = clock.now()
        """Up to when everything was looked at, and when all of it was written last."""
        self.urgent = False
        """Whether something has to be written now."""
        self._busy = self._thinned = False
        self._taken: Taken | None = None

    # --- looked at ------------------------------------------------------------------------------------------------

    def open(self) -> bool:
        """Begin to say what is taken; whether whoever did so before left all of it written."""
        try:
            self._taken = Taken(self._ledger.path.with_suffix(".taken"))
        except OSError as error:
            log.warning("reads.taken-not-said", cause=repr(error))
            return False
        return not self._taken.left

    def taking(self) -> None:
        """Something is about to be taken from the queue. Raises ``OSError``."""
        if self._taken is not None:
            self._taken.set()

    def looked(self, now: dt.datetime) -> None:
        """All that waited was looked at."""
        self.reached = now
        self._settle()

    def _settle(self) -> None:
        if self._taken is not None and not (self._new or self._gaps or self._busy):
            self._taken.clear()

    def remember(self, read: Read) -> None:
        """Somebody read something."""
        reader = read.reader
        for gone in self.recent.add(read):
            self._forget(gone)
        written = self._written.get(reader)
        if written is not None and abs(read.at - written) < _BEAT:
            self._again[reader] = read
            self._new.pop(reader, None)
            return
        self._new[reader] = read
        self._again.pop(reader, None)
        self.urgent = True
        while len(self._new) > MOST:  # nothing can be written for long: users are known then, their processes are not
            gone = self._new.pop(next(iter(self._new)))
            self._thinned = True
            for user in gone.charged:
                self.recent.drop(user, gone.at)

    def _forget(self, gone: Read) -> None:
        self._thinned = self._thinned or gone.reader in self._new or gone.reader in self._again
        for waiting in (self._new, self._again):
            waiting.pop(gone.reader, None)
        if len(self._forgotten) < MOST:
            self._forgotten[gone.reader] = gone

    def missed(self, cause: str, now: dt.datetime, present: frozenset[int] | None = None) -> None:
        """Nothing was seen since everything was looked at. ``present``: see ``Gap``."""
        self.gap(Gap(min(self.reached, now), now, cause, present))

    def gap(self, gap: Gap) -> None:
        """Nothing was seen for a time."""
        last = self.recent.gaps[-1] if self.recent.gaps else None
        same = last is not None and last.cause == gap.cause and gap.present is None
        if last is not None and same and gap.begin <= last.end + _BEAT:
            # One that goes on: its end alone moves, so that a long trouble is one entry.
            self.recent.gaps = self.recent.gaps[:-1]
            self._gaps = [one for one in self._gaps if one is not last]
            gap = replace(gap, begin=last.begin, present=None)
        self.recent.missed(gap)
        self._gaps.append(gap)
        self.urgent = True

    def shift(self, step: dt.timedelta) -> None:
        """The clock was set. What is remembered, and what is kept of it, goes along."""
        log.warning("reads.clock-set", seconds=step.total_seconds())
        self.recent.shift(step)
        self._again = {}
        self._new = {read.reader: read for read in (*self.recent.by_user().values(), *self.recent.reads())}
        self._gaps = list(self.recent.gaps)
        self._written = {}
        self.reached, self.written_until = self.reached + step, self.written_until + step
        self.urgent = True

    # --- written --------------------------------------------------------------------------------------------------

    def load(self, now: dt.datetime) -> tuple[Remembered, str]:
        """What an earlier agent wrote, and why it cannot be read; empty where it can."""
        try:
            return self._ledger.load(now), ""
        except HaechiError as error:
            log.warning("reads.not-remembered", cause=error.code, kept=self._ledger.renew(error))
            return Remembered(), error.code

    def take_up(self, remembered: Remembered, now: dt.datetime, *, unbroken: bool) -> None:
        """Remember what an earlier agent wrote, beside what was seen since. ``unbroken``: nothing else is lost but when
        those that were reading on at its end did so last.
        """
        meanwhile, self.recent = self.recent.gaps, RecentReads()
        last = remembered.until
        for read in (*remembered.reads, *self._again.values(), *self._new.values()):
            late = unbroken and last is not None and last - _BEAT < read.at < now
            self.recent.add(replace(read, at=min(now, read.at + _BEAT)) if late else read)
        for user, read in remembered.users:
            self.recent.add_user(user, read)
        for user, at in remembered.dropped.items():
            self.recent.drop(user, at)
        for gap in (*remembered.gaps, *meanwhile):
            self.recent.missed(gap)

    def keep(self, held: Held | None, *, whole: bool) -> str:
        """Write what was seen; the ``whole``, or what is new alone. The code of why it could not be: it stays to be
        written then, and a restart finds the gap longer.
        """
        with self._writing:
            with self._lock:
                new, again, gaps, forgotten = self._new, self._again, self._gaps, self._forgotten
                self._new, self._gaps, self.urgent, self._busy = {}, [], False, True
                users: tuple[Read, ...] = ()
                seen = Seen(list(new.values()), gaps, held=held)
                if whole:
                    self._again, self._forgotten, self.written_until = {}, {}, self._clock.now()
                    users = tuple(self.recent.by_user().values()) if self._thinned else ()
                    rows, dropped = [*users, *again.values(), *new.values()], dict(self.recent.dropped)
                    seen = Seen(rows, gaps, self.reached, dropped, list(forgotten.values()), held)
                    self._thinned = False
            try:
                self._ledger.keep(seen)
            except HaechiError as error:
                with self._lock:
                    self._busy = False
                    self._new = new | self._new
                    self._gaps = [*gaps, *self._gaps]
                    if whole:
                        self._thinned = self._thinned or bool(users)
                        unwritten = {reader: read for reader, read in again.items() if reader not in self._new}
                        self._again, self._forgotten = unwritten | self._again, forgotten | self._forgotten
                return error.code
            with self._lock:
                self._busy = False
                self._written.update((reader, read.at) for reader, read in (again | new if whole else new).items())
                self._settle()
            return ""

    def tidy(self) -> None:
        """Forget what is of no use: processes that ended, and what is too old."""
        with self._lock:
            processes = self.recent.processes() if len(self.recent) > CROWDED else []
        gone = ended(processes)
        with self._lock:
            now = self._clock.now()
            self.recent.ended(gone)
            self.recent.forget(now - KEPT)
            self._written = {reader: at for reader, at in self._written.items() if abs(now - at) < _BEAT}

    def close(self) -> None:
        """Let the files go."""
        self._ledger.close()
        if self._taken is not None:
            self._taken.close()
