"""Watch folders and keep the index true to them.

The kernel's events are hints about where to look, never the truth: each leads to a look at the file as it is. Events
get lost in
bursts (``IN_Q_OVERFLOW``): then, when the folders are first watched, and from time to time besides, everything is
gone through.
Everything that reads files happens in one worker thread, and in a second one for large files; watchdog's threads only
hand over names.

watchdog rebuilds its watches after an overflow but tells its observers nothing. A watch of our own on the same
inotify instance,
on a folder where nothing happens, is told: that is ``_Overflows``.
"""

# Names are plain strings here: millions pass, and an object for each would cost more than the work on it.
# ruff: noqa: PTH119, PTH120

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, WatchDescriptor

from haechi.app.indexing import Indexing
from haechi.app.scan_report import Progress
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag
from haechi.inbound.watch.changes import Change, Changes, Kind
from haechi.inbound.watch.large import LargeFiles

RULES = ".haechi.yaml"
QUIET = 0.05
"""Seconds without a further write before an open file is looked at; a closed one is looked at at once."""
PATIENCE = 0.5
LONGEST_PAUSE = 2.0
"""Seconds between two tries to write an index that refuses."""
_EVENTS: list[type[FileSystemEvent]] = [
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
]
_log = structlog.get_logger(__name__)


