"""Watch folders and keep the index true to them.

The kernel's events (``events``) are hints about where to look, never the truth: each leads to a look at the file as it
is (``following``). Events get lost in bursts (``IN_Q_OVERFLOW``): then, when the folders are first watched, and from
time to time besides, everything is gone through. Everything that reads files happens in one worker thread, and in a
second one for large files; watchdog's threads only hand over names. Between two files of a scan, or of a folder with
all in it, the worker looks at single changes that came meanwhile, and whether it is to end.

Names that were tagged outside the roots are remembered by the index; their folders are watched too (``Elsewhere``).
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH120

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import structlog
from watchdog.observers import Observer

from haechi.app.indexing import Indexing
from haechi.app.scan_report import Progress
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.inbound.watch.changes import Change, Changes, Kind
from haechi.inbound.watch.elsewhere import Elsewhere
from haechi.inbound.watch.events import EVENTS, QUIET, Events, FolderEvents, Overflows
from haechi.inbound.watch.following import PATIENCE, Following

LONGEST_PAUSE = 2.0
"""Seconds between two tries to write an index that refuses."""
LATE = 1.0
MOST_ELSEWHERE = 256
_log = structlog.get_logger(__name__)

Names: TypeAlias = "Mapping[str, tuple[Tag, ...]]"
"""Names, and the tags that were given to them."""


class Watcher:
    """Watches ``roots`` from ``start`` to ``stop``. ``rescan`` is the longest time between two full scans,
    ``late_after`` the longest that a change may wait to be looked at, both in seconds; ``most_elsewhere`` bounds the
    folders outside the roots. ``pending`` hands over names that were tagged while nobody watched.
    """

    def __init__(
        self,
        indexing: Indexing,
        roots: Sequence[str],
        *,
        rescan: float = 3600.0,
        progress: Progress | None = None,
        changes: Changes | None = None,
        late_after: float = LATE,
        most_elsewhere: int = MOST_ELSEWHERE,
        pending: Callable[[Callable[[Names], Sequence[str]]], None] = lambda take: None,
    ) -> None:
        self._indexing = indexing
        self._roots = [os.path.realpath(root) for root in roots]
        self._rescan = rescan
        self._progress = progress
        self.changes = changes if changes is not None else Changes()
        self._stopping = threading.Event()
        self._scanned = threading.Event()
        self._worker: threading.Thread | None = None
        self._observer = Observer()
        self._overflows: Overflows | None = None
        self._following = Following(indexing, self.changes, progress, self._stopping.is_set)
        self.large = self._following.large
        self.misunderstood = self._following.misunderstood
        self._late_after = late_after
        self._pending = pending
        self._elsewhere = Elsewhere(self._watch_folder, most_elsewhere)
        self.scans = 0
        self.overflows = 0
        self._failures = 0
        self._hindered: OSError | None = None
        self._unwatched: dict[str, str] = {}
        self.blind = ""
        """Why nobody is told when the kernel drops events: then only the scans find what is lost."""

    def start(self) -> None:
        """Begin: watch first, then go through everything, so that nothing falls between."""
        for root in self._roots:
            try:
                self._observer.schedule(Events(self.changes), root, recursive=True, event_filter=EVENTS)
            except OSError as error:
                self._cannot_watch(root, error)
        try:
            self._observer.start()
        except OSError as error:
            # Most often fs.inotify.max_user_watches: the scans still find every change, only later.
            self._hindered = error
            for root in self._roots:
                self._cannot_watch(root, error)
        else:
            self._watch_overflows()
        self.changes.rescan()
        self._worker = threading.Thread(target=self._work, name="haechi-watch", daemon=True)
        self._worker.start()
        self.large.start()

    def stop(self) -> None:
        """End. Waits for the one file that is being read."""
        self._stopping.set()
        self.changes.close()
        if self._overflows is not None:
            self._overflows.close()
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join(timeout=5)
        if self._worker is not None:
            self._worker.join(timeout=30)
        self.large.stop()

    def wait_scanned(self, seconds: float) -> bool:
        """Wait until the folders were gone through once."""
        return self._scanned.wait(seconds)

    @property
    def failures(self) -> int:
        """How often a look failed, or the index could not be written."""
        return self._failures + self._following.failures

    @property
    def late(self) -> bool:
        """Whether a change waits longer than it may, or changes were lost: what the files hold is not known then."""
        return self.changes.late(self._late_after) or self.large.late(self._late_after)

    @property
    def unwatched(self) -> dict[str, str]:
        """Folders that are looked at with full scans alone, and why."""
        return {**self._unwatched, **self._elsewhere.unwatched}

    def cover(self, names: Sequence[str]) -> dict[str, str]:
        """Watch the folders of names that were tagged just now, where the roots do not lead there; those that could not
        be watched, and why.
        """
        outside = self._indexing.outside(self._roots, names)
        self._look_again(outside, self._elsewhere.cover(outside))
        unwatched = self._elsewhere.unwatched
        return {folder: unwatched[folder] for folder in {os.path.dirname(name) for name in outside} & unwatched.keys()}

    def _keep_elsewhere(self) -> None:
        outside = list(self._indexing.elsewhere(self._roots))
        self._look_again(outside, self._elsewhere.keep(outside))

    def _look_again(self, names: Sequence[str], folders: set[str]) -> None:
        """What changed in these folders before they were watched was not seen."""
        for name in names:
            if os.path.dirname(name) in folders:
                self.changes.put(Change(Kind.TOUCHED, name))

    def _watch_folder(self, folder: str) -> Callable[[], None]:
        if self._hindered is not None:
            raise self._hindered
        handler = FolderEvents(self.changes, folder, self._elsewhere.ended)
        watch = self._observer.schedule(handler, folder, event_filter=EVENTS)
        return lambda: self._observer.unschedule(watch)

    def status(self) -> dict[str, object]:
        """Figures for ``haechi status``."""
        return {
            "roots": list(self._roots),
            "unwatched": self.unwatched,
            "blind": self.blind,
            "scanned": self._scanned.is_set(),
            "scans": self.scans,
            "overflows": self.overflows,
            "dropped": self.changes.dropped,
            "pending": self.changes.waiting,
            "late": self.late,
            "elsewhere": self._elsewhere.watched,
            "failures": self.failures,
            "large_waiting": self.large.waiting,
            "large_crowded": self.large.crowded,
        }

    def _watch_overflows(self) -> None:
        try:
            self._overflows = Overflows(self._lost)
        except OSError as error:
            self.blind = os.strerror(error.errno or 0)
            _log.warning("watch.overflows-not-watched", cause=self.blind)

    def _cannot_watch(self, root: str, error: OSError) -> None:
        self._unwatched[root] = os.strerror(error.errno or 0)
        _log.warning("watch.not-watched", root=root, cause=self._unwatched[root])

    def _lost(self) -> None:
        self.overflows += 1
        self.changes.rescan()

    def _work(self) -> None:
        """Nothing but stopping ends this, also where complaining of a failure fails."""
        while not self._stopping.is_set():
            try:
                self._turns()
            except Exception as error:
                self._failures += 1
                self._indexing.doubt(error)
                self._stopping.wait(PATIENCE)

    def _turns(self) -> None:
        last, pause = time.monotonic(), PATIENCE
        while not self._stopping.is_set():
            due, rescan = self.changes.take(time.monotonic(), PATIENCE)
            try:
                if rescan or self._indexing.behind or time.monotonic() - last >= self._rescan:
                    self._mend()
                    self._following.apply(due)  # a scan finds what is where, but not that a name was another before
                    due = []
                    self._scan()
                    last = time.monotonic()
                    pause = PATIENCE
                else:
                    self._following.apply(due)
                    self.changes.done()
                    self._following.apply_bulk()
                    if self._indexing.owes:
                        ready = self._indexing.ready
                        self._indexing.settle(
                            self.large.put, stopped=self._stopping.is_set, between=self._following.let_overtake
                        )
                        if self._indexing.ready and not ready:
                            _log.info("watch.index-mended")
                    pause = PATIENCE
            except HaechiError as error:  # the index cannot be written: try again, the files do not run away
                self._failures += 1
                _log.error("watch.index-failed", code=error.code, again_in=pause)
                self.changes.put_back(due)
                if rescan:
                    self.changes.rescan()
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception as error:  # an adapter's edge: what is strange must not end the watching
                self._failures += 1
                self._indexing.doubt(error)
                _log.exception("watch.failed")
                # The scan that follows finds what was touched, but not that a name was another before.
                self.changes.put_back([change for change in due if change.kind is Kind.MOVED])
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            self.changes.done()
            if not due and not rescan and not self.changes.bulk(1):
                self._stopping.wait(QUIET / 2)

    def _mend(self) -> None:
        aside = self._indexing.mend()
        if aside is not None:
            _log.error("watch.index-made-anew", kept=str(aside))

    def _scan(self) -> None:
        self._pending(self._tag_pending)
        self._keep_elsewhere()
        report = self._indexing.scan(
            self._roots, self._progress, stopped=self._stopping.is_set, between=self._following.let_overtake
        )
        self.scans += 1
        if not self._stopping.is_set():
            self.misunderstood.replace(report.problems)
            self._keep_elsewhere()
            self.changes.rescanned()
            self._scanned.set()
        _log.info("watch.scanned", files=report.files, tagged=report.tagged, unreadable=len(report.unreadable))

    def _tag_pending(self, names: Names) -> Sequence[str]:
        """Those that are not there now: looked for again with every scan."""
        missing = [path for path in names if not os.path.lexists(path)]
        for path in names.keys() - set(missing):
            self._indexing.examine([path], names[path])
        if missing:
            _log.warning("watch.tagged-names-missing", names=len(missing), first=missing[0])
        return missing
