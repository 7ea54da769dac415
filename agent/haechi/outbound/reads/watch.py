"""Watches who opens tagged files, and answers who did lately.

Theory. Every tagged file is marked when the index learns of it, before the index says that it knows it; from then on
its openings wait in the kernel's queue. A thread empties the queue as it fills, because a process that is gone cannot
be asked any more whose it was; and whoever asks empties it first, so that no read before the question is missed.
What is seen is written (``memory``), and the queue itself may outlive the agent (``handover``).

Three things are not *no*: the time before the watch stood, while this agent or an earlier one was away; an overflow of
the queue; files that cannot be marked. What it must not know: bodies, policies.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import select
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from haechi.domain.actor import Actor
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.reads import Gap, Line, ReadFacts, unseen
from haechi.outbound.ledger.reads import SqliteReads
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.handover import Handover
from haechi.outbound.reads.marks import Marks
from haechi.outbound.reads.memory import BEAT, Memory
from haechi.outbound.reads.mounts import Mounts, unmarked
from haechi.outbound.reads.processes import there, uploader
from haechi.outbound.reads.queue import Queue
from haechi.outbound.reads.readers import Readers
from haechi.outbound.reads.steps import Steps, since_boot
from haechi.outbound.reads.succession import Succession
from haechi.ports.clock import Clock
from haechi.ports.protection import Observed, TaggedFile

WAKE = 1.0
PAUSE, LONGEST = 0.0005, 0.004
"""Seconds until the next look where the last brought only reads by processes that are known, twice as long each time:
what is taken at once costs little, but who comes and goes meanwhile cannot be asked any more.
"""
MOST_TOLD = 10

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
        handover: Handover | None = None,
    ) -> None:
        self._group, self._clock, self._known = group, clock, known
        self._lock = threading.Lock()
        self._memory = Memory(ledger, clock, self._lock)
        self._marks = Marks(group, named, released, self._lock, self._changed)
        own = os.getuid() if own is None else own
        privileged = group is not None and group.privileged
        self._readers = Readers(privileged, own, named, released, self._marks.files)
        self._queue = Queue(group, self._readers, self._memory, Steps(clock, elapsed))
        self._handover = handover or Handover()
        self._succession = Succession(self._handover, self._memory, self._marks, self._queue, self._lock)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._since: dt.datetime | None = None
        self._stands = threading.Event()
        self.why = why
        """What the kernel said, where it gave no group."""
        self._problem = "" if group else "reads.not-watched"

    @property
    def problem(self) -> str:
        """The code of why nothing, or not all, is seen or kept; empty where all is well."""
        return self._problem or ("reads.failed" if self._queue.failed else "")

    @property
    def seen(self) -> int:
        """Openings and readings of tagged files."""
        return self._readers.seen

    @property
    def gone(self) -> int:
        """Those of a process that could not be asked any more."""
        return self._readers.gone

    @property
    def overflows(self) -> int:
        """How often the kernel dropped something."""
        return self._queue.overflows

    # --- asked ----------------------------------------------------------------------------------------------------

    async def of(self, actor: Actor, window: dt.timedelta) -> ReadFacts:
        """See the port. In a thread: it asks the kernel's queue, and ``/proc`` where anybody read anything."""
        return await asyncio.to_thread(self.facts, actor, window)

    def facts(self, actor: Actor, window: dt.timedelta) -> ReadFacts:
        """The same, at once."""
        if self._group is None:
            return unseen("reads-not-watched", window)
        recent = self._memory
        with self._lock:
            self._queue.empty()
            now = self._clock.now()
            line: Line | Unknown = Unknown("no-process")  # nobody read: it is not looked at
            if recent.recent.any_since(now - window):
                line = uploader(actor)
            facts = recent.recent.of(actor.uid, line, now, window)
            standing = self._standing
            if recent.urgent:
                os.eventfd_write(self._wake, 1)  # written by the thread: nobody waits for it
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
        return "reads-files-not-watched" if self._marks.unwatched else ""

    def status(self) -> dict[str, object]:
        """Figures for ``haechi status``. Waits for nobody: it is asked by the event loop, and whoever empties the queue
        may hold the lock for long.
        """
        since, gaps = self._since, self._memory.recent.gaps[-MOST_TOLD:]
        sees = "processes" if self._group and self._group.privileged else "user" if self._group else "nothing"
        return {
            "sees": sees,
            "since": since.isoformat() if since else None,
            "files": len(self._marks.files),
            "unwatched": len(self._marks.unwatched),
            "readers": len(self._memory.recent),
            "overflows": self.overflows,
            "held": self._handover.held is not None,
            "gaps": [{"from": gap.begin.isoformat(), "to": gap.end.isoformat(), "cause": gap.cause} for gap in gaps],
        }

    # --- told by the index ------------------------------------------------------------------------------------------

    def observed(self, seen: Iterable[Observed]) -> None:
        """Tagged files were looked at: mark them. Called before the index says that it knows them."""
        for file in seen:
            self._marks.mark(file.path)

    def _changed(self, watched: bool) -> None:
        """Which files are watched changed: the next agent has to know, and what was read before, nobody saw."""
        self._memory.urgent = True
        if watched and self._since is not None:
            now = self._clock.now()
            self._memory.gap(Gap(now, now, "reads-files-not-watched"))

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
        self._memory.close()
        os.close(self._wake)

    def wait_ready(self, seconds: float) -> bool:
        """Wait until the watch stands."""
        return self._stands.wait(seconds)

    def _work(self) -> None:
        group = self._group
        if group is None:
            return
        pause, waiting, before = 0.0, select.poll(), self._clock.now()
        waiting.register(group.descriptor, select.POLLIN)
        waiting.register(self._wake, select.POLLIN)
        mounts = self._table(waiting)
        while not self._stopping.is_set():
            try:
                looked = self._clock.now()
                if self._since is None:
                    self._begin(group)
                woken = [descriptor for descriptor, _ in waiting.poll(WAKE * 1000)]
                if self._wake in woken:
                    os.eventfd_read(self._wake)
                if mounts is not None and mounts.descriptor in woken:
                    self._remounted(group, before)
                before = looked
                with self._lock:
                    self._queue.empty()
                    pause = 0.0 if self._readers.fresh else min(max(PAUSE, 2 * pause), LONGEST)
                if (self._clock.now() - self._memory.written_until).total_seconds() >= BEAT:
                    self._beat()
                elif self._memory.urgent:
                    self._keep(whole=False)
                if pause:
                    self._stopping.wait(pause)
            except Exception as error:  # an adapter's edge: what is strange is a gap, and never the end of watching
                self._doubt(error)
                self._stopping.wait(WAKE)
        if mounts is not None:
            mounts.close()
        if self._since is not None:  # else nothing was taken up that could be written on
            with self._lock:
                self._queue.empty()
            self._keep(whole=True)

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
            files = list(self._marks.files.values())
        lost = list(unmarked(group, files))
        for path in lost:
            self._marks.mark(path)
        if not lost:
            return
        log.warning("reads.mounted-anew", files=len(lost))
        with self._lock:
            now = self._clock.now()
            begin = min(before, now)
            self._memory.gap(Gap(begin, now, "reads-remounted", there(begin, now)))

    def _doubt(self, error: Exception) -> None:
        """What failed may have lost reads: unknown from the last look on, until it works again."""
        self._problem = error.code if isinstance(error, HaechiError) else "reads.failed"
        log.error("reads.failed", cause=repr(error))
        with self._lock:
            self._memory.missed("reads-failed", self._clock.now())

    def _begin(self, group: Fanotify) -> None:
        """Mark all that is known, take up what an earlier agent saw, and stand in its place."""
        self._problem = self._succession.begin(self._known(), self._clock.now())
        with self._lock:
            self._since = self._memory.reached
            files = list(self._marks.files.values())
        self._wrote(self._succession.hand_on(group, files))
        self._stands.set()
        log.info("reads.watched", files=len(files), unwatched=len(self._marks.unwatched))

    def _beat(self) -> None:
        self._marks.retry()
        self._memory.tidy()
        self._handover.count()
        self._keep(whole=True)

    def _keep(self, *, whole: bool) -> None:
        """Write what was seen. What cannot be written stays to be written; a restart then finds the gap longer."""
        self._wrote(self._memory.keep(self._succession.held(), whole=whole))

    def _wrote(self, problem: str) -> None:
        if problem and self._problem != problem:
            log.warning("reads.not-kept", cause=problem)
        self._problem = problem
        if not problem:
            self._queue.failed = False