class Watcher:
    """Watches ``roots`` from ``start`` to ``stop``. ``rescan`` is the longest time between two full scans, in
    seconds.
    """

    def __init__(
        self,
        indexing: Indexing,
        roots: Sequence[str],
        *,
        rescan: float = 3600.0,
        progress: Progress | None = None,
        changes: Changes | None = None,
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
        self._overflows: _Overflows | None = None
        self.large = LargeFiles(self._look_at_large)
        self.scans = 0
        self.overflows = 0
        self.failures = 0
        self.unwatched: dict[str, str] = {}
        self.blind = ""
        """Why nobody is told when the kernel drops events: then only the scans find what is lost."""

    def start(self) -> None:
        """Begin: watch first, then go through everything, so that nothing falls between."""
        for root in self._roots:
            try:
                self._observer.schedule(_Handler(self.changes), root, recursive=True, event_filter=_EVENTS)
            except OSError as error:
                self._cannot_watch(root, error)
        try:
            self._observer.start()
        except OSError as error:
            # Most often fs.inotify.max_user_watches: the scans still find every change, only later.
            for root in self._roots:
                self._cannot_watch(root, error)
        else:
            self._watch_overflows()
        self.changes.rescan()
        self._worker = threading.Thread(target=self._work, name="haechi-watch", daemon=True)
        self._worker.start()
        self.large.start()

    def stop(self) -> None:
        """End. Waits for the file that is being read."""
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

    def status(self) -> dict[str, object]:
        """Figures for ``haechi status``."""
        return {
            "roots": list(self._roots),
            "unwatched": dict(self.unwatched),
            "blind": self.blind,
            "scanned": self._scanned.is_set(),
            "scans": self.scans,
            "overflows": self.overflows,
            "dropped": self.changes.dropped,
            "failures": self.failures,
            "large_waiting": self.large.waiting,
            "large_crowded": self.large.crowded,
        }

    def _watch_overflows(self) -> None:
        try:
            self._overflows = _Overflows(self._lost)
        except OSError as error:
            self.blind = os.strerror(error.errno or 0)
            _log.warning("watch.overflows-not-watched", cause=self.blind)

    def _cannot_watch(self, root: str, error: OSError) -> None:
        self.unwatched[root] = os.strerror(error.errno or 0)
        _log.warning("watch.not-watched", root=root, cause=self.unwatched[root])

    def _lost(self) -> None:
        self.overflows += 1
        self.changes.rescan()

    def _work(self) -> None:
        """Nothing but stopping ends this, also where complaining of a failure fails."""
        while not self._stopping.is_set():
            try:
                self._turns()
            except Exception as error:
                self.failures += 1
                self._indexing.doubt(error)
                self._stopping.wait(PATIENCE)

    def _turns(self) -> None:
        last, pause = time.monotonic(), PATIENCE
        while not self._stopping.is_set():
            due, rescan = self.changes.take(time.monotonic(), PATIENCE)
            try:
                if rescan or self._indexing.behind or time.monotonic() - last >= self._rescan:
                    self._mend()
                    self._scan()
                    last = time.monotonic()
                    pause = PATIENCE
                else:
                    self._apply(due)
                    if self._indexing.owes:
                        ready = self._indexing.ready
                        self._indexing.settle()
                        if self._indexing.ready and not ready:
                            _log.info("watch.index-mended")
                    pause = PATIENCE
            except HaechiError as error:  # the index cannot be written: try again, the files do not run away
                self.failures += 1
                _log.error("watch.index-failed", code=error.code, again_in=pause)
                self.changes.put_back(due)
                if rescan:
                    self.changes.rescan()
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception as error:  # an adapter's edge: what is strange must not end the watching
                self.failures += 1
                self._indexing.doubt(error)
                _log.exception("watch.failed")
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            if not due and not rescan:
                self._stopping.wait(QUIET / 2)

    def _mend(self) -> None:
        aside = self._indexing.mend()
        if aside is not None:
            _log.error("watch.index-made-anew", kept=str(aside))

    def _scan(self) -> None:
        report = self._indexing.scan(self._roots, self._progress, stopped=self._stopping.is_set)
        self.scans += 1
        if not self._stopping.is_set():
            self._scanned.set()
        _log.info("watch.scanned", files=report.files, tagged=report.tagged, unreadable=len(report.unreadable))

    def _apply(self, due: list[Change]) -> None:
        touched: dict[str, None] = {}
        for change in due:
            if change.kind is Kind.TOUCHED:
                touched[change.path] = None
                continue
            self._look(touched)
            touched = {}
            if change.kind is Kind.GONE:
                if not os.path.lexists(change.path):
                    self._indexing.gone(change.path)
            else:
                self._indexing.moved(change.path, change.new)
                touched[change.new] = None
        self._look(touched)

    def _look(self, touched: dict[str, None]) -> None:
        rules = [path for path in touched if os.path.basename(path) == RULES]
        if rules:
            self._indexing.refresh_rules()
        # A rule file speaks of all that lies below its folder.
        paths = [*(path for path in touched if path not in rules), *(os.path.dirname(path) for path in rules)]
        paths = [path for path in paths if not (self.large.holds(path) and self.large.put(path, ()))]
        if paths:
            self._indexing.examine(paths, later=self.large.put)

    def _look_at_large(self, path: str, tags: tuple[Tag, ...]) -> None:
        try:
            self._indexing.examine([path], tags)
            if not os.path.lexists(path):  # gone while it was read
                self._indexing.gone(path)
        except HaechiError as error:  # owed: the worker looks again
            self.failures += 1
            _log.error("watch.index-failed", code=error.code, again_in=PATIENCE)
        except Exception as error:  # as in the worker
            self.failures += 1
            _log.exception("watch.failed")
            self._indexing.doubt(error)


class _Handler(FileSystemEventHandler):
    """Turns watchdog's events into changes. Runs in watchdog's thread: no file is read here."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def on_any_event(self, event: FileSystemEvent) -> None:
        path = os.fsdecode(event.src_path)
        now = time.monotonic()
        match event:
            case FileMovedEvent() | DirMovedEvent():
                self._changes.put(Change(Kind.MOVED, path, os.fsdecode(event.dest_path), now))
            case FileDeletedEvent() | DirDeletedEvent():
                self._changes.put(Change(Kind.GONE, path, due=now))
            case FileClosedEvent() | DirCreatedEvent() | FileAttribEvent():
                self._changes.put(Change(Kind.TOUCHED, path, due=now))
            case _:
                self._changes.put(Change(Kind.TOUCHED, path, due=now + QUIET))


class _Overflows:
    """A watch on an empty folder of our own, on watchdog's inotify instance: told when the kernel's queue
    overflowed.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._instance = InotifyFD.get_instance()
        self._folder = tempfile.mkdtemp(prefix="haechi-watch-")
        self._id = CallbackId(id(self))
        try:
            folder = os.fsencode(self._folder)
            self._watch = self._instance.add_callback(folder, InotifyConstants.IN_CREATE, self, self._id)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def on_event(self, event: InotifyEvent) -> None:
        """Nothing happens in this folder."""

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The folder was taken away: overflows are found by the scans alone."""

    def on_queue_overflow(self) -> None:
        """Events were lost."""
        self._lost()

    def close(self) -> None:
        """Take the watch off, and the folder away."""
        self._instance.remove_callbacks([(self._watch, self._id)])
        shutil.rmtree(self._folder, ignore_errors=True)
