"""The reads and gaps that are remembered, and what they say of one actor. The theory stands in ``reads``.

Whoever began more processes than can be remembered is unknown, and nobody else: but for root, from whose processes
everybody's descend, and whose own children are of all users.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from haechi.domain.facts import Known, Unknown
from haechi.domain.reads import KEPT, ROOT, Gap, Line, ProcessId, Read, ReadFacts
from haechi.domain.shares import Shares

EACH: Final = 4096
"""Processes of one user that are remembered by what they read. This project's choice."""
MOST: Final = 4 * EACH
"""Processes of all users."""
LINES: Final = 4
"""How many that readers descended from are remembered, for each of those: most descend from the same few."""


@dataclass(slots=True)
class RecentReads:
    """Reads and gaps, found in the same time however many there are. Not safe from several threads at once."""

    each: int = EACH
    most: int = MOST
    gaps: tuple[Gap, ...] = ()
    dropped: dict[int, dt.datetime] = field(default_factory=dict)
    """By user: the newest read whose process was forgotten for want of room. That the user read never is."""
    _newest: dt.datetime | None = None
    _by_user: dict[int, Read] = field(default_factory=dict)
    _by_process: Shares = field(init=False)
    _by_line: Shares = field(init=False)
    _unsure: dict[int | None, Read] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_process = Shares(self.each, self.most)
        self._by_line = Shares(self.each * LINES, self.most * LINES)

    def add(self, read: Read) -> list[Read]:
        """Remember a read; those of the same process before it count no longer. Returns the reads of processes that had
        to be forgotten for it.
        """
        self._met(read.at)
        for user in read.users:
            self._by_user[user] = read
        if not read.sure:
            self._unsure[read.only] = read
            return []
        first, *above = read.processes
        for one in above:
            for _, gone in self._by_line.put(one, read):
                self._drop(gone)
        forgotten = [gone for _, gone in self._by_process.put(first, read)]
        for gone in forgotten:
            self._drop(gone)
            for one in gone.processes[1:]:
                if self._by_line.get(one) is gone:
                    self._by_line.pop(one)
        return forgotten

    def add_user(self, user: int, read: Read) -> None:
        """Remember that the user read, whatever is known of the process."""
        self._met(read.at)
        last = self._by_user.get(user)
        if last is None or last.at <= read.at:
            self._by_user[user] = read

    def drop(self, user: int, at: dt.datetime) -> None:
        """Remember that a process which read for the user is not remembered."""
        self._met(at)
        self.dropped[user] = max(at, self.dropped.get(user, at))

    def _met(self, at: dt.datetime) -> None:
        self._newest = at if self._newest is None else max(at, self._newest)

    def _drop(self, read: Read) -> None:
        for user in read.charged:
            self.drop(user, read.at)

    def missed(self, gap: Gap) -> None:
        """Remember a gap, and forget those of long ago."""
        self.gaps = (*(one for one in self.gaps if one.end > gap.end - KEPT), gap)

    def processes(self) -> list[ProcessId]:
        """All that are remembered, or that readers descended from."""
        return [*self._by_process.reads, *self._by_line.reads]

    def ended(self, processes: Iterable[ProcessId]) -> None:
        """Of these is nothing asked any more: a process that ended sends nothing, and nothing descends from it."""
        for one in processes:
            self._by_process.pop(one)
            self._by_line.pop(one)

    def forget(self, before: dt.datetime) -> None:
        """Forget what users did long ago."""
        tables: tuple[dict[Any, Read], ...] = (self._by_user, self._unsure)
        for table in tables:
            for key in [key for key, read in table.items() if read.at < before]:
                del table[key]
        self.dropped = {user: at for user, at in self.dropped.items() if at >= before}

    def reads(self) -> Iterator[Read]:
        """All that are remembered by their reader."""
        yield from self._by_process.reads.values()
        yield from self._unsure.values()

    def by_user(self) -> dict[int, Read]:
        """Each user's latest."""
        return dict(self._by_user)

    def shift(self, step: dt.timedelta) -> None:
        """The clock was set by ``step``: all of this happened as long ago as before."""
        moved: dict[int, Read] = {}
        tables: tuple[dict[Any, Read], ...] = (
            self._by_user,
            self._by_process.reads,
            self._by_line.reads,
            self._unsure,
        )
        for table in tables:
            for read in table.values():
                if id(read) not in moved:
                    moved[id(read)] = replace(read, at=read.at + step)
        for table in tables:
            for key, read in table.items():
                table[key] = moved[id(read)]
        self.gaps = tuple(replace(one, begin=one.begin + step, end=one.end + step) for one in self.gaps)
        self.dropped = {user: at + step for user, at in self.dropped.items()}
        self._newest = None if self._newest is None else self._newest + step

    def any_since(self, since: dt.datetime) -> bool:
        """Whether anybody read anything: where not, nobody needs to be asked who an uploader descends from."""
        return self._newest is not None and self._newest >= since

    def __len__(self) -> int:
        return len(self._by_process.reads) + len(self._unsure)

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
        if self._forgot(users, since):
            return Unknown("too-many-reads"), None
        return self._perhaps(line.users if isinstance(users, Unknown) else users, since)

    def _forgot(self, users: frozenset[int] | Unknown, since: dt.datetime) -> bool:
        """Whether a process that had to be forgotten may be one of these."""
        if isinstance(users, Unknown) or ROOT in users:
            return any(at >= since for at in self.dropped.values())
        return any(at >= since for user in (*users, ROOT) if (at := self.dropped.get(user)) is not None)

    def _perhaps(self, users: frozenset[int], since: dt.datetime) -> tuple[Known[bool], Read | None]:
        """Somebody read something and was gone before it could be asked who it is."""
        for read in self._unsure.values():
            if read.at >= since and read.may_be_of(users):
                return Unknown("reader-gone"), read
        return False, None
