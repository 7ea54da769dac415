"""Watches who opens tagged files, and remembers it over restarts of the agent.

Theory. Every tagged file is marked when the index learns of it, before the index says that it knows it; from then on
its openings wait in the kernel's queue. A thread empties the queue as it fills, because a process that is gone cannot
be asked any more whose it was; and whoever asks empties it first, so that no read before the question is missed.
What is seen is written every few seconds, together with the time up to which that is all (``SqliteReads``).

Three things are not *no*: the time before the watch stood, while this agent or an earlier one was away; an overflow of
the queue; files that cannot be marked. What it must not know: bodies, policies.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import os
import select
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from haechi.domain.actor import Actor
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Known, Unknown
from haechi.domain.reads import KEPT, SHORT, Gap, Line, Read, ReadFacts, RecentReads, unseen
from haechi.outbound.ledger.reads import Remembered, SqliteReads
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.mounts import Mounts, unmarked
from haechi.outbound.reads.processes import line_of, present
from haechi.outbound.reads.readers import Marked, Readers
from haechi.outbound.reads.steps import Steps, since_boot
from haechi.ports.clock import Clock
from haechi.ports.protection import Observed, TaggedFile

BEAT = 5.0
"""Seconds between two writings of what was seen: an agent that is killed leaves a gap that begins at the last."""
WAKE = 1.0
PAUSE = 0.005
"""Seconds between two looks while known processes read on in files that they opened, for more than ``IDLE`` looks:
nothing new is learned then.
"""
IDLE = 32
MOST_TOLD = 10
RETRIED = 256
"""Files that are tried again at once of those that could not be marked."""

log = structlog.get_logger(__name__)


class ReadWatch:
    """Implements ``haechi.ports.reads.Reads`` from ``start`` to ``stop``. ``group`` is None where the kernel gives
    none, because of ``why``. ``known`` lists all tagged files; ``named`` those that are one file now. Both may raise
    ``HaechiError``. ``own`` is counted as the reader where the kernel names no process: the agent is that user's own.
    ``released``: see ``Readers``. ``elapsed`` goes on evenly, whatever the clock is set to.
    """

    def __init__(
        self,
        group: Fanotify | None,
        ledger: SqliteReads,
        clock: Clock,
        known: Callable[[], Sequence[TaggedFile]],
        named: Callable[[int, int], Sequence[TaggedFile]],
        *,
        why: str = "",
        own: int | None = None,
        released: Callable[[str], bool] = lambda path: True,
        elapsed: Callable[[], float] = since_boot,
    ) -> None:
        self._group, self._ledger, self._clock = group, ledger, clock
        self._known, self._named, self._released = known, named, released
        own = os.getuid() if own is None else own
        self._readers = Readers(group is not None and group.privileged, own, named, released)
        self._recent = RecentReads()
        self._unkept: dict[object, Read] = {}
        self._unkept_gaps: list[Gap] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._steps = Steps(clock, elapsed)
        self._drained = self._kept_until = clock.now()
        self._since: dt.datetime | None = None
        self._stands = threading.Event()
        self.unwatched: dict[str, str] = {}
        """Tagged files that cannot be marked, and why."""
        self.why = why
        """What the kernel said, where it gave no group."""
        self.problem = "" if group else "reads.not-watched"
        """The code of why nothing, or not all, is seen or kept; empty where all is well."""
        self.overflows = 0

    @property
    def seen(self) -> int:
        """Openings and readings of tagged files."""
        return self._readers.seen

    @property
    def gone(self) -> int:
        """Those of a process that could not be asked any more."""
        return self._readers.gone

    # --- asked ----------------------------------------------------------------------------------------------------

    async def of(self, actor: Actor, window: dt.timedelta) -> ReadFacts:
        """See the port. In a thread: it asks the kernel's queue, and ``/proc`` where anybody read anything."""
        return await asyncio.to_thread(self.facts, actor, window)

    def facts(self, actor: Actor, window: dt.timedelta) -> ReadFacts:
        """The same, at once."""
        if self._group is None:
            return unseen("reads-not-watched", window)
        with self._lock:
            self._drain()
            now = self._clock.now()
            line: Line | Unknown = Unknown("no-process")  # nobody read: it is not looked at
            if self._recent.any_since(now - window):
                line = _line(actor)
            facts = self._recent.of(actor.uid, line, now, window)
            standing = self._standing
        if standing:
            doubt = Unknown(standing)
            process = doubt if facts.process is False else facts.process
            user = doubt if facts.user is False else facts.user
            return replace(facts, process=process, user=user)
        return facts

    @property
    def _standing(self) -> str:
        """Why reads are not seen now; empty where all are."""
        if self._since is None:
            return "reads-starting"
        return "reads-files-not-watched" if self.unwatched else ""

    def status(self) -> dict[str, object]:
        """Figures for ``haechi status``. Waits for nobody: it is asked by the event loop, and whoever empties the queue
        may hold the lock for long.
        """
        since, gaps = self._since, self._recent.gaps[-MOST_TOLD:]
        sees = "processes" if self._group and self._group.privileged else "user" if self._group else "nothing"
        return {
            "sees": sees,
            "since": since.isoformat() if since else None,
            "files": len(self._readers.files),
            "unwatched": len(self.unwatched),
            "readers": len(self._recent),
            "overflows": self.overflows,
            "gaps": [{"from": gap.begin.isoformat(), "to": gap.end.isoformat(), "cause": gap.cause} for gap in gaps],
        }

    # --- told by the index ------------------------------------------------------------------------------------------

    def observed(self, seen: Iterable[Observed]) -> None:
        """Tagged files were looked at: mark them. Called before the index says that it knows them."""
        for file in seen:
            self._mark(file.path)

    def _mark(self, path: str) -> None:
        group = self._group
        if group is None:
            return
        try:
            status = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - names are plain here
            key = group.mark(path)
        except OSError as error:
            with self._lock:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    self.unwatched.pop(path, None)
                else:
                    self.unwatched[path] = os.strerror(error.errno or 0)
            return
        with self._lock:
            self._readers.files[key] = Marked(path, status.st_dev, status.st_ino)
            self.unwatched.pop(path, None)

    # --- from start to stop -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin. Until all known files are marked, reads are unknown."""
        if self._group is None:
            log.warning("reads.not-watched", cause=self.why)
            return
        self._thread = threading.Thread(target=self._work, name="haechi-reads", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and keep what was seen."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        if self._group is not None:
            self._group.close()
        self._ledger.close()

    def wait_ready(self, seconds: float) -> bool:
        """Wait until the watch stands."""
        return self._stands.wait(seconds)

    def _work(self) -> None:
        group = self._group
        if group is None:
            return
        idle, waiting, before = 0, select.poll(), self._clock.now()
        waiting.register(group.descriptor, select.POLLIN)
        mounts = self._table(waiting)
        while not self._stopping.is_set():
            try:
                looked = self._clock.now()
                if self._since is None:
                    self._begin()
                woken = [descriptor for descriptor, _ in waiting.poll(WAKE * 1000)]
                if mounts is not None and mounts.descriptor in woken:
                    self._remounted(group, before)
                before = looked
                with self._lock:
                    self._drain()
                    idle = 0 if self._readers.fresh else idle + 1
                if idle > IDLE:
                    self._stopping.wait(PAUSE)
                if (self._clock.now() - self._kept_until).total_seconds() >= BEAT:
                    self._beat()
            except Exception as error:  # an adapter's edge: what is strange is a gap, and never the end of watching
                self._doubt(error)
                self._stopping.wait(WAKE)
        if mounts is not None:
            mounts.close()
        if self._since is not None:  # else nothing was taken up that could be written on
            with self._lock:
                self._drain()
            self._keep()

    @staticmethod
    def _table(waiting: select.poll) -> Mounts | None:
        try:
            mounts = Mounts()
        except OSError as error:
            log.warning("reads.mounts-not-watched", cause=repr(error))
            return None
        waiting.register(mounts.descriptor, select.POLLPRI)
        return mounts

    def _remounted(self, group: Fanotify, before: dt.datetime) -> None:
        """Mark what lost its marks with its file system. What was read since ``before`` nobody saw."""
        with self._lock:
            files = list(self._readers.files.values())
        lost = list(unmarked(group, files))
        for path in lost:
            self._mark(path)
        if not lost:
            return
        log.warning("reads.mounted-anew", files=len(lost))
        with self._lock:
            now = self._clock.now()
            begin = min(before, now)
            self._gap(Gap(begin, now, "reads-remounted", self._there(begin, now)))

    def _doubt(self, error: Exception) -> None:
        """What failed may have lost reads: unknown from the last look on, until it works again."""
        self.problem = error.code if isinstance(error, HaechiError) else "reads.failed"
        log.error("reads.failed", cause=repr(error))
        with self._lock:
            self._missed("reads-failed", self._clock.now())

    def _begin(self) -> None:
        """Mark all that is known, and take up what an earlier agent saw."""
        files = self._known()
        for file in files:
            self._mark(file.path)
        with self._lock:
            self._drain()
            begun = self._drained
        remembered, lost = Remembered(), ""
        try:
            remembered = self._ledger.load(begun)
        except HaechiError as error:
            self.problem = lost = error.code
            log.warning("reads.not-remembered", cause=error.code, kept=self._ledger.renew(error))
        with self._lock:
            meanwhile, self._recent = self._recent.gaps, RecentReads(dropped=remembered.dropped)
            for read in (*remembered.reads, *self._unkept.values()):
                self._recent.add(read)
            for gap in (*remembered.gaps, *meanwhile):
                self._recent.missed(gap)
            # Where nobody watched before and nothing was tagged, there was nothing to miss.
            if lost or remembered.until or files:
                # Where the clock was set back meanwhile, nobody knows for how long nobody watched.
                since = remembered.until if remembered.until and remembered.until <= begun else None
                away = since or begun - KEPT
                self._gap(Gap(away, begun, "reads-interrupted", self._there(away, begun)))
            self._drain()
            self._since = begun
        self._stands.set()
        self._keep()
        log.info("reads.watched", files=len(self._readers.files), unwatched=len(self.unwatched))

    @staticmethod
    def _there(begin: dt.datetime, end: dt.datetime) -> frozenset[int] | None:
        if end - begin > SHORT:
            return None
        try:
            return present()
        except OSError:
            return None

    def _beat(self) -> None:
        for path in list(self.unwatched)[:RETRIED]:
            if self._tagged(path):
                with self._lock:
                    self.unwatched[path] = self.unwatched.pop(path)  # to the end: the others get their turn
                self._mark(path)
            else:
                with self._lock:
                    self.unwatched.pop(path, None)
        self._keep()

    def _tagged(self, path: str) -> bool:
        """Whether a file that cannot be marked has to be: one that was released holds up nobody."""
        try:
            status = os.stat(path, follow_symlinks=False)  # noqa: PTH116
            return bool(self._named(status.st_dev, status.st_ino)) or not self._released(path)
        except FileNotFoundError:
            return False
        except (OSError, HaechiError):
            return True

    def _keep(self) -> None:
        """Write what was seen. What cannot be written stays to be written; a restart then finds the gap longer."""
        with self._lock:
            until, reads, gaps = self._drained, self._unkept, self._unkept_gaps
            self._unkept, self._unkept_gaps = {}, []
            dropped, self._kept_until = self._recent.dropped, self._clock.now()
        try:
            self._ledger.keep(until, reads.values(), gaps, dropped)
        except HaechiError as error:
            if self.problem != error.code:
                log.warning("reads.not-kept", cause=error.code)
            self.problem = error.code
            with self._lock:
                self._unkept = reads | self._unkept
                self._unkept_gaps = [*gaps, *self._unkept_gaps]
        else:
            self.problem = ""

    # --- the kernel's queue; all with the lock held ----------------------------------------------------------------

    def _drain(self) -> None:
        """Take everything that waits in the queue. What cannot be taken is a gap."""
        group = self._group
        if group is None:
            return
        now, step = self._steps.now()
        if step:
            self._shift(step)
        own = os.getpid()
        self._readers.begin()
        try:
            for event in group.events():
                if event.overflow:
                    self.overflows += 1
                    self._missed("reads-overflowed", now)
                elif event.gone:
                    self._readers.files.pop(event.key, None)
                elif event.pid != own and (read := self._readers.read(event, now)) is not None:
                    self._remember(read, now)
        except Exception as error:  # whatever it was: what was taken from the queue and not looked at is lost
            self.problem = "reads.failed"
            log.warning("reads.failed", cause=repr(error))
            self._missed("reads-failed", now)
        self._drained = now

    def _shift(self, step: dt.timedelta) -> None:
        """The clock was set. What is remembered, and what is kept of it, goes along."""
        log.warning("reads.clock-set", seconds=step.total_seconds())
        self._recent.shift(step)
        self._unkept = {read.reader: read for read in self._recent.reads()}
        self._unkept_gaps = list(self._recent.gaps)
        self._drained, self._kept_until = self._drained + step, self._kept_until + step

    def _missed(self, cause: str, now: dt.datetime) -> None:
        self._gap(Gap(min(self._drained, now), now, cause))

    def _gap(self, gap: Gap) -> None:
        last = self._recent.gaps[-1] if self._recent.gaps else None
        same = last is not None and last.cause == gap.cause and gap.present is None
        if last is not None and same and gap.begin <= last.end + dt.timedelta(seconds=BEAT):
            # One that goes on: its end alone moves, so that a long trouble is one entry.
            self._recent.gaps = self._recent.gaps[:-1]
            self._unkept_gaps = [one for one in self._unkept_gaps if one is not last]
            gap = replace(gap, begin=last.begin, present=None)
        self._recent.missed(gap)
        self._unkept_gaps.append(gap)

    def _remember(self, read: Read, now: dt.datetime) -> None:
        self._recent.add(read)
        self._unkept[read.reader] = read
        while len(self._unkept) > self._recent.most:  # cannot be written for long: a restart then knows less
            oldest = self._unkept.pop(next(iter(self._unkept)))
            self._gap(Gap(min(oldest.at, now), now, "reads-overflowed"))


def _line(actor: Actor) -> Line | Unknown:
    """The line of the process that uploads, if it is still the one that was found."""
    pid: Known[int] = actor.pid
    if isinstance(pid, Unknown):
        return pid
    line = line_of(pid)
    if isinstance(line, Line) and not isinstance(actor.started, Unknown) and line.processes[0][1] != actor.started:
        return Unknown("process-ended")
    return line
