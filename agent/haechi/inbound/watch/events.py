"""The kernel's events, by way of watchdog, as changes to look at. Its threads run this: no file is read here.

watchdog rebuilds its watches after an overflow but tells its observers nothing. A watch of our own on the same inotify
instance, on a folder where nothing happens, is told: that is ``Overflows``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable

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
from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, WatchDescriptor

from haechi.inbound.watch.changes import Change, Changes, Kind

QUIET = 0.05
"""Seconds without a further write before an open file is looked at; a closed one is looked at at once."""
EVENTS: list[type[FileSystemEvent]] = [
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
"""What is asked for."""


class Events(FileSystemEventHandler):
    """Turns watchdog's events into changes. Runs in watchdog's thread: no file is read here."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def on_any_event(self, event: FileSystemEvent) -> None:
        """One event: what has to be looked at, and when."""
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


class FolderEvents(Events):
    """For a folder outside the roots: its files alone, and its own end."""

    def __init__(self, changes: Changes, folder: str, ended: Callable[[str], None]) -> None:
        super().__init__(changes)
        self._folder, self._ended = folder, ended

    def on_any_event(self, event: FileSystemEvent) -> None:
        """One event of a file in the folder, or the folder's end."""
        if not event.is_directory:
            super().on_any_event(event)
        elif isinstance(event, DirDeletedEvent) and os.fsdecode(event.src_path) == self._folder:
            self._ended(self._folder)


class Overflows:
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
