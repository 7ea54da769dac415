"""Appends to the audit: one writer thread, group commit, and an honest refusal when the disk says no.

Theory. Callers encode their event and put it in a bounded queue; the writer thread links what waits into the chain,
writes it with one call and syncs it::

    queue ──write──▶ page cache ──fdatasync──▶ disk
          at once                 at once if somebody waits (``durable``), else within ``flush_seconds``

So a killed process loses at most what was queued in the last moments (``linger_seconds``), a power cut at most
``flush_seconds`` of records that nobody waited for. When the disk refuses, the log is in an *outage*: what was taken
stays queued, every new call is refused with the cause, and the writer tries again until it works; the first record
then says how long, why, and how much was refused.

What it must not know: what an event means. Nothing here ever turns a failure into silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from haechi.domain.audit import MAX_LINE, Checkpoint, Link, canonical, instant, line_of
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.outbound.audit import checkpoints
from haechi.outbound.audit.segments import (
    CHECKPOINTS,
    End,
    named,
    prepare_folder,
    recover,
    segment_path,
    sync_folder,
    take_lock,
)
from haechi.outbound.trust.keys import SigningKey
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics

_log = structlog.get_logger(__name__)

_FRAME = 512
"""Bytes that a record needs besides its event, rounded up."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How the log writes. All are limits of this project's choosing; the law's retention period is not ours to set."""

    flush_seconds: float = 0.05
    """The longest that a record nobody waits for may be in memory of the machine alone."""
    linger_seconds: float = 0.01
    """How long such records gather before they are written."""
    durable_seconds: float = 5.0
    """How long a caller waits for a disk that does not answer before it is refused."""
    max_records: int = 50_000
    max_bytes: int = 64 * 1024 * 1024
    """What may wait in the queue."""
    segment_bytes: int = 64 * 1024 * 1024
    segment_seconds: float = 86_400.0
    checkpoint_records: int = 1000
    checkpoint_seconds: float = 60.0
    retry_seconds: float = 0.25
    """How often a disk that refused is asked again."""


@dataclass(slots=True)
class Counters:
    """What happened since the start. ``lost`` stays 0 unless the process ends while the disk still refuses."""

    durable: int = 0
    soon: int = 0
    own: int = 0
    commits: int = 0
    bytes: int = 0
    refused: int = 0
    failed: int = 0
    lost: int = 0
    outages: int = 0
    checkpoints: int = 0
    torn: int = 0


