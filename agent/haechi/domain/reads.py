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
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from haechi.domain.facts import JSON, Known, Unknown, as_json

ProcessId: TypeAlias = tuple[int, int]
"""Number and start (clock ticks since boot) of a process: together they never come again while the machine runs."""

KEPT: Final = dt.timedelta(days=1)
"""For how long reads and gaps are remembered, and so the longest window. This project's choice."""
SHORT: Final = dt.timedelta(minutes=1)
"""A gap no longer than this concerns only those who were there at its end. This project's choice."""
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

    @property
    def charged(self) -> frozenset[int]:
        """Whose share of what can be remembered it takes: root's only where root alone read, because whoever may use
        ``sudo`` would else use up root's.
        """
        return self.users - {ROOT} or frozenset([ROOT])

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


def _instant(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
