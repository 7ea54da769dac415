"""Pieces of objects under assembly, kept over connections and restarts of the agent.

Each part asks for its neighbours alone and for what was recognised anywhere (``found``), so that an upload of 10,000
parts costs each part as much as one of ten.

A piece's edges are bytes of the body, perhaps of tagged content: the file is its owner's alone, deleted pieces are
overwritten, and pieces that nobody completed go after ``max_age``. What must not happen is forgetting a piece of a
living assembly to make room: a full ledger refuses instead. A finished assembly (completed, or an object that may be
appended to) is kept for a while, because a completion's answer is not heard, and a client may have to
complete it again; the oldest of them make room. Who comes back to one that is gone is judged by the worst case.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from haechi.domain.content import Content, ContentState, union
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Assembly, Location
from haechi.outbound.ledger import awaiting, naming, wishes
from haechi.outbound.ledger.database import Database
from haechi.outbound.ledger.places import place_of
from haechi.ports.clock import Clock
from haechi.ports.index import Edges
from haechi.ports.objects import REPLACED, Around, Called, Piece, Wish

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

_FINISHING = """
ALTER TABLE piece ADD COLUMN finished INTEGER NOT NULL DEFAULT 0;
CREATE INDEX piece_finished ON piece (seen) WHERE finished;
CREATE TABLE found (
    provider TEXT NOT NULL, container TEXT NOT NULL, assembly TEXT NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (provider, container, assembly, content)
) WITHOUT ROWID;
INSERT OR IGNORE INTO found SELECT provider, container, assembly, content FROM piece
"""
_OF = "provider=? AND container=? AND assembly=?"
_PIECE = "part, content, head, tail, size, awaited"
_PRUNE_SECONDS = 60.0


class SqliteAssemblies:
    """Implements ``haechi.ports.objects.Assemblies``. Every method raises ``HaechiError('ledger.…')`` on failure."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        max_age: dt.timedelta = dt.timedelta(days=14),
        finished_age: dt.timedelta = dt.timedelta(days=1),
        max_bytes: int = 2 * 1024**3,
        max_wishes: int = 100_000,
    ) -> None:
        """``max_age`` after which an untouched assembly's pieces go, and the wishes of its beginning; ``finished_age``
        for a finished one; ``max_bytes`` of pieces and names, beyond which the oldest finished assemblies go, and where
        there are none ``put`` and ``numbered`` raise ``ledger.full``; ``max_wishes``, of which the oldest go first and
        then count as not seen. All are this project's choice.
        """
        forms = (_SCHEMA, wishes.SCHEMA, _FINISHING, naming.SCHEMA, naming.COUNTED, awaiting.SCHEMA)
        self._database = Database(path, "; ".join(forms), len(forms), dict(enumerate(forms[1:], start=1)))
        self._max_wishes = max_wishes
        self._clock = clock
        self._max_age = max_age
        self._finished_age = finished_age
        self._max_bytes = max_bytes
        self._pruned_at: float | None = None

    def begun(self, place: Location, wish: Wish) -> None:
        """Remember what a beginning asked for."""
        now = self._clock.now().timestamp()
        with self._database.transaction(write=True) as db:
            self._prune(db, now)
            wishes.note(db, place_of(place), wish, now, self._max_wishes, self._database.path)

    def wishes(self, place: Location) -> frozenset[Wish]:
        """What every beginning there asked for, as far as it is remembered."""
        with self._database.transaction() as db:
            return wishes.of(db, place_of(place), self._database.path)

    def numbered(self, place: Location, assembly: Assembly) -> Assembly:
        """As the port says."""
        named = (*place_of(place).container, assembly.id)
        if assembly.name:
            now = self._clock.now().timestamp()
            with self._database.transaction(write=True) as db:
                self._prune(db, now)
                if not self._room(db, naming.room_of(named, assembly.name), named):
                    raise HaechiError("ledger.full", file=str(self._database.path), limit=self._max_bytes)
                id_, part = naming.numbered(db, named, assembly.name, now)
            return dataclasses.replace(assembly, id=id_, part=part)
        if assembly.grows and not assembly.begins and (assembly.part is None or assembly.scattered):
            with self._database.transaction() as db:
                if assembly.scattered:
                    seen = naming.was_emptied(db, named)
                    return assembly if seen else dataclasses.replace(assembly, part=None)
                # Where the end is depends on what the store makes of a write that it has not answered.
                end = None if awaiting.awaits(db, named) else naming.end(db, named)
            return dataclasses.replace(assembly, part=end)
        return assembly

    def named(self, place: Location, assembly: Assembly) -> Sequence[Called] | None:
        """As the port says."""
        where = place_of(place).container
        found: dict[str, Called] = {}
        committed: dict[str, Called] = {}
        digests: dict[str, set[str]] = {}
        with self._database.transaction() as db:
            for number in naming.rounds(db, (*where, assembly.id)):
                id_ = naming.of_round(assembly.id, number)
                rows = db.execute(f"SELECT {_PIECE}, finished FROM piece WHERE {_OF}", (*where, id_)).fetchall()  # noqa: S608
                pieces = {row[0]: (row[:-1], row[-1]) for row in rows}
                for name, part in naming.parts(db, (*where, assembly.id), number).items():
                    if part in pieces and name in (assembly.names or ()):
                        row, joined = pieces[part]
                        one = Called(dataclasses.replace(assembly, id=id_), self._piece(row), only=True)
                        found.setdefault(name, one)
                        committed.update({name: one} if joined and name not in committed else {})
                        digests.setdefault(name, set()).add(one.piece.content.digest)
        listed = [(committed if name in assembly.older else found).get(name) for name in assembly.names or ()]
        whole = [one for one in listed if one is not None]
        if len(whole) != len(listed):
            return None
        several = {name for name, seen in digests.items() if len(seen) > 1}
        return [
            one if name not in several else _of_several(one)
            for name, one in zip(assembly.names or (), whole, strict=True)
        ]

    def remembers(self, place: Location, assembly: Assembly) -> bool:
        """As the port says."""
        named = (*place_of(place).container, assembly.id)
        with self._database.transaction() as db:
            return awaiting.awaits(db, named) or naming.end(db, named) is not None

    def answered(self, place: Location, assembly: Assembly, piece: Piece, before: Piece | None, *, taken: bool) -> None:
        """As the port says. A row that another write has taken over since is left alone."""
        where = place_of(place)
        named = (*where.container, assembly.id)
        with self._database.transaction(write=True) as db:
            row = db.execute(f"SELECT {_PIECE} FROM piece WHERE {_OF} AND part=?", (*named, piece.part)).fetchone()  # noqa: S608
            now = self._piece(row) if row else None
            if now is None or not now.awaited or now.content.digest != piece.content.digest:
                return
            db.execute(f"DELETE FROM piece WHERE {_OF} AND part=?", (*named, piece.part))  # noqa: S608
            if not taken and before is not None:
                self._put(db, place, assembly, before)
            elif taken:
                kept = now.content if before and REPLACED in before.content.notes else _settled(now.content)
                self._put(db, place, assembly, Piece(now.part, kept, now.edges))

    def renewing(self, place: Location, assembly: Assembly) -> float:
        """As the port says."""
        now = self._clock.now().timestamp()
        with self._database.transaction(write=True) as db:
            self._prune(db, now)
            return awaiting.renewing(db, (*place_of(place).container, assembly.id), now)

    def renewed(self, place: Location, assembly: Assembly, since: float, *, taken: bool) -> bool:
        """As the port says."""
        named = (*place_of(place).container, assembly.id)
        with self._database.transaction(write=True) as db:
            alone = awaiting.renewed(db, named, since)
            if not taken:
                return True
            if not alone:
                self._give_up(db, named)
                return False
            for table in ("piece", "found"):
                db.execute(f"DELETE FROM {table} WHERE {_OF}", named)  # noqa: S608 - from this module
            naming.emptied(db, named, self._clock.now().timestamp())
        return True

    def put(self, place: Location, assembly: Assembly, piece: Piece) -> None:
        """Remember a piece. The same part again replaces the bytes; what was once recognised in it stays."""
        self.put_all(place, assembly, (piece,))

    def put_all(self, place: Location, assembly: Assembly, pieces: Sequence[Piece]) -> None:
        """As the port says."""
        with self._database.transaction(write=True) as db:
            self._prune(db, self._clock.now().timestamp())
            for piece in pieces:
                self._put(db, place, assembly, piece)

    def _put(self, db: sqlite3.Connection, place: Location, assembly: Assembly, piece: Piece) -> None:
        where = place_of(place)
        now = self._clock.now().timestamp()
        head, tail = bytes(piece.edges.head), bytes(piece.edges.tail)
        if assembly.begins:
            db.execute(f"DELETE FROM piece WHERE {_OF} AND part<>?", (*where.container, assembly.id, piece.part))  # noqa: S608
        old = db.execute(
            "SELECT content, bytes FROM piece WHERE provider=? AND container=? AND assembly=? AND part=?",
            (*where.container, assembly.id, piece.part),
        ).fetchone()
        content = _merged(piece.content, self._database.content(old[0])) if old else piece.content
        raw = msgspec.json.encode(content)
        # Names are a user's to invent, of any length: they take room like bytes.
        size = len(raw) + len(head) + (0 if tail == head else len(tail)) + len(assembly.id) + len(where.key)
        if not self._room(db, size - (old[1] if old else 0), (*where.container, assembly.id)):
            raise HaechiError("ledger.full", file=str(self._database.path), limit=self._max_bytes)
        if old:
            db.execute(
                "DELETE FROM piece WHERE provider=? AND container=? AND assembly=? AND part=?",
                (*where.container, assembly.id, piece.part),
            )
        db.execute(
            "INSERT INTO piece VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
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
                int(assembly.grows),
                int(piece.awaited),
            ),
        )
        if content.state is not ContentState.CLEAN or content.matches or content.notes:
            row = (*where.container, assembly.id, msgspec.json.encode(_found(content)))
            db.execute("INSERT OR IGNORE INTO found VALUES (?,?,?,?)", row)

    def pieces(self, place: Location, assembly: Assembly) -> tuple[Piece, ...]:
        """All pieces seen, ordered by part."""
        where = place_of(place)
        with self._database.transaction() as db:
            named = (*where.container, assembly.id)
            rows = db.execute(f"SELECT {_PIECE} FROM piece WHERE {_OF} ORDER BY part", named).fetchall()  # noqa: S608
        return tuple(self._piece(row) for row in rows)

    def around(self, place: Location, assembly: Assembly, reach: int) -> Around:
        """As the port says."""
        named = (*place_of(place).container, assembly.id)
        with self._database.transaction() as db:
            here = db.execute(f"SELECT {_PIECE} FROM piece WHERE {_OF} AND part=?", (*named, assembly.part)).fetchone()  # noqa: S608
            before = self._side(db, named, "part<? ORDER BY part DESC", assembly.part, reach)
            after = self._side(db, named, "part>? ORDER BY part", assembly.part, reach)
            found = db.execute(f"SELECT content FROM found WHERE {_OF}", named).fetchall()  # noqa: S608
        if assembly.begins:
            return Around(here=self._piece(here) if here else None)
        return Around(
            tuple(self._database.content(raw) for (raw,) in found),
            before[::-1],
            self._piece(here) if here else None,
            after,
            sum(piece.edges.size for piece in before) >= reach,
        )

    def finished(self, place: Location, assembly: Assembly) -> None:
        """As the port says."""
        where = place_of(place).container
        with self._database.transaction(write=True) as db:
            # A list drops what it does not join: every block that was sent before it is of an earlier round now.
            rounds = naming.rounds(db, (*where, assembly.id)) if assembly.alone else ()
            for id_ in (assembly.id, *(naming.of_round(assembly.id, number) for number in rounds)):
                db.execute(f"UPDATE piece SET finished=1 WHERE {_OF}", (*where, id_))  # noqa: S608 - from this module

    def forget(self, place: Location, assembly: Assembly) -> None:
        """Somebody asked to give the object up: bytes go, what was recognised stays, and the pieces are not to be
        relied on any more.
        """
        with self._database.transaction(write=True) as db:
            self._give_up(db, (*place_of(place).container, assembly.id))

    def _give_up(self, db: sqlite3.Connection, named: tuple[str, str, str]) -> None:
        rows = db.execute(f"SELECT part, key, content, seen FROM piece WHERE {_OF}", named).fetchall()  # noqa: S608
        db.execute(f"DELETE FROM piece WHERE {_OF}", named)  # noqa: S608 - from this module
        for part, key, raw, seen in rows:
            kept = msgspec.json.encode(_given_up(self._database.content(raw)))
            row = (*named, part, key, kept, b"", None, 0, len(kept) + len(named[2]) + len(key), seen, 0, 0)
            db.execute("INSERT INTO piece VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", row)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _piece(self, row: tuple[Any, ...]) -> Piece:
        part, raw, head, tail, size, awaited = row
        edges = Edges(head, head if tail is None else tail, size)
        return Piece(part, self._database.content(raw), edges, bool(awaited))

    def _side(
        self, db: sqlite3.Connection, named: tuple[str, ...], which: str, part: int | None, reach: int
    ) -> tuple[Piece, ...]:
        """The neighbours on one side, the nearest first; no more rows are read than are needed."""
        found, held = [], 0
        for row in db.execute(f"SELECT {_PIECE} FROM piece WHERE {_OF} AND {which}", (*named, part)):  # noqa: S608
            found.append(self._piece(row))
            held += found[-1].edges.size
            if held >= reach:
                break
        return tuple(found)

    def _room(self, db: sqlite3.Connection, more: int, kept: tuple[str, ...]) -> bool:
        """Whether so many bytes more fit, once the oldest finished assemblies but this one have made room."""
        while db.execute("SELECT bytes FROM total").fetchone()[0] + more > self._max_bytes:
            oldest = db.execute(
                "SELECT provider, container, assembly FROM piece "
                "WHERE finished AND (provider, container, assembly) <> (?,?,?) ORDER BY seen LIMIT 1",
                kept,
            ).fetchone()
            if oldest is None:
                return False
            for table in ("piece", "found"):
                db.execute(f"DELETE FROM {table} WHERE {_OF}", oldest)  # noqa: S608 - from this module
        return True

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
        # Where an append may follow, the object is no more finished than on the day before.
        db.execute(
            "DELETE FROM piece WHERE (provider, container, assembly) IN (SELECT provider, container, assembly "
            "FROM piece WHERE assembly NOT LIKE 'append:%' GROUP BY provider, container, assembly "
            "HAVING min(finished) AND max(seen) < ?)",
            (now - self._finished_age.total_seconds(),),
        )
        db.execute(
            "DELETE FROM found WHERE NOT EXISTS (SELECT 1 FROM piece WHERE piece.provider=found.provider "
            "AND piece.container=found.container AND piece.assembly=found.assembly)"
        )
        naming.prune(db, now)
        awaiting.prune(db, now - self._max_age.total_seconds())


