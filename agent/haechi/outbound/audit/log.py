"""Appends to the audit: one writer thread, group commit, and an honest refusal when the disk says no.

Theory. Callers encode their event and put it in a bounded queue; the writer thread links what waits into the chain,
writes it with one call and syncs it::

    queue ──write──▶ page cache ──fdatasync──▶ disk
          at once                 at once if somebody waits (``durable``), else within ``flush_seconds``

So a killed process loses at most what was queued in the last moments (``linger_seconds``), a power cut at most
``flush_seconds`` of records that nobody waited for. When the disk refuses, the log is in an *outage*: what was taken
stays queued, ``durable`` and ``soon`` are refused with the cause, and the writer tries again until it works; the first
record then says how long, why, and how much was refused. Verdicts that are out already (a refusal for want of a record;
anything in monitor mode) are given to ``later``: they wait in the same queue, and what has no room even there, or dies
with the agent, is counted and told of in a ``lost`` record.

What it must not know: what an event means. Nothing here ever turns a failure into silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog

from haechi.domain.audit import canonical, instant, line_of
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.outbound.audit.chain import ChainFile
from haechi.outbound.audit.encoding import encoded
from haechi.outbound.audit.limits import AuditSettings, Counters
from haechi.outbound.audit.queue import Item, Queue, Waiter
from haechi.outbound.audit.segments import End, named, prepare_folder, take_lock
from haechi.outbound.audit.tally import Tally
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


class SegmentedAuditLog:
    """Implements ``haechi.ports.audit.AuditLog`` in a folder. Use ``start`` and ``close``, or ``with``."""

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        clock: Clock,
        settings: AuditSettings | None = None,
        *,
        metrics: Metrics | None = None,
        about: Mapping[str, JSON] | None = None,
    ) -> None:
        """``key`` signs checkpoints. ``about`` stands in the record of each start (version, mode)."""
        self._folder, self._key, self._clock = folder, key, clock
        self._settings = settings or AuditSettings()
        self._metrics, self._about = metrics, dict(about or {})
        self.counters = Counters()
        self._wake = threading.Condition()
        self._queue = Queue(self._settings.max_records, self._settings.max_bytes)
        self._tally = Tally(folder)
        self._closing = False
        self._outage: _Outage | None = None
        self._loss: _Loss | None = None
        self._thread: threading.Thread | None = None
        self._lock = -1
        # The writer thread's own (before it runs, ``start``'s).
        self._waiting: list[Waiter] = []
        self._chain = ChainFile(
            folder,
            key,
            clock,
            self._settings,
            self.counters,
            on_synced=self._synced,
            on_recovered=self._note,
            metrics=metrics,
        )

    # --- callers' side ---

    def start(self) -> Self:
        """Take the folder, recover, and begin to write.

        Raises ``HaechiError``: ``audit.locked``, ``audit.unwritable``. A full disk does not raise: the log starts in
        an outage and refuses until there is room.
        """
        try:
            prepare_folder(self._folder)
            self._lock = take_lock(self._folder)
        except OSError as error:
            raise named(error, self._folder) from error
        own = {**self._about, "key": self._key.id}
        left = self._tally.open()
        if left:
            self._loss = _Loss("agent-ended", "", left)
        self._put_first([Item("opened", self._now(), canonical(own))])
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
        return self

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits, sign a last checkpoint, give the folder free. Waits at most ``timeout`` seconds."""
        thread = self._thread
        if thread is None:
            return
        with self._wake:
            self._closing = True
            self._wake.notify()
        thread.join(timeout)
        if not thread.is_alive():
            self._thread = None
            self._release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def durable(self, event: Mapping[str, JSON]) -> None:
        """Append, and return once it is on the disk.

        Raises ``HaechiError``: ``audit.disk-full``, ``audit.unwritable``, ``audit.broken``, ``audit.full`` (queue),
        ``audit.late`` (no answer from the disk in time; the record may still follow), ``audit.closed``,
        ``audit.too-large``, ``audit.not-recordable``. Whoever gets one must refuse.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._put(event, Waiter(loop, future))
        try:
            async with asyncio.timeout(self._settings.durable_seconds):
                await future
        except TimeoutError as error:
            self._count("failed", "audit.late")
            raise HaechiError("audit.late", seconds=self._settings.durable_seconds) from error

    def soon(self, event: Mapping[str, JSON]) -> None:
        """Append without waiting. Raises as ``durable`` when the log is full, in an outage or closed. Thread-safe."""
        self._put(event, None)

    def later(self, event: Mapping[str, JSON]) -> bool:
        """Append although the disk refuses: the record follows as soon as it can be written. Thread-safe.

        False where there is no room for it even in memory, or it cannot be a record: it is counted, and a record will
        tell of the number. Never raises.
        """
        try:
            item = self._item(event, None)
        except HaechiError as error:
            self._lose(error.code)
            return False
        with self._wake:
            writes = self._thread is not None and self._thread.is_alive() and not self._closing
            kept = writes and self._queue.offer(item)
            if kept:
                self.counters.later += 1
                self._wake.notify()
        if not kept:
            self._lose("audit.full")
        return kept

    def unwritten(self, decision_id: str) -> Mapping[str, JSON] | None:
        """The event with this id, where it still waits to be written."""
        wanted = decision_id.encode()
        with self._wake:
            likely = [item.event for item in self._queue if wanted in item.event]
        events = (msgspec.json.decode(raw, type=dict[str, Any]) for raw in reversed(likely))
        return next((event for event in events if event.get("id") == decision_id), None)

    @property
    def health(self) -> HaechiError | None:
        """Why records cannot be made now; None while they can."""
        outage = self._outage
        return outage.error if outage else None

    def _item(self, event: Mapping[str, JSON], waiter: Waiter | None) -> Item:
        kind = str(event.get("kind", "event"))[:64].encode("ascii", "replace").decode()
        return Item(kind, self._now(), encoded(event), waiter)

    def _put(self, event: Mapping[str, JSON], waiter: Waiter | None) -> None:
        item = self._item(event, waiter)
        with self._wake:
            if self._outage is not None:
                self._outage.refused += 1
                self._count("refused", self._outage.error.code)
                raise HaechiError(self._outage.error.code, **self._outage.error.params)
            if self._closing or self._thread is None:
                raise HaechiError("audit.closed", folder=str(self._folder))
            if not self._queue.offer(item):
                self._count("refused", "audit.full")
                raise HaechiError("audit.full", records=len(self._queue), bytes=self._queue.bytes)
            if waiter is not None or self._queue.untaken == 1:
                self._wake.notify()

    def _lose(self, cause: str, records: int = 1) -> None:
        with self._wake:
            self._loss = self._loss or _Loss(cause, self._now())
            self._loss.records += records
            self.counters.lost += records
            self._wake.notify()
        self._emit("haechi_audit_lost_total", records)

    def _now(self) -> str:
        return instant(self._clock.now())

    # --- the writer thread ---

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as error:
            # Nothing here may die quietly: callers learn that there is no writer any more.
            _log.exception("audit-writer-died")
            self._fail(HaechiError("audit.broken", folder=str(self._folder), cause=type(error).__name__))

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
            self._chain.settle(waited=bool(self._waiting))
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
        self._waiting += waiting
        self.counters.durable += len(waiting)
        self.counters.soon += len(batch) - len(waiting)
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
        self._answer(None)

    def _answer(self, error: HaechiError | None) -> None:
        """Tell those who wait, one call into each event loop."""
        waiting, self._waiting = self._waiting, []
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for waiter in waiting:
            by_loop.setdefault(waiter.loop, []).append(waiter.future)
        for loop, futures in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_resolve, futures, error)

    def _note(self, end: End) -> None:
        for torn in end.torn:
            self.counters.torn += 1
            self._emit("haechi_audit_torn_total")
            _log.warning("audit-torn-tail", **{k: str(v) for k, v in torn.as_json().items()})
            self._put_first([Item("recovered", self._now(), canonical(torn.as_json()))])

    # --- outages ---

    def _fail(self, error: HaechiError) -> None:
        """Enter an outage, or go on with one: tell everybody who waits, and whoever comes."""
        with self._wake:
            self._waiting += self._queue.without_waiters()
            if self._outage is None:
                self._outage = _Outage(error, self._now())
                self.counters.outages += 1
                self._emit("haechi_audit_outages_total", cause=error.code)
                _log.error("audit-outage", cause=error.code)
            self._outage.error = error
            self._outage.refused += len(self._waiting)
            self.counters.failed += len(self._waiting)
            unwritten = sum(item.kind not in _OWN for item in self._queue) + (self._loss.records if self._loss else 0)
        if not self._tally.set(unwritten):
            _log.warning("audit-tally-unwritable", unwritten=unwritten)
        self._answer(error)

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
            _log.warning("audit-resumed", since=outage.since, refused=outage.refused)

    def _retry_last(self) -> bool:
        """Closing in an outage: one more try, then say what is lost."""
        with self._wake:
            lost = len(self._queue)
        try:
            self._resume()
        except (OSError, HaechiError):
            if lost:
                self.counters.lost += lost
                self._emit("haechi_audit_lost_total", lost)
                _log.error("audit-lost", records=lost)
            return False
        return True

    def _finish(self) -> None:
        self._chain.own("closed", {})
        self._chain.checkpoint()

    def _release(self) -> None:
        self._chain.drop()
        self._tally.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _count(self, counter: str, cause: str) -> None:
        setattr(self.counters, counter, getattr(self.counters, counter) + 1)
        self._emit("haechi_audit_refused_total", cause=cause)

    def _emit(self, name: str, amount: int = 1, **labels: str) -> None:
        if self._metrics:
            self._metrics.count(name, amount, **labels)


def _resolve(futures: Iterable[asyncio.Future[None]], error: HaechiError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(HaechiError(error.code, **error.params))
