"""Pieces of objects under assembly, kept over connections and restarts of the agent.

A piece's edges are bytes of the body, perhaps of tagged content: the file is its owner's alone, deleted pieces are
overwritten, and pieces that nobody completed go after ``max_age``. What must not happen is forgetting a piece of a
living assembly to make room: a full ledger refuses instead. A completed assembly goes by age as well: the data path
does not read the store's answer, and a client may have to complete it again.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import msgspec

from haechi.domain.content import Content, ContentState, union
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Assembly, Location
from haechi.outbound.ledger import wishes
from haechi.outbound.ledger.database import Database
from haechi.outbound.ledger.places import Place, place_of
from haechi.ports.clock import Clock
from haechi.ports.index import Edges
from haechi.ports.objects import REPLACED, Piece, Wish

_SCHEMA = """
CREATE TABLE piece (
    provider TEXT NOT NULL, container TEXT NOT NULL, assembly TEXT NOT NULL, part INTEGER NOT NULL,
    key TEXT NOT NULL, content BLOB NOT NULL, head BLOB NOT NULL, tail BLOB, size INTEGER NOT NULL,
    bytes INTEGER NOT NULL, seen REAL NOT NULL,
    PRIMARY KEY (provider, container, assembly, part)
) WITHOUT ROWID;
CREATE INDEX piece_seen ON piece (seen);
CREATE TABLE total (one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL);
INSERT INTO total VALUES (1, 0);
CREATE TRIGGER piece_in AFTER INSERT ON piece BEGIN UPDATE total SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER piece_out AFTER DELETE ON piece BEGIN UPDATE total SET bytes = bytes - OLD.bytes; END
"""

_PRUNE_SECONDS = 60.0


class SqliteAssemblies:
    """Implements ``haechi.ports.objects.Assemblies``. Every method raises ``HaechiError('ledger.…')`` on failure."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        max_age: dt.timedelta = dt.timedelta(days=14),
        max_bytes: int = 2 * 1024**3,
        max_wishes: int = 100_000,
    ) -> None:
        """``max_age`` after which an untouched assembly's pieces go, and the wishes of its beginning; ``max_bytes`` of
        pieces, beyond which ``put`` raises ``ledger.full``; ``max_wishes``, of which the oldest go first and then count
        as not seen. All are this project's choice.
        """
        self._database = Database(path, f"{_SCHEMA}; {wishes.SCHEMA}", 2, {1: wishes.SCHEMA})
        self._max_wishes = max_wishes
        self._clock = clock
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._pruned_at: float | None = None

    def begun(self, place: Location, wish: Wish) -> None:
        """Remember what a beginning asked for."""
        now = self._clock.now().timestamp()
        with self._database.transaction(write=True) as db:
            self._prune(db, now)
            wishes.note(db, place_of(place), wish, now, self._max_wishes)

    def wishes(self, place: Location) -> frozenset[Wish]:
        """What every beginning there asked for, as far as it is remembered."""
        with self._database.transaction() as db:
            return wishes.of(db, place_of(place), self._database.path)

    def put(self, place: Location, assembly: Assembly, piece: Piece) -> None:
        """Remember a piece. The same part again replaces the bytes; what was once recognised in it stays."""
        where = place_of(place)
        now = self._clock.now().timestamp()
        head, tail = bytes(piece.edges.head), bytes(piece.edges.tail)
        with self._database.transaction(write=True) as db:
            self._prune(db, now)
            old = db.execute(
                "SELECT content, bytes FROM piece WHERE provider=? AND container=? AND assembly=? AND part=?",
                (*where.container, assembly.id, piece.part),
            ).fetchone()
            content = _merged(piece.content, self._database.content(old[0])) if old else piece.content
            raw = msgspec.json.encode(content)
            size = len(raw) + len(head) + (0 if tail == head else len(tail))
            (held,) = db.execute("SELECT bytes FROM total").fetchone()
            if held - (old[1] if old else 0) + size > self._max_bytes:
                raise HaechiError("ledger.full", file=str(self._database.path), limit=self._max_bytes)
            if old:
                db.execute(
                    "DELETE FROM piece WHERE provider=? AND container=? AND assembly=? AND part=?",
                    (*where.container, assembly.id, piece.part),
                )
            db.execute(
                "INSERT INTO piece VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *where.container,
                    assembly.id,
                    piece.part,
                    where.key,
                    raw,
                    head,
                    None if tail == head else tail,
                    piece.edges.size,
                    size,
                    now,
                ),
            )

    def pieces(self, place: Location, assembly: Assembly) -> tuple[Piece, ...]:
        """All pieces seen, ordered by part."""
        where = place_of(place)
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT part, content, head, tail, size FROM piece "
                "WHERE provider=? AND container=? AND assembly=? ORDER BY part",
                (*where.container, assembly.id),
            ).fetchall()
        return tuple(
            Piece(part, self._database.content(raw), Edges(head, head if tail is None else tail, size))
            for part, raw, head, tail, size in rows
        )

    def forget(self, place: Location, assembly: Assembly) -> None:
        """Somebody asked to give the object up: bytes go, what was recognised stays, and the pieces are not to be
        relied on any more.
        """
        where: Place = place_of(place)
        named = (*where.container, assembly.id)
        with self._database.transaction(write=True) as db:
            rows = db.execute(
                "SELECT part, key, content, seen FROM piece WHERE provider=? AND container=? AND assembly=?", named
            ).fetchall()
            db.execute("DELETE FROM piece WHERE provider=? AND container=? AND assembly=?", named)
            for part, key, raw, seen in rows:
                kept = msgspec.json.encode(_given_up(self._database.content(raw)))
                row = (*named, part, key, kept, b"", None, 0, len(kept), seen)
                db.execute("INSERT INTO piece VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _prune(self, db: sqlite3.Connection, now: float) -> None:
        """Drop whole assemblies that nobody touched for ``max_age``; a living one keeps its oldest piece."""
        monotonic = self._clock.monotonic()
        if self._pruned_at is not None and monotonic - self._pruned_at < _PRUNE_SECONDS:
            return
        self._pruned_at = monotonic
        wishes.prune(db, now - self._max_age.total_seconds())
        db.execute(
            "DELETE FROM piece WHERE (provider, container, assembly) IN (SELECT provider, container, assembly "
            "FROM piece GROUP BY provider, container, assembly HAVING max(seen) < ?)",
            (now - self._max_age.total_seconds(),),
        )


def _given_up(content: Content) -> Content:
    notes = tuple(dict.fromkeys((*content.notes, REPLACED)))
    state = content.state if content.matches else ContentState.NOT_INSPECTED
    return Content(state, content.matches, content.size, "", notes)


def _merged(new: Content, old: Content) -> Content:
    """The new piece with the matches of what it replaces: a part sent twice never looks cleaner than either time."""
    if not old.matches:
        return new
    both = union([new, old])
    return Content(both.state, both.matches, new.size, new.digest, both.notes)
