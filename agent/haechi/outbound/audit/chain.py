"""The chain on disk: the segment that is written to, its syncs, its checkpoints, and going on in the next one.

Every method may raise ``OSError``, after which nothing is half written: either the segment ends with a whole record,
or it is closed and the next ``open`` looks again. One thread at a time; it must not know who waits for a record.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from haechi.domain.audit import Checkpoint, Link, canonical, instant, line_of
from haechi.domain.facts import JSON
from haechi.durable import sync_folder
from haechi.outbound.audit import checkpoints
from haechi.outbound.audit.limits import AuditSettings, Counters
from haechi.outbound.audit.segments import CHECKPOINTS, End, recover, segment_path
from haechi.outbound.trust.keys import SigningKey
from haechi.ports.clock import Clock
from haechi.ports.metrics import Metrics


class ChainFile:
    """The end of the chain in ``folder``."""

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        clock: Clock,
        settings: AuditSettings,
        counters: Counters,
        *,
        on_synced: Callable[[], None],
        on_recovered: Callable[[End], None],
        metrics: Metrics | None = None,
    ) -> None:
        """``on_synced`` is called when all that was appended is durable, ``on_recovered`` once, with what was found."""
        self._folder, self._key, self._clock = folder, key, clock
        self._settings, self._counters, self._metrics = settings, counters, metrics
        self._on_synced, self._on_recovered = on_synced, on_recovered
        self._fd = -1
        self._end = Link()
        self._recovered = False
        self._size = 0
        self._opened_at = 0.0
        self._unsynced_since: float | None = None
        self._uncovered = 0
        self._covered_at = clock.monotonic()
        self._unwitnessed: list[Checkpoint] = []

    @property
    def end(self) -> Link:
        """The last record's number and hash."""
        return self._end

    @property
    def is_open(self) -> bool:
        """Whether there is a segment to write to."""
        return self._fd >= 0

    def until_due(self) -> float | None:
        """Seconds until something is due although nothing comes; None where nothing is."""
        now = self._clock.monotonic()
        due = []
        if self._unsynced_since is not None:
            due.append(self._unsynced_since + self._settings.flush_seconds)
        if self._uncovered:
            due.append(self._covered_at + self._settings.checkpoint_seconds)
        return max(0.0, min(due) - now) if due else None

    def append(self, data: bytes, link: Link, records: int) -> None:
        """Write records that end the chain at ``link``. Raises ``OSError`` with nothing half done."""
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
        self._counters.bytes += len(data)
        if self._unsynced_since is None:
            self._unsynced_since = self._clock.monotonic()

    def _cut_back(self) -> None:
        """Take a half-written batch back, so that the file ends with a whole record; else look again on reopening."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self.mistrust()

    def drop(self) -> None:
        """Close the segment; the next ``open`` goes on in another."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = -1
        self._unsynced_since = None

    def mistrust(self) -> None:
        """What was last written may be half of it: the next ``open`` looks at what the disk really holds."""
        self.drop()
        self._recovered = False

    def settle(self, *, waited: bool) -> None:
        """Sync, checkpoint and rotate as far as they are due; sync at once where somebody waits. Raises ``OSError``."""
        now = self._clock.monotonic()
        limits = self._settings
        since = self._unsynced_since
        if waited or (since is not None and now - since >= limits.flush_seconds):
            self.sync()
        if self._uncovered >= limits.checkpoint_records or (
            self._uncovered and now - self._covered_at >= limits.checkpoint_seconds
        ):
            self.checkpoint()
        if self._fd >= 0 and (self._size >= limits.segment_bytes or now - self._opened_at >= limits.segment_seconds):
            self._rotate()

    def sync(self) -> None:
        """Make what was written durable. Raises ``OSError``."""
        began = self._clock.monotonic()
        try:
            if not os.fstat(self._fd).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "somebody deleted the segment")
            os.fdatasync(self._fd)
        except OSError:
            # What a failed sync left in the cache is nobody's promise: go on in another file.
            self.drop()
            raise
        self._unsynced_since = None
        self._counters.commits += 1
        if self._metrics:
            self._metrics.observe("haechi_audit_commit_seconds", self._clock.monotonic() - began)
        self._on_synced()

    def own(self, kind: str, event: Mapping[str, JSON]) -> None:
        """Append a record of the log's own."""
        line, link = line_of(self._end, kind, instant(self._clock.now()), canonical(event))
        self.append(line, link, 1)
        self._counters.own += 1

    def checkpoint(self) -> None:
        """Sign where the chain stands, in the chain and beside it."""
        checkpoint = checkpoints.sign(self._key, self._end, instant(self._clock.now()))
        self.own("checkpoint", checkpoint.as_json())
        self.sync()
        self._uncovered = 0
        self._covered_at = self._clock.monotonic()
        self._counters.checkpoints += 1
        self._unwitnessed.append(checkpoint)
        self.witness()

    def witness(self) -> None:
        """Write the checkpoints that stand in the chain alone beside it too. Raises ``OSError``."""
        if not self._unwitnessed:
            return
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
            self.checkpoint()
        elif self._unsynced_since is not None:
            self.sync()
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

    def open(self) -> None:
        """Find the chain's end and open the segment to go on in. Raises ``OSError``."""
        if not self._recovered:
            stamp = self._clock.now().astimezone(dt.UTC).strftime("%Y%m%dT%H%M%S%fZ")
            end = recover(self._folder, stamp)
            checkpoints.publish_key(self._folder, self._key)
            self._end = end.link
            self._recovered = True
            self._on_recovered(end)
            path = end.path
        else:
            path = None
        self._open_segment(path or segment_path(self._folder, self._end.seq + 1))
