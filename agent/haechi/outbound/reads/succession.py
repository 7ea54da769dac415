"""What an agent that starts takes over from the one before it, and what it leaves to the next.

Theory. Without a gap is a start only where the earlier group was handed over and nothing is doubtful: it lost no event
and no mark, everything that was taken from it is written, and the processes that it names are the ones that were meant.
Else nobody knows what was read from the last writing up to now. Whoever had a process at the end of a short gap may
have opened something in it and may send that at any time later, so the window counts from the end of the gap however
short it was.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence

import structlog

from haechi.domain.reads import KEPT, Gap
from haechi.outbound.ledger.reads import Held, Remembered
from haechi.outbound.reads.fanotify import Fanotify
from haechi.outbound.reads.handover import Handover, trusted
from haechi.outbound.reads.marks import Marks
from haechi.outbound.reads.memory import Memory
from haechi.outbound.reads.mounts import unmarked
from haechi.outbound.reads.processes import there
from haechi.outbound.reads.queue import Left, Queue
from haechi.outbound.reads.readers import Marked
from haechi.ports.protection import TaggedFile

COLLECTED = 256
"""Files that are marked before it is asked again who waits in the earlier group."""

log = structlog.get_logger(__name__)


class Succession:
    """Once, in the order of its methods."""

    def __init__(self, handover: Handover, memory: Memory, marks: Marks, queue: Queue, lock: threading.Lock) -> None:
        self._handover, self._memory, self._marks, self._queue, self._lock = handover, memory, marks, queue, lock
        self._written = memory.open()
        self._left: Left | None = None
        self._held: Held | None = None

    def begin(self, files: Sequence[TaggedFile], now: dt.datetime) -> str:
        """Mark all, and take up what an earlier agent saw; the code of why what it wrote cannot be read, if so."""
        remembered, lost = self._memory.load(now)
        whole = self._found(remembered, files) and not lost
        for number, file in enumerate(files):
            if self._left is not None and number % COLLECTED == 0:
                self._left.collect()
            self._marks.mark(file.path)
        with self._lock:
            self._queue.empty(self._left)
            begun = self._memory.reached
            whole = whole and self._left is not None and self._left.whole
            self._memory.take_up(remembered, begun, unbroken=whole)
            # Where nobody watched before and nothing was tagged, there was nothing to miss.
            if not whole and (lost or remembered.until or files):
                # Where the clock was set back meanwhile, nobody knows for how long nobody watched.
                since = remembered.until if remembered.until and remembered.until <= begun else None
                away = since or begun - KEPT
                self._memory.gap(Gap(away, begun, "reads-interrupted", there(away, begun)))
            self._queue.empty(self._left)
        return lost

    def _found(self, remembered: Remembered, files: Sequence[TaggedFile]) -> bool:
        """Whether the group that the earlier agent kept account of is there, and as it was left."""
        held = self._held = remembered.held
        group = self._handover.take(held)
        if group is None or held is None:
            return False
        left = self._left = Left(group, held.maker)
        left.collect()
        lost = any(unmarked(group, [Marked(file.path, file.stamp.device, file.stamp.inode) for file in files]))
        trust = trusted(held)
        self._marks.earlier = group
        log.info("reads.handed-over", written=self._written, trusted=trust, marked=not lost, whole=left.whole)
        return self._written and trust and not lost

    def hand_on(self, group: Fanotify, files: Sequence[Marked]) -> str:
        """The own group stands: have it held for the next agent, and end the earlier one. The code of why nothing could
        be written, if so.
        """
        self._handover.give(group)
        problem = self._memory.keep(self.held(), whole=True)
        left, held = self._left, self._held
        if left is None or held is None:
            return problem
        remounted = any(unmarked(left.group, files))
        with self._lock:
            self._queue.empty(left)
            self._marks.earlier = self._left = None
            if remounted:
                now = self._memory.reached
                self._memory.gap(Gap(now, now, "reads-remounted"))
        self._handover.let_go(held, left.group)
        return problem

    def held(self) -> Held | None:
        """What the next agent has to know; None where it can rely on nothing."""
        return None if self._marks.unwatched else self._handover.held
