"""The thread that writes: it takes what waits, links it, syncs, and outlives a disk that refuses.

It must not know what an event means. Nothing here turns a failure into silence: whoever waits is told, what could not
be kept is counted, and the log's own records tell of both.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from haechi.domain.audit import canonical, instant, line_of
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.outbound.audit.chain import ChainFile
from haechi.outbound.audit.limits import AuditSettings, Counters
from haechi.outbound.audit.queue import Item, Queue
from haechi.outbound.audit.segments import End, named
from haechi.outbound.audit.tally import Tally
from haechi.outbound.audit.waiters import Waiters
from haechi.outbound.trust.keys import SigningKey
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics

_log = structlog.get_logger(__name__)
_OWN = frozenset({"opened", "recovered"})
"""Kinds of records in the queue that tell of the log itself."""


@dataclass(slots=True)
class _Outage:
    error: HaechiError
    since: str
    refused: int = 0


@dataclass(slots=True)
class _Loss:
    """Records that nothing but their number is left of."""

    cause: str
    since: str
    records: int = 0


class Writer:
    """The queue and its thread. ``put``, ``keep`` and ``find`` may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        clock: Clock,
        settings: AuditSettings,
        counters: Counters,
        metrics: Metrics | None = None,
    ) -> None:
        self._folder, self._clock, self._settings = folder, clock, settings
        self._counters, self._metrics = counters, metrics
        self._wake = threading.Condition()
        self._queue = Queue(settings.max_records, settings.max_bytes)
        self._tally = Tally(folder)
        self._closing = False
        self._outage: _Outage | None = None
        self._loss: _Loss | None = None
        self._thread: threading.Thread | None = None
        # The thread's own (before it runs, ``start``'s).
        self._waiters = Waiters()
        self._chain = ChainFile(
            folder,
            key,
            clock,
            settings,
            counters,
            on_synced=self._synced,
            on_recovered=self._note,
            metrics=metrics,
        )

    # --- callers' side ---

    def start(self, opened: Mapping[str, JSON]) -> None:
        """Recover and begin; the first record is ``opened``. Raises ``HaechiError('audit.unwritable')``."""
        left = self._tally.open()
        if left:
            self._loss = _Loss("agent-ended", "", left)
        self._put_first([Item("opened", self.now(), canonical(opened))])
        try:
            self._chain.open()
        except OSError as error:
            cause = named(error, self._folder)
            if cause.code == "audit.unwritable":
                self._release()
                raise cause from error
            self._fail(cause)
        self._thread = threading.Thread(target=self._run, name="haechi-audit", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Write what waits and end. False where that takes longer than ``timeout`` seconds."""
        thread = self._thread
        if thread is None:
            return True
        with self._wake:
            self._closing = True
            self._wake.notify()
        thread.join(timeout)
        if thread.is_alive():
            return False
        self._thread = None
        self._release()
        return True

    @property
    def runs(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._thread is not None

    @property
    def health(self) -> HaechiError | None:
        """Why records cannot be made now; None while they can."""
        outage = self._outage
        return outage.error if outage else None

    def now(self) -> str:
        """The time that a record bears."""
        return instant(self._clock.now())

    def put(self, item: Item) -> None:
        """Queue a record. Raises ``HaechiError``: the outage's cause, ``audit.closed``, ``audit.full``."""
        with self._wake:
            if self._outage is not None:
                self._outage.refused += 1
                self.count("refused", self._outage.error.code)
                raise HaechiError(self._outage.error.code, **self._outage.error.params)
            if self._closing or self._thread is None:
                raise HaechiError("audit.closed", folder=str(self._folder))
            if not self._queue.offer(item):
                self.count("refused", "audit.full")
                raise HaechiError("audit.full", records=len(self._queue), bytes=self._queue.bytes)
            if item.waiter is not None or self._queue.untaken == 1:
                self._wake.notify()

    def keep(self, item: Item) -> bool:
        """Queue a record although the disk refuses; False where there is no room even in memory: it is counted."""
        with self._wake:
            writes = self._thread is not None and self._thread.is_alive() and not self._closing
            kept = writes and self._queue.offer(item)
            if kept:
                self._counters.later += 1
                self._wake.notify()
        if not kept:
            self.lose("audit.full")
        return kept

    def lose(self, cause: str, records: int = 1) -> None:
        """Count records that there will be none of; a record will tell of the number."""
        with self._wake:
            self._loss = self._loss or _Loss(cause, self.now())
            self._loss.records += records
            self._counters.lost += records
            self._wake.notify()
        self._emit("haechi_audit_lost_total", records)

    @property
    def waiting(self) -> int:
        """How many records are not yet written."""
        with self._wake:
            return len(self._queue)

    def find(self, part: bytes) -> list[bytes]:
        """The events, not yet written, in which these bytes stand; oldest first."""
        with self._wake:
            return [item.event for item in self._queue if part in item.event]

    def count(self, counter: str, cause: str) -> None:
        """Count what was refused or failed."""
        setattr(self._counters, counter, getattr(self._counters, counter) + 1)
        self._emit("haechi_audit_refused_total", cause=cause)

    def _emit(self, name: str, amount: int = 1, **labels: str) -> None:
        if self._metrics:
            self._metrics.count(name, amount, **labels)

    # --- the thread ---

    def _run(self) -> None:
        """Nothing but stopping ends this: whatever else comes is an outage, and is tried again."""
        ended = False
        while not ended:
            try:
                ended = not self._turn()
            except BaseException as error:
                ended = self._broke(error)

    def _broke(self, error: BaseException) -> bool:
        """Something failed that nothing here foresaw. True where the log was to be closed: it ends in the outage."""
        named = HaechiError("audit.broken", folder=str(self._folder), cause=type(error).__name__)
        with contextlib.suppress(Exception):
            with self._wake:
                self._queue.put_back()
            self._chain.mistrust()
            self._fail(named)
            _say("error", "audit-writer-failed", exc_info=error)
        with self._wake:
            self._outage = self._outage or _Outage(named, "")
            return self._closing

    def _turn(self) -> bool:
        """Wait for work, do it. False when all is done and the log is closed."""
        batch, closing = self._next()
        try:
            if self._outage is not None:
                self._resume()
            if batch:
                self._write(batch)
            if closing and not batch and self._loss is None:
                self._finish()
                return False
            self._tell_loss()
            self._chain.settle(waited=bool(self._waiters))
        except (OSError, HaechiError) as error:
            with self._wake:
                self._queue.put_back()
            self._fail(named(error, self._folder) if isinstance(error, OSError) else error)
            if closing and not self._retry_last():
                return False
        return True

    def _next(self) -> tuple[list[Item], bool]:
        """What to write next; empty when only a sync, checkpoint or rotation is due."""
        with self._wake:
            if self._outage is not None:
                if not self._closing:
                    self._wake.wait(self._settings.retry_seconds)
            elif not self._queue.untaken and not self._closing and self._loss is None:
                self._wake.wait(self._chain.until_due())
            urgent = self._queue.urgent or self._closing or self._outage is not None
            if self._queue.untaken and not urgent:
                self._wake.wait_for(lambda: self._queue.urgent or self._closing, self._settings.linger_seconds)
            return self._queue.take(), self._closing

    def _write(self, batch: list[Item]) -> None:
        """Link and write; whoever waits is answered by the next sync. Raises ``OSError`` with nothing half done."""
        link, parts, waiting = self._chain.end, [], []
        for item in batch:
            line, link = line_of(link, item.kind, item.time, item.event)
            parts.append(line)
            if item.waiter:
                waiting.append(item.waiter)
        self._chain.append(b"".join(parts), link, len(batch))
        self._waiters.add(waiting)
        self._counters.durable += len(waiting)
        self._counters.soon += len(batch) - len(waiting)
        with self._wake:
            self._queue.written()
        batch.clear()

    def _tell_loss(self) -> None:
        """A record of how many there are none of."""
        with self._wake:
            loss, self._loss = self._loss, None
        if loss is None:
            return
        try:
            self._chain.own("lost", {"records": loss.records, "cause": loss.cause, "since": loss.since})
        except OSError:
            with self._wake:
                later = self._loss.records if self._loss else 0
                self._loss = _Loss(loss.cause, loss.since, loss.records + later)
            raise

    def _synced(self) -> None:
        """All that is in the chain is on the disk."""
        if self._tally.value and self._outage is None and self._loss is None:
            self._tally.set(0)
        self._waiters.tell(None)

    def _note(self, end: End) -> None:
        for torn in end.torn:
            self._counters.torn += 1
            self._emit("haechi_audit_torn_total")
            _say("warning", "audit-torn-tail", **{k: str(v) for k, v in torn.as_json().items()})
            self._put_first([Item("recovered", self.now(), canonical(torn.as_json()))])

    # --- outages ---

    def _fail(self, error: HaechiError) -> None:
        """Enter an outage, or go on with one: tell everybody who waits, and whoever comes."""
        with self._wake:
            self._waiters.add(self._queue.without_waiters())
            begins = self._outage is None
            if self._outage is None:
                self._outage = _Outage(error, self.now())
                self._counters.outages += 1
                self._emit("haechi_audit_outages_total", cause=error.code)
            self._outage.error = error
            self._outage.refused += len(self._waiters)
            self._counters.failed += len(self._waiters)
            unwritten = sum(item.kind not in _OWN for item in self._queue) + (self._loss.records if self._loss else 0)
        told = self._tally.set(unwritten)
        self._waiters.tell(error)
        if begins:
            _say("error", "audit-outage", cause=error.code)
        if not told:
            _say("warning", "audit-tally-unwritable", unwritten=unwritten)

    def _put_first(self, items: Iterable[Item]) -> None:
        with self._wake:
            self._queue.put_first(items)

    def _resume(self) -> None:
        """Try to write again; the first record tells of the outage. Raises ``OSError`` while it lasts."""
        if not self._chain.is_open:
            self._chain.open()
        outage = self._outage
        if outage is not None:
            self._chain.own(
                "interrupted", {"cause": outage.error.code, "since": outage.since, "refused": outage.refused}
            )
            self._chain.sync()
            self._chain.witness()
            with self._wake:
                self._outage = None
            _say("warning", "audit-resumed", since=outage.since, refused=outage.refused)

    def _retry_last(self) -> bool:
        """Closing in an outage: one more try, then say what is lost."""
        with self._wake:
            lost = len(self._queue)
        try:
            self._resume()
        except (OSError, HaechiError):
            if lost:
                self._counters.lost += lost
                self._emit("haechi_audit_lost_total", lost)
                _say("error", "audit-lost", records=lost)
            return False
        return True

    def _finish(self) -> None:
        self._chain.own("closed", {})
        self._chain.checkpoint()

    def _release(self) -> None:
        self._chain.drop()
        self._tally.close()


def _say(level: str, event: str, **about: object) -> None:
    """A line for the operations log. What becomes of it is nothing to the audit."""
    with contextlib.suppress(Exception):
        getattr(_log, level)(event, **about)