def _of_several(one: Called) -> Called:
    """The newest of several versions of a name: the store may join an older one as long as it has not taken this."""
    if not one.piece.awaited:
        return dataclasses.replace(one, only=False)
    notes = tuple(dict.fromkeys((*one.piece.content.notes, REPLACED)))
    piece = dataclasses.replace(one.piece, content=dataclasses.replace(one.piece.content, notes=notes))
    return dataclasses.replace(one, piece=piece, only=False)


def _settled(content: Content) -> Content:
    """The content of a piece that the store took in place of another."""
    return dataclasses.replace(content, notes=tuple(note for note in content.notes if note != REPLACED))


def _given_up(content: Content) -> Content:
    notes = tuple(dict.fromkeys((*content.notes, REPLACED)))
    state = content.state if content.matches else ContentState.NOT_INSPECTED
    return Content(state, content.matches, content.size, "", notes)


def _found(content: Content) -> Content:
    """What parts of one object have in common, so that many of them are few rows."""
    matches = tuple(dataclasses.replace(match, matched_bytes=0) for match in content.matches)
    return Content(content.state, matches, notes=content.notes)


def _merged(new: Content, old: Content) -> Content:
    """The new piece with the matches of what it replaces: a part sent twice never looks cleaner than either time."""
    if not old.matches:
        return new
    both = union([new, old])
    return Content(both.state, both.matches, new.size, new.digest, both.notes)
