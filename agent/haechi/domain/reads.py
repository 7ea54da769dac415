"""Who read tagged content lately: the processes and people behind a body that nobody can look into.

Theory. What is encrypted shares no byte with its source, so the content says nothing. What can be known is that the
source was opened a while ago, by the process that uploads now, by one that it descends from, by one that it began, or
by anybody of the same user. A *read* is one opening or reading of a tagged file; a *gap* is a time in which nobody
looked. Both count for as long as the window is. Nothing seen is *no* only where all was looked at: in a gap, or where
a reader went away before it could be asked who it is, the answer is unknown, and the policy takes that for a read.

A gap does not concern everybody. Whoever had no process at its end was most likely not there; for gaps no longer than
``SHORT`` that is taken for an answer, so that a restart of the agent does not hold up those who came later. It is this
project's choice, and what it leaves open is said in the limitations.

What it must not know: how reads are seen, what a clock says, where any of it is kept.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from haechi.domain.facts import JSON, Known, Unknown, as_json

ProcessId: TypeAlias = tuple[int, int]
"""Number and start (clock ticks since boot) of a process: together they never come again while the machine runs."""

KEPT: Final = dt.timedelta(days=1)
"""For how long reads and gaps are remembered, and so the longest window. This project's choice."""
SHORT: Final = dt.timedelta(minutes=1)
"""A gap no longer than this concerns only those who were there at its end. This project's choice."""
MOST: Final = 16_384
"""Processes that are remembered by what they read."""
LINES: Final = 4
"""How many that readers descended from are remembered, for each of those: most descend from the same few."""
ROOT: Final = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A process and those that it descends from, nearest first, with every user that it acts for: real, effective, the
    one who logged in, and, but for root, whose those are that it descends from.
    """

    users: frozenset[int]
    processes: tuple[ProcessId, ...]
    executable: Known[str] = field(default_factory=lambda: Unknown("not-read"))


@dataclass(frozen=True, slots=True)
class Read:
    """Tagged content was opened or read. ``processes`` is the reader's line, empty where nobody could say which process
    it was; ``users`` are then those that it is counted for, and ``only`` the one user (beside root) who could have
    opened the file at all, None for anybody.
    """

    at: dt.datetime
    file: str
    users: frozenset[int]
    processes: tuple[ProcessId, ...] = ()
    executable: Known[str] = field(default_factory=lambda: Unknown("not-read"))
    only: int | None = None

    @property
    def reader(self) -> object:
        """Who it was, as far as that is known: of two reads of the same the later one is all that matters."""
        return self.processes[0] if self.processes else self.only, self.users

    @property
    def sure(self) -> bool:
        """Whether the process is known."""
        return bool(self.processes)

    def may_be_of(self, users: Iterable[int]) -> bool:
        """Whether one of these could have been the reader that nobody saw."""
        return not self.sure and any(self.only is None or user in (self.only, ROOT) for user in users)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit. ``uids`` are those that the reader acted for."""
        uids: list[JSON] = [*sorted(self.users)]
        return {
            "file": self.file,
            "at": _instant(self.at),
            "uids": uids,
            "pid": self.processes[0][0] if self.processes else as_json(Unknown("reader-gone")),
            "executable": as_json(self.executable),
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which reads were not seen, and why. ``present`` are the users who had a process at its end; None where
    that is not known, or says nothing.
    """

    begin: dt.datetime
    end: dt.datetime
    cause: str
    present: frozenset[int] | None = None

    def concerns(self, users: Iterable[int] | Unknown) -> bool:
        """Whether one of these may have read something meanwhile."""
        if self.present is None or isinstance(users, Unknown) or self.end - self.begin > SHORT:
            return True
        return not self.present.isdisjoint(users)


@dataclass(frozen=True, slots=True)
class ReadFacts:
    """What the policy is told of one actor. ``latest`` is the read that it follows from, ``unseen`` the gap that makes
    it unknown.
    """

    process: Known[bool]
    user: Known[bool]
    window: dt.timedelta
    latest: Read | None = None
    unseen: Gap | None = None

    @property
    def known(self) -> bool:
        """Whether both are known."""
        return not isinstance(self.process, Unknown) and not isinstance(self.user, Unknown)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit. ``until``: when what was not seen counts no more."""
        gap = self.unseen
        unseen: JSON = None
        if gap is not None:
            unseen = {"from": _instant(gap.begin), "until": _instant(gap.end + self.window), "cause": gap.cause}
        return {
            "process": as_json(self.process),
            "user": as_json(self.user),
            "window_minutes": math.ceil(self.window.total_seconds() / 60),
            "latest": self.latest.as_json() if self.latest else None,
            "unseen": unseen,
        }


def unseen(cause: str, window: dt.timedelta) -> ReadFacts:
    """Nobody looks."""
    return ReadFacts(Unknown(cause), Unknown(cause), window)


def none_read(window: dt.timedelta) -> ReadFacts:
    """There was nothing to be read, or all was looked at and nothing was read."""
    return ReadFacts(False, False, window)


@dataclass(slots=True)
class RecentReads:
    """Reads and gaps, found in the same time however many there are. Not safe from several threads at once."""

    most: int = MOST
    gaps: tuple[Gap, ...] = ()
    dropped: dt.datetime | None = None
    """The newest read whose process was forgotten for want of room; its user never is."""
    _newest: dt.datetime | None = None
    _by_user: dict[int, Read] = field(default_factory=dict)
    _by_process: OrderedDict[ProcessId, Read] = field(default_factory=OrderedDict)
    _by_line: dict[ProcessId, Read] = field(default_factory=dict)
    _unsure: dict[int | None, Read] = field(default_factory=dict)

    def add(self, read: Read) -> None:
        """Remember a read; those of the same process before it count no longer."""
        self._newest = read.at if self._newest is None else max(read.at, self._newest)
        for user in read.users:
            self._by_user[user] = read
        if not read.sure:
            self._unsure[read.only] = read
            return
        first, *above = read.processes
        self._by_process[first] = read
        self._by_process.move_to_end(first)
        for one in above:
            self._by_line.pop(one, None)  # the one that was met last stands last
            self._by_line[one] = read
        while len(self._by_process) > self.most:
            self._forget()
        while len(self._by_line) > self.most * LINES:  # of readers whose parents came and went
            self._drop(self._by_line.pop(next(iter(self._by_line))))

    def _drop(self, read: Read) -> None:
        self.dropped = read.at if self.dropped is None else max(read.at, self.dropped)

    def _forget(self) -> None:
        _, read = self._by_process.popitem(last=False)
        self._drop(read)
        for one in read.processes[1:]:
            if self._by_line.get(one) is read:
                del self._by_line[one]

    def missed(self, gap: Gap) -> None:
        """Remember a gap, and forget those of long ago."""
        self.gaps = (*(one for one in self.gaps if one.end > gap.end - KEPT), gap)

    def reads(self) -> Iterator[Read]:
        """All that are remembered by their reader."""
        yield from self._by_process.values()
        yield from self._unsure.values()

    def shift(self, step: dt.timedelta) -> None:
        """The clock was set by ``step``: all of this happened as long ago as before."""
        moved: dict[int, Read] = {}
        tables: tuple[dict[Any, Read], ...] = (self._by_user, self._by_process, self._by_line, self._unsure)
        for table in tables:
            for read in table.values():
                if id(read) not in moved:
                    moved[id(read)] = replace(read, at=read.at + step)
        for table in tables:
            for key, read in table.items():
                table[key] = moved[id(read)]
        self.gaps = tuple(replace(one, begin=one.begin + step, end=one.end + step) for one in self.gaps)
        self.dropped = None if self.dropped is None else self.dropped + step
        self._newest = None if self._newest is None else self._newest + step

    def any_since(self, since: dt.datetime) -> bool:
        """Whether anybody read anything: where not, nobody needs to be asked who an uploader descends from."""
        return self._newest is not None and self._newest >= since

    def __len__(self) -> int:
        return len(self._by_process) + len(self._unsure)

    def of(self, uid: Known[int], line: Line | Unknown, now: dt.datetime, window: dt.timedelta) -> ReadFacts:
        """What is known of a user and of the process that acts for it."""
        since = now - window
        users = self._users(uid, line)
        user, latest = self._user(users, since)
        process, nearer = self._process(users, line, since)
        gap = next((one for one in reversed(self.gaps) if one.end >= since and one.concerns(users)), None)
        if gap is not None:
            user = Unknown(gap.cause) if user is False else user
            process = Unknown(gap.cause) if process is False else process
        decisive = nearer if process is True else latest
        return ReadFacts(process, user, window, decisive or nearer, gap)

    @staticmethod
    def _users(uid: Known[int], line: Line | Unknown) -> frozenset[int] | Unknown:
        if isinstance(uid, Unknown):
            return uid
        return frozenset([uid]) | (frozenset() if isinstance(line, Unknown) else line.users)

    def _user(self, users: frozenset[int] | Unknown, since: dt.datetime) -> tuple[Known[bool], Read | None]:
        if not self.any_since(since):
            return False, None
        if isinstance(users, Unknown):
            return users, None
        found = [read for user in users if (read := self._by_user.get(user)) is not None and read.at >= since]
        if found:
            return True, max(found, key=lambda read: read.at)
        return self._perhaps(users, since)

    def _process(
        self, users: frozenset[int] | Unknown, line: Line | Unknown, since: dt.datetime
    ) -> tuple[Known[bool], Read | None]:
        if not self.any_since(since):
            return False, None
        if isinstance(line, Unknown):
            return line, None
        own = [self._by_line.get(one) for one in line.processes[:1]]
        found = [read for read in (*own, *map(self._by_process.get, line.processes)) if read and read.at >= since]
        if found:
            return True, max(found, key=lambda read: read.at)
        if self.dropped is not None and self.dropped >= since:
            return Unknown("too-many-reads"), None
        return self._perhaps(line.users if isinstance(users, Unknown) else users, since)

    def _perhaps(self, users: frozenset[int], since: dt.datetime) -> tuple[Known[bool], Read | None]:
        """Somebody read something and was gone before it could be asked who it is."""
        for read in self._unsure.values():
            if read.at >= since and read.may_be_of(users):
                return Unknown("reader-gone"), read
        return False, None


def _instant(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
