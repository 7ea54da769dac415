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
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog

from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.outbound.audit.encoding import encoded
from haechi.outbound.audit.limits import AuditSettings, Counters
from haechi.outbound.audit.queue import Item
from haechi.outbound.audit.segments import named, prepare_folder, take_lock
from haechi.outbound.audit.waiters import Waiter
from haechi.outbound.audit.writer import Writer
from haechi.outbound.trust.keys import SigningKey
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics

_log = structlog.get_logger(__name__)


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
        self._folder, self._settings = folder, settings or AuditSettings()
        self.key = key.id
        """The id of the key that signs checkpoints. No two agents have the same."""
        self._opened = {**(about or {}), "key": key.id}
        self.counters = Counters()
        self._writer = Writer(folder, key, clock, self._settings, self.counters, metrics)
        self._lock = -1

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
        try:
            self._writer.start(self._opened)
        except HaechiError:
            self._release()
            raise
        return self

    def close(self, timeout: float = 10.0) -> bool:
        """Write what waits, sign a last checkpoint, give the folder free. Waits at most ``timeout`` seconds.

        False where that was too short: the folder stays taken, and what waits may not be written.
        """
        if not self._writer.runs:
            return True
        if not self._writer.stop(timeout):
            self._writer.count("failed", "audit.late")
            _log.error("audit-not-closed", folder=str(self._folder), seconds=timeout)
            return False
        self._release()
        return True

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
        self._writer.put(self._item(event, Waiter(loop, future)))
        try:
            async with asyncio.timeout(self._settings.durable_seconds):
                await future
        except TimeoutError as error:
            self._writer.count("failed", "audit.late")
            raise HaechiError("audit.late", seconds=self._settings.durable_seconds) from error

    def soon(self, event: Mapping[str, JSON]) -> None:
        """Append without waiting. Raises as ``durable`` when the log is full, in an outage or closed. Thread-safe."""
        self._writer.put(self._item(event))

    def later(self, event: Mapping[str, JSON]) -> bool:
        """Append although the disk refuses: the record follows as soon as it can be written. Thread-safe.

        False where there is no room for it even in memory, or it cannot be a record: it is counted, and a record will
        tell of the number. Never raises.
        """
        try:
            item = self._item(event)
        except HaechiError as error:
            self._writer.lose(error.code)
            return False
        return self._writer.keep(item)

    def unwritten(self, decision_id: str) -> Mapping[str, JSON] | None:
        """The event with this id, where it still waits to be written."""
        likely = reversed(self._writer.find(decision_id.encode()))
        events = (msgspec.json.decode(raw, type=dict[str, Any]) for raw in likely)
        return next((event for event in events if event.get("id") == decision_id), None)

    @property
    def waiting(self) -> int:
        """How many records are not yet written."""
        return self._writer.waiting

    @property
    def health(self) -> HaechiError | None:
        """Why records cannot be made now; None while they can."""
        return self._writer.health

    def _item(self, event: Mapping[str, JSON], waiter: Waiter | None = None) -> Item:
        kind = str(event.get("kind", "event"))[:64].encode("ascii", "replace").decode()
        return Item(kind, self._writer.now(), encoded(event), waiter)

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
