"""Reads of tagged content, and times in which nobody saw any, over restarts of the agent.

Theory. ``until`` says up to when everything that was seen is in the file; it is written with what was seen, in one
transaction. Whoever starts again begins a gap there: an agent that was killed loses nothing that the gap does not
cover. Where the kernel's group outlived the agent there need not be a gap, and then this file has to hold all that was
taken from the group: what is new is written at once, ``Taken`` says whether something was taken and not yet written,
and ``Held`` which group it was. A file that cannot be read is a gap as long as anything is remembered.

A power cut may take back what was written last, ``until`` with it; no group outlives a power cut.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.reads import KEPT, Gap, Read
from haechi.domain.recent_reads import MOST
from haechi.outbound.ledger.database import Database

ROWS = 4 * MOST
"""Readers that are kept, those that have ended among them. Of those beyond, the oldest go, root's own last."""
_NEW = """
CREATE TABLE users (user INTEGER PRIMARY KEY, at REAL NOT NULL, said BLOB NOT NULL);
CREATE TABLE dropped (user INTEGER PRIMARY KEY, at REAL NOT NULL)
"""
_SEEN = "CREATE TABLE seen (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), until REAL NOT NULL)"
_HELD = """
CREATE TABLE held (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), name TEXT NOT NULL, maker INTEGER NOT NULL,
  forks INTEGER NOT NULL)
"""
_SCHEMA = f"""
CREATE TABLE reads (reader TEXT PRIMARY KEY, at REAL NOT NULL, said BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX reads_at ON reads (at);
CREATE TABLE gaps (begin REAL NOT NULL, end REAL NOT NULL, cause TEXT NOT NULL, present TEXT);
{_NEW};
{_SEEN};
{_HELD}
"""
_STEP = (
    _NEW,
    _HELD,
    "INSERT INTO gaps SELECT dropped, dropped, 'too-many-reads', NULL FROM seen WHERE dropped IS NOT NULL",
    "ALTER TABLE seen RENAME TO seen_1",
    _SEEN,
    "INSERT INTO seen SELECT only_row, until FROM seen_1",
    "DROP TABLE seen_1",
)
"""From version 1, which knew one time for all users, to 2."""


class _Said(msgspec.Struct, array_like=True):
    """A read as it is kept."""

    file: str
    users: list[int]
    processes: list[tuple[int, int]]
    executable: str | None
    only: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """The group that saw everything up to here, as the service manager holds it: its name there, the process that made
    it, and how many processes had been begun since boot.
    """

    name: str
    maker: int
    forks: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen since the last writing. ``until`` where this is all up to then; ``forgotten`` are readers that gave
    way to others, ``dropped`` when each user's last such one read.
    """

    reads: Iterable[Read] = ()
    gaps: Iterable[Gap] = ()
    until: dt.datetime | None = None
    dropped: Mapping[int, dt.datetime] = field(default_factory=dict)
    forgotten: Iterable[Read] = ()
    held: Held | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier agent saw. ``until`` is None where none ever did."""

    reads: tuple[Read, ...] = ()
    users: tuple[tuple[int, Read], ...] = ()
    gaps: tuple[Gap, ...] = ()
    until: dt.datetime | None = None
    dropped: Mapping[int, dt.datetime] = field(default_factory=dict)
    held: Held | None = None