@dataclass(slots=True)
class _Waiter:
    """Somebody who waits for a record to be durable, in their own event loop."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


@dataclass(slots=True)
class _Item:
    kind: str
    time: str
    event: bytes
    waiter: _Waiter | None = None


@dataclass(slots=True)
class _Outage:
    error: HaechiError
    since: str
    refused: int = 0


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
        self._queue: deque[_Item] = deque()
        self._queued_bytes = 0
        self._urgent = 0
        self._closing = False
        self._outage: _Outage | None = None
        self._thread: threading.Thread | None = None
        self._lock = -1
        # From here on: the writer thread's own (before it runs, ``start``'s).
        self._fd = -1
        self._end = Link()
        self._recovered = False
        self._size = 0
        self._opened_at = 0.0
        self._unsynced_since: float | None = None
        self._waiting: list[_Waiter] = []
        self._uncovered = 0
        self._covered_at = 0.0
        self._unwitnessed: list[Checkpoint] = []

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
        self._put_back([_Item("opened", self._now(), canonical(own))])
        self._covered_at = self._clock.monotonic()
        try:
            self._open_chain()
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
        self._put(event, _Waiter(loop, future))
        try:
            async with asyncio.timeout(self._settings.durable_seconds):
                await future
        except TimeoutError as error:
            self._count("failed", "audit.late")
            raise HaechiError("audit.late", seconds=self._settings.durable_seconds) from error

    def soon(self, event: Mapping[str, JSON]) -> None:
        """Append without waiting. Raises as ``durable`` when the log is full, in an outage or closed. Thread-safe."""
        self._put(event, None)

    @property
    def health(self) -> HaechiError | None:
        """Why records cannot be made now; None while they can."""
        outage = self._outage
        return outage.error if outage else None

    def _put(self, event: Mapping[str, JSON], waiter: _Waiter | None) -> None:
        raw = _encoded(event)
        kind = str(event.get("kind", "event"))[:64].encode("ascii", "replace").decode()
        item = _Item(kind, self._now(), raw, waiter)
        limits = self._settings
        with self._wake:
            if self._outage is not None:
                self._outage.refused += 1
                self._count("refused", self._outage.error.code)
                raise HaechiError(self._outage.error.code, **self._outage.error.params)
            if self._closing or self._thread is None:
                raise HaechiError("audit.closed", folder=str(self._folder))
            if len(self._queue) >= limits.max_records or self._queued_bytes + len(raw) > limits.max_bytes:
                self._count("refused", "audit.full")
                raise HaechiError("audit.full", records=len(self._queue), bytes=self._queued_bytes)
            self._queue.append(item)
            self._queued_bytes += len(raw)
            if waiter is not None:
                self._urgent += 1
            if waiter is not None or len(self._queue) == 1:
                self._wake.notify()

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
            if closing and not batch:
                self._finish()
                return False
            self._settle()
        except (OSError, HaechiError) as error:
            self._put_back(batch)
            self._fail(named(error, self._folder) if isinstance(error, OSError) else error)
            if closing and not self._retry_last():
                return False
        return True

    def _next(self) -> tuple[list[_Item], bool]:
        """What to write next; empty when only a sync, checkpoint or rotation is due."""
        with self._wake:
            if self._outage is not None:
                if not self._closing:
                    self._wake.wait(self._settings.retry_seconds)
            elif not self._queue and not self._closing:
                self._wake.wait(self._until_due())
            if self._queue and not self._urgent and not self._closing and self._outage is None:
                self._wake.wait_for(lambda: self._urgent or self._closing, self._settings.linger_seconds)
            batch, self._queue = list(self._queue), deque()
            self._queued_bytes = self._urgent = 0
            return batch, self._closing

    def _until_due(self) -> float | None:
        now = self._clock.monotonic()
        due = []
        if self._unsynced_since is not None:
            due.append(self._unsynced_since + self._settings.flush_seconds)
        if self._uncovered:
            due.append(self._covered_at + self._settings.checkpoint_seconds)
        return max(0.0, min(due) - now) if due else None

    def _write(self, batch: list[_Item]) -> None:
        """Link and write; whoever waits is answered by the next sync. Raises ``OSError`` with nothing half done."""
        link, parts, waiting = self._end, [], []
        for item in batch:
            line, link = line_of(link, item.kind, item.time, item.event)
            parts.append(line)
            if item.waiter:
                waiting.append(item.waiter)
        self._append(b"".join(parts), link, len(batch))
        self._waiting += waiting
        self.counters.durable += len(waiting)
        self.counters.soon += len(batch) - len(waiting)
        batch.clear()

    def _append(self, data: bytes, link: Link, records: int) -> None:
        fd = self._fd
        if fd < 0:
            raise OSError("no segment is open")
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        except OSError:
            self._cut_back()
            raise
        self._size += len(data)
        self._end = link
        self._uncovered += records
        self.counters.bytes += len(data)
        if self._unsynced_since is None:
            self._unsynced_since = self._clock.monotonic()

    def _cut_back(self) -> None:
        """Take a half-written batch back, so that the file ends with a whole record; else look again on reopening."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._drop_segment()
            self._recovered = False

    def _drop_segment(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = -1
        self._unsynced_since = None

    def _settle(self) -> None:
        """Sync, checkpoint and rotate as far as they are due. Raises ``OSError``."""
        now = self._clock.monotonic()
        limits = self._settings
        since = self._unsynced_since
        if self._waiting or (since is not None and now - since >= limits.flush_seconds):
            self._sync()
        if self._uncovered >= limits.checkpoint_records or (
            self._uncovered and now - self._covered_at >= limits.checkpoint_seconds
        ):
            self._checkpoint()
        if self._fd >= 0 and (self._size >= limits.segment_bytes or now - self._opened_at >= limits.segment_seconds):
            self._rotate()

    def _sync(self) -> None:
        began = self._clock.monotonic()
        try:
            if not os.fstat(self._fd).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "somebody deleted the segment")
            os.fdatasync(self._fd)
        except OSError:
            # What a failed sync left in the cache is nobody's promise: go on in another file.
            self._drop_segment()
            raise
        self._unsynced_since = None
        self.counters.commits += 1
        if self._metrics:
            self._metrics.observe("haechi_audit_commit_seconds", self._clock.monotonic() - began)
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

    def _own(self, kind: str, event: Mapping[str, JSON]) -> None:
        """Append a record of the log's own."""
        line, link = line_of(self._end, kind, self._now(), canonical(event))
        self._append(line, link, 1)
        self.counters.own += 1

    def _checkpoint(self) -> None:
        """Sign where the chain stands, in the chain and beside it."""
        checkpoint = checkpoints.sign(self._key, self._end, self._now())
        self._own("checkpoint", checkpoint.as_json())
        self._sync()
        self._uncovered = 0
        self._covered_at = self._clock.monotonic()
        self.counters.checkpoints += 1
        self._unwitnessed.append(checkpoint)
        self._witness()

    def _witness(self) -> None:
        path = self._folder / CHECKPOINTS
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(handle).st_size
            data = checkpoints.lines(self._unwitnessed)
            if size and os.pread(handle, 1, size - 1) != b"\n":
                data = b"\n" + data  # a crash cut the last line; its original stands in the chain
            if os.write(handle, data) != len(data):
                raise OSError("checkpoints.jsonl was written in part")
            os.fdatasync(handle)
        finally:
            os.close(handle)
        self._unwitnessed.clear()

    def _rotate(self) -> None:
        if self._uncovered:
            self._checkpoint()
        elif self._unsynced_since is not None:
            self._sync()
        self._open_segment(segment_path(self._folder, self._end.seq + 1))

    def _open_segment(self, path: Path) -> None:
        fresh = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if fresh:
            sync_folder(self._folder)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size = handle, os.fstat(handle).st_size
        self._opened_at = self._clock.monotonic()

    def _open_chain(self) -> None:
        """Find the chain's end and open the segment to go on in. Raises ``OSError``."""
        if not self._recovered:
            stamp = self._clock.now().astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S%fZ")
            end = recover(self._folder, stamp)
            checkpoints.publish_key(self._folder, self._key)
            self._end = end.link
            self._recovered = True
            self._note(end)
            path = end.path
        else:
            path = None
        self._open_segment(path or segment_path(self._folder, self._end.seq + 1))

    def _note(self, end: End) -> None:
        for torn in end.torn:
            self.counters.torn += 1
            self._emit("haechi_audit_torn_total")
            _log.warning("audit-torn-tail", **{k: str(v) for k, v in torn.as_json().items()})
            self._put_back([_Item("recovered", self._now(), canonical(torn.as_json()))])

    # --- outages ---

    def _fail(self, error: HaechiError) -> None:
        """Enter an outage, or go on with one: tell everybody who waits, and whoever comes."""
        with self._wake:
            self._waiting += [item.waiter for item in self._queue if item.waiter]
            self._queue = deque(item for item in self._queue if not item.waiter)
            self._queued_bytes = sum(len(item.event) for item in self._queue)
            self._urgent = 0
            if self._outage is None:
                self._outage = _Outage(error, self._now())
                self.counters.outages += 1
                self._emit("haechi_audit_outages_total", cause=error.code)
                _log.error("audit-outage", cause=error.code)
            self._outage.error = error
            self._outage.refused += len(self._waiting)
            self.counters.failed += len(self._waiting)
        self._answer(error)

    def _put_back(self, batch: Iterable[_Item]) -> None:
        """What was taken but not written waits again, in its order."""
        with self._wake:
            for item in reversed(list(batch)):
                self._queue.appendleft(item)
                self._queued_bytes += len(item.event)
                self._urgent += item.waiter is not None

    def _resume(self) -> None:
        """Try to write again; the first record tells of the outage. Raises ``OSError`` while it lasts."""
        if self._fd < 0:
            self._open_chain()
        outage = self._outage
        if outage is not None:
            self._own("interrupted", {"cause": outage.error.code, "since": outage.since, "refused": outage.refused})
            self._sync()
            if self._unwitnessed:
                self._witness()
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
            self.counters.lost += lost
            if lost:
                self._emit("haechi_audit_lost_total", lost)
                _log.error("audit-lost", records=lost)
            return False
        return True

    def _finish(self) -> None:
        self._own("closed", {})
        self._checkpoint()

    def _release(self) -> None:
        self._drop_segment()
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


def _encoded(event: Mapping[str, JSON]) -> bytes:
    """The event's canonical form. Raises ``HaechiError``: ``audit.not-recordable``, ``audit.too-large``."""
    try:
        raw = canonical(event)
    except UnicodeEncodeError:
        raw = canonical({str(_spelled(name)): _spelled(item) for name, item in event.items()})
    except (TypeError, ValueError, RecursionError) as error:
        raise HaechiError("audit.not-recordable", cause=str(error)[:200]) from error
    if len(raw) > MAX_LINE - _FRAME:
        raise HaechiError("audit.too-large", bytes=len(raw), limit=MAX_LINE - _FRAME)
    return raw


def _spelled(value: JSON) -> JSON:
    """Names from the file system may hold bytes that are no text; they are spelled out, not lost."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(_spelled(name)): _spelled(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    return value
