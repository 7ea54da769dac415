"""From an event of the kernel to a read: which file it was, which process, for whom it acted.

Must not know gaps, or what is remembered. Not safe from several threads at once.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.reads import Line, Read
from haechi.outbound.index.names import spelled
from haechi.outbound.reads.fanotify import Event
from haechi.outbound.reads.processes import line_of
from haechi.ports.protection import TaggedFile

SETTLED_NS = 60_000_000_000
"""A file that was renamed or linked within this time may be on its way: a name that the index lost says nothing yet.
As long as a vanished name passes its tags on.
"""
AS_IT_WAS = 1.0
"""Seconds for which a process is taken for the one that it was, of the users that it had: it may open thousands of
files in that time, and no number of a process comes again in it.
"""
READS_ON = 10.0
"""For so long where it is gone, and read on in what it had opened."""
ASKED = 4096
"""Processes that are remembered as they were."""


@dataclass(slots=True)
class _Asked:
    """A process as it was at a time that goes on evenly, and the tagged file that it has read since, if any."""

    at: float
    line: Line | Unknown
    file: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """A marked file: its name when it was marked, and its identity."""

    path: str
    device: int
    inode: int


class Readers:
    """``privileged``: the kernel names processes; else every event is counted as the user ``own``'s. ``named`` lists
    the tagged names of one file; ``released`` says of a name that no tagged file has it, by an index that lacks
    nothing. Both may raise ``HaechiError``, and the file then counts as tagged.
    """

    def __init__(
        self,
        privileged: bool,
        own: int,
        named: Callable[[int, int], Sequence[TaggedFile]],
        released: Callable[[str], bool] = lambda path: True,
        files: dict[bytes, Marked] | None = None,
    ) -> None:
        self._privileged, self._own, self._named, self._released = privileged, own, named, released
        self.files: dict[bytes, Marked] = {} if files is None else files
        self._asked: OrderedDict[int, _Asked] = OrderedDict()
        self.told: set[int] = set()
        """Processes of which a read was told since ``begin``: no other says more."""
        self._names: dict[bytes, str] = {}
        self.fresh = False
        """Whether a process was asked since ``begin``."""
        self.seen = self.gone = 0

    def begin(self, lines: Mapping[int, Line | Unknown] | None = None) -> None:
        """What follows was taken from the queue at once: a file is asked for once in it, and a read of each process
        says all. ``lines`` are those of processes that were asked already.
        """
        self.told.clear()
        self._names.clear()
        self.fresh = False
        now = time.monotonic()
        for pid, line in (lines or {}).items():
            self._asked[pid] = _Asked(now, line)

    def read(self, event: Event, now: dt.datetime) -> Read | None:
        """The read that an event tells of; None where the file is tagged no more."""
        before = self._asked.get(event.pid)
        if before is not None and before.file and time.monotonic() - before.at < AS_IT_WAS:
            self.seen += 1
            self.told.add(event.pid)
            return self._as_before(now, before)
        file, name = self.files.get(event.key), ""
        if file is not None:  # else it was marked a moment ago, and who marked it is about to say what it is
            if event.key not in self._names:
                self._names[event.key] = self._name(file)
            name = self._names[event.key]
            if not name:
                return None
        self.seen += 1
        read = self._read(event, now, spelled(name), _only(name, file))
        if read.sure or read.only is None:
            self.told.add(event.pid)
        if read.sure:
            self._asked[event.pid].file = read.file
        return read

    @staticmethod
    def _as_before(now: dt.datetime, before: _Asked) -> Read | None:
        """Another by a process that read tagged content a moment ago: it is not asked what file this is."""
        line = before.line
        return (
            None if isinstance(line, Unknown) else Read(now, before.file, line.users, line.processes, line.executable)
        )

    def _name(self, file: Marked) -> str:
        """What the file is called now; empty where it is tagged no more.

        The index forgets a name that vanished: who renames a file to where nobody looks has not made it another. So it
        is tagged no more only where it lies under its name as it did, and an index that lacks nothing does not know it.
        """
        try:
            names = [one.path for one in self._named(file.device, file.inode)]
            released = not names and self._released(file.path)
        except HaechiError:
            return file.path
        if names and file.path not in names:
            return names[0]
        return "" if released and _lies(file) else file.path

    def _read(self, event: Event, now: dt.datetime, name: str, only: Callable[[], int | None]) -> Read:
        if not self._privileged:
            return Read(now, name, frozenset([self._own]), (), Unknown("reader-not-named"), only())
        line = self._line(event.pid, event.opening)
        if isinstance(line, Unknown):
            self.gone += 1
            return Read(now, name, frozenset(), (), Unknown("reader-gone"), only())
        return Read(now, name, line.users, line.processes, line.executable)

    def _line(self, pid: int, opening: bool) -> Line | Unknown:
        now = time.monotonic()
        before = self._asked.get(pid, _Asked(-math.inf, Unknown("reader-gone")))
        if now - before.at < AS_IT_WAS:
            return before.line
        self.fresh = True
        line = line_of(pid) if pid > 0 else Unknown("reader-gone")
        if isinstance(line, Unknown) and not opening and now - before.at < READS_ON:
            return before.line  # it was there a moment ago, and read on in what it had opened then
        self._asked[pid] = _Asked(now, line)
        self._asked.move_to_end(pid)
        if len(self._asked) > ASKED:
            self._asked.popitem(last=False)
        return line


def _lies(file: Marked) -> bool:
    """Whether the file is where it was when it was marked, and was not renamed there and back a moment ago."""
    try:
        status = os.stat(file.path, follow_symlinks=False)  # noqa: PTH116
    except OSError:
        return False
    same = (status.st_dev, status.st_ino) == (file.device, file.inode)
    return same and status.st_ctime_ns <= time.time_ns() - SETTLED_NS


def _only(path: str, file: Marked | None) -> Callable[[], int | None]:
    """Tells the one user, beside root, whom the file's mode, or that of a folder that it lies in, lets open it; None
    where others may, or that is not known: what lies under the name now may be another's file.
    """

    def asked() -> int | None:
        try:
            status = os.stat(path, follow_symlinks=False)  # noqa: PTH116
            if file is None or (status.st_dev, status.st_ino) != (file.device, file.inode):
                return None
            if not stat.S_IMODE(status.st_mode) & 0o077:  # an access list shows in the group's bits
                return status.st_uid
            return _keeper(path) if status.st_nlink == 1 else None  # another name may lie in an open folder
        except OSError:
            return None

    return asked


def _keeper(path: str) -> int | None:
    """Whose the nearest folder is that lets nobody else pass. Raises ``OSError``."""
    while (folder := os.path.dirname(path)) != path:  # noqa: PTH120
        status = os.stat(folder, follow_symlinks=False)  # noqa: PTH116
        if stat.S_ISLNK(status.st_mode):
            return None
        if not stat.S_IMODE(status.st_mode) & 0o011:
            return status.st_uid
        path = folder
    return None