class SqliteReads:
    """Every method raises ``HaechiError('ledger.…')`` on failure. Safe from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, _SCHEMA, 2, {1: ";".join(_STEP)}, synced=False)

    def load(self, now: dt.datetime) -> Remembered:
        """What still counts, oldest first. What is later than ``now`` was kept before the clock was set back, and
        counts as of now; ``until`` alone is told as it is.
        """
        since, latest = (now - KEPT).timestamp(), now.timestamp()
        with self._database.transaction() as db:
            rows = db.execute("SELECT at, said FROM reads WHERE at >= ? ORDER BY at", (since,)).fetchall()
            users = db.execute("SELECT user, at, said FROM users WHERE at >= ?", (since,)).fetchall()
            gaps = db.execute("SELECT * FROM gaps WHERE end >= ? ORDER BY end", (since,)).fetchall()
            dropped = db.execute("SELECT user, at FROM dropped WHERE at >= ?", (since,)).fetchall()
            until = db.execute("SELECT until FROM seen").fetchone()
            held = db.execute("SELECT name, maker, forks FROM held").fetchone()
        try:
            return Remembered(
                tuple(_read(min(at, latest), said) for at, said in rows),
                tuple((user, _read(min(at, latest), said)) for user, at, said in users),
                tuple(_gap(min(begin, latest), min(end, latest), *row) for begin, end, *row in gaps),
                None if until is None else _moment(until[0]),
                {user: _moment(min(at, latest)) for user, at in dropped},
                None if held is None else Held(*held),
            )
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="reads") from error

    def keep(self, seen: Seen) -> None:
        """Write what was seen. What is too old, or too much, goes, where all of it is written."""
        rows = [(_reader(read), read.at.timestamp(), _said(read)) for read in seen.reads]
        users = [(user, read.at.timestamp(), _said(read)) for read in seen.reads for user in read.users]
        missed = [_row(gap) for gap in seen.gaps]
        with self._database.transaction(write=True) as db:
            db.executemany("INSERT OR REPLACE INTO reads VALUES (?,?,?)", rows)
            db.executemany("INSERT OR REPLACE INTO users VALUES (?,?,?)", users)
            for begin, _, cause, there in missed:
                if there is None:  # one that goes on, of which the end alone moved
                    db.execute("DELETE FROM gaps WHERE begin = ? AND cause = ? AND present IS NULL", (begin, cause))
            db.executemany("INSERT INTO gaps VALUES (?,?,?,?)", missed)
            db.execute("DELETE FROM held")
            if seen.held is not None:
                held = seen.held
                db.execute("INSERT INTO held VALUES (1,?,?,?)", (held.name, held.maker, held.forks))
            if seen.until is not None:
                self._all(db, seen, seen.until)

    @staticmethod
    def _all(db: sqlite3.Connection, seen: Seen, until: dt.datetime) -> None:
        since = ((until - KEPT).timestamp(),)
        db.executemany("DELETE FROM reads WHERE reader = ?", [(_reader(read),) for read in seen.forgotten])
        _drop(db, [(user, at.timestamp()) for user, at in seen.dropped.items()])
        for table, time in (("reads", "at"), ("users", "at"), ("dropped", "at"), ("gaps", "end")):
            db.execute(f"DELETE FROM {table} WHERE {time} < ?", since)  # noqa: S608 - names of this line alone
        (count,) = db.execute("SELECT count(*) FROM reads").fetchone()
        if count > ROWS:
            order = "SELECT reader, at, said FROM reads ORDER BY reader LIKE '%/0', at LIMIT ?"
            surplus = db.execute(order, (count - ROWS,)).fetchall()
            _drop(db, [(user, at) for _, at, said in surplus for user in _read(at, said).charged])
            db.executemany("DELETE FROM reads WHERE reader = ?", [(reader,) for reader, *_ in surplus])
        db.execute(
            "INSERT INTO seen VALUES (1, ?) ON CONFLICT DO UPDATE SET until = excluded.until", (until.timestamp(),)
        )

    def renew(self, error: HaechiError) -> str:
        """Put a file aside that cannot be understood (``error`` says so), so that the next is made anew; where it is
        now, empty where it was left. What it said is a gap, as long as anything is remembered.
        """
        if error.code not in ("ledger.corrupt", "ledger.other-version"):
            return ""
        self._database.close()
        path = self._database.path
        aside = path.with_name(path.name + ".damaged")
        try:
            path.replace(aside)
            for ending in ("-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
        except OSError:
            return ""
        return str(aside)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()


def _drop(db: sqlite3.Connection, rows: Iterable[tuple[int, float]]) -> None:
    db.executemany("INSERT INTO dropped VALUES (?,?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)", list(rows))


def _reader(read: Read) -> str:
    """Who it was: a later read of the same takes the place of an earlier one."""
    who = ":".join(map(str, read.processes[0])) if read.sure else f"?{read.only}"
    return f"{who}/{','.join(map(str, sorted(read.users)))}"


def _said(read: Read) -> bytes:
    executable = None if isinstance(read.executable, Unknown) else read.executable
    said = _Said(read.file, sorted(read.users), list(read.processes), executable, read.only)
    return msgspec.json.encode(said)


def _read(at: float, said: bytes) -> Read:
    one = msgspec.json.decode(said, type=_Said)
    executable = one.executable if one.executable is not None else Unknown("process-ended")
    return Read(_moment(at), one.file, frozenset(one.users), tuple(one.processes), executable, one.only)


def _row(gap: Gap) -> tuple[float, float, str, str | None]:
    there = None if gap.present is None else ",".join(map(str, sorted(gap.present)))
    return gap.begin.timestamp(), gap.end.timestamp(), gap.cause, there


def _gap(begin: float, end: float, cause: str, there: str | None) -> Gap:
    present = None if there is None else frozenset(int(one) for one in there.split(",") if one)
    return Gap(_moment(begin), _moment(end), cause, present)


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
