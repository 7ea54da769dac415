"""Reads of tagged content, and times in which nobody saw any, over restarts of the agent.

Theory. ``until`` says up to when everything that was seen is in the file; it is written with what was seen, in one
transaction. Whoever starts again begins a gap there: an agent that was killed loses nothing that the gap does not
cover. A file that cannot be read is a gap as long as anything is remembered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.reads import KEPT, MOST, Gap, Read
from haechi.outbound.ledger.database import Database

_SCHEMA = """
CREATE TABLE reads (reader TEXT PRIMARY KEY, at REAL NOT NULL, said BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX reads_at ON reads (at);
CREATE TABLE gaps (begin REAL NOT NULL, end REAL NOT NULL, cause TEXT NOT NULL, present TEXT);
CREATE TABLE seen (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), until REAL NOT NULL, dropped REAL)
"""


class _Said(msgspec.Struct, array_like=True):
    """A read as it is kept."""

    file: str
    users: list[int]
    processes: list[tuple[int, int]]
    executable: str | None
    only: int | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier agent saw. ``until`` is None where none ever did."""

    reads: tuple[Read, ...] = ()
    gaps: tuple[Gap, ...] = ()
    until: dt.datetime | None = None
    dropped: dt.datetime | None = None


class SqliteReads:
    """Every method raises ``HaechiError('ledger.…')`` on failure. Safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA, 1)

    def load(self, now: dt.datetime) -> Remembered:
        """What still counts, oldest first. What is later than ``now`` was kept before the clock was set back, and
        counts as of now; ``until`` alone is told as it is.
        """
        since = (now - KEPT).timestamp()
        with self._database.transaction() as db:
            rows = db.execute("SELECT at, said FROM reads WHERE at >= ? ORDER BY at", (since,)).fetchall()
            gaps = db.execute("SELECT * FROM gaps WHERE end >= ? ORDER BY end", (since,)).fetchall()
            until, dropped = db.execute("SELECT until, dropped FROM seen").fetchone() or (None, None)
        latest = now.timestamp()
        try:
            return Remembered(
                tuple(_read(min(at, latest), said) for at, said in rows),
                tuple(_gap(min(begin, latest), min(end, latest), *row) for begin, end, *row in gaps),
                None if until is None else _moment(until),
                None if dropped is None else _moment(min(dropped, latest)),
            )
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="reads") from error

    def keep(
        self, until: dt.datetime, reads: Iterable[Read], gaps: Iterable[Gap] = (), dropped: dt.datetime | None = None
    ) -> None:
        """Everything that was seen up to ``until``. What is too old, or too much, goes."""
        rows = [(_reader(read), read.at.timestamp(), _said(read)) for read in reads]
        missed = [_row(gap) for gap in gaps]
        since = (until - KEPT).timestamp()
        with self._database.transaction(write=True) as db:
            db.executemany("INSERT OR REPLACE INTO reads VALUES (?,?,?)", rows)
            db.executemany("INSERT INTO gaps VALUES (?,?,?,?)", missed)
            db.execute("DELETE FROM reads WHERE at < ?", (since,))
            db.execute("DELETE FROM gaps WHERE end < ?", (since,))
            last = db.execute("SELECT at FROM reads ORDER BY at DESC LIMIT 1 OFFSET ?", (MOST,)).fetchone()
            if last is not None:
                db.execute("DELETE FROM reads WHERE at <= ?", last)
                dropped = max(dropped, _moment(last[0])) if dropped else _moment(last[0])
            db.execute(
                "INSERT INTO seen VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET until = excluded.until, "
                "dropped = max(coalesce(excluded.dropped, dropped), coalesce(dropped, excluded.dropped))",
                (until.timestamp(), dropped.timestamp() if dropped else None),
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
