"""Numbers for pieces that a store calls by name: rows in the file of the assemblies.

Theory. A blob's blocks lie at the store under their names until a list joins some of them and drops the rest. So blocks
sent since the last list make an assembly of their own, a *round*: its id is the blob's with the round's number behind
it, and its parts are numbered in the order in which the names came first. A name sent again in its round is the same
part. Rounds are numbered by the clock, so that none has the number of one that was forgotten.

A row with an empty name says that an object was seen to be made empty, so that its end is known.
"""

from __future__ import annotations

import sqlite3

SCHEMA = """
CREATE TABLE name (
    provider TEXT NOT NULL, container TEXT NOT NULL, object TEXT NOT NULL, round INTEGER NOT NULL, name TEXT NOT NULL,
    part INTEGER NOT NULL, PRIMARY KEY (provider, container, object, round, name)
) WITHOUT ROWID
"""
_ROW = 100
"""Bytes that a row takes beside its names, about; ``COUNTED`` says the same."""
COUNTED = """
CREATE TRIGGER name_in AFTER INSERT ON name BEGIN
    UPDATE total SET bytes = bytes + 100 + length(NEW.object) + length(NEW.name);
END;
CREATE TRIGGER name_out AFTER DELETE ON name BEGIN
    UPDATE total SET bytes = bytes - (100 + length(OLD.object) + length(OLD.name));
END;
UPDATE total SET bytes = bytes + (SELECT coalesce(sum(100 + length(object) + length(name)), 0) FROM name)
"""
"""Names count as bytes of the ledger: somebody who only ever begins blocks invents them without end."""
Named = tuple[str, str, str]
"""Provider, container and the assembly's id without its round."""

_OF = "provider=? AND container=? AND object=?"
_KEPT_SECONDS = 14 * 86_400
"""For how long a row outlives its pieces, in seconds: as long as an untouched assembly is kept."""
_UNUSED_SECONDS = 86_400
"""The same for a name of which no piece ever went, from the beginning of its round: far longer than a request takes."""


def of_round(object_: str, number: int) -> str:
    """The id of an assembly. What stands behind the last sign is the number, whatever signs the object's name has."""
    return f"{object_}#{number}"


def numbered(db: sqlite3.Connection, named: Named, name: str, now: float) -> tuple[str, int]:
    """The assembly's id and the part of a name, in the round that is open; a new round where the last was joined."""
    (number,) = db.execute(f"SELECT max(round) FROM name WHERE {_OF} AND name<>''", named).fetchone()  # noqa: S608
    if number is None or _joined(db, named, number):
        number = max(int(now * 1000), (number or 0) + 1)
    row = db.execute(f"SELECT part FROM name WHERE {_OF} AND round=? AND name=?", (*named, number, name)).fetchone()  # noqa: S608
    if row is not None:
        return of_round(named[2], number), row[0]
    (last,) = db.execute(f"SELECT max(part) FROM name WHERE {_OF} AND round=?", (*named, number)).fetchone()  # noqa: S608
    db.execute("INSERT INTO name VALUES (?,?,?,?,?,?)", (*named, number, name, (last or 0) + 1))
    return of_round(named[2], number), (last or 0) + 1


def room_of(named: Named, name: str) -> int:
    """Bytes that one more name takes."""
    return _ROW + len(named[2]) + len(name)


def rounds(db: sqlite3.Connection, named: Named) -> tuple[int, ...]:
    """All that are remembered, the newest first."""
    found = db.execute(f"SELECT DISTINCT round FROM name WHERE {_OF} AND name<>'' ORDER BY round DESC", named)  # noqa: S608
    return tuple(number for (number,) in found)


def parts(db: sqlite3.Connection, named: Named, number: int) -> dict[str, int]:
    """The part of each name of a round."""
    found = db.execute(f"SELECT name, part FROM name WHERE {_OF} AND round=?", (*named, number))  # noqa: S608
    return dict(found.fetchall())


def emptied(db: sqlite3.Connection, named: Named, now: float) -> None:
    """The object was made anew."""
    db.execute(f"DELETE FROM name WHERE {_OF} AND name=''", named)  # noqa: S608
    db.execute("INSERT INTO name VALUES (?,?,?,?,'',0)", (*named, int(now * 1000)))


def end(db: sqlite3.Connection, named: Named) -> int | None:
    """Where the object ends; None where nothing is known of it."""
    (last,) = db.execute(
        "SELECT max(part + size) FROM piece WHERE provider=? AND container=? AND assembly=?", named
    ).fetchone()
    if last is not None:
        return int(last)
    return 0 if was_emptied(db, named) else None


def was_emptied(db: sqlite3.Connection, named: Named) -> bool:
    """Whether the object was seen to be made."""
    return db.execute(f"SELECT 1 FROM name WHERE {_OF} AND name=''", named).fetchone() is not None  # noqa: S608


def prune(db: sqlite3.Connection, now: float) -> None:
    """Forget rows that no piece needs any more."""
    db.execute(
        "DELETE FROM name WHERE round < ? AND NOT EXISTS (SELECT 1 FROM piece WHERE piece.provider=name.provider "
        "AND piece.container=name.container AND piece.assembly IN (name.object, name.object || '#' || name.round))",
        (int((now - _KEPT_SECONDS) * 1000),),
    )
    db.execute(
        "DELETE FROM name WHERE round < ? AND name<>'' AND NOT EXISTS (SELECT 1 FROM piece WHERE "
        "piece.provider=name.provider AND piece.container=name.container "
        "AND piece.assembly=name.object || '#' || name.round AND piece.part=name.part)",
        (int((now - _UNUSED_SECONDS) * 1000),),
    )


def _joined(db: sqlite3.Connection, named: Named, number: int) -> bool:
    """Whether a list joined pieces of that round."""
    return (
        db.execute(
            "SELECT 1 FROM piece WHERE provider=? AND container=? AND assembly=? AND finished LIMIT 1",
            (*named[:2], of_round(named[2], number)),
        ).fetchone()
        is not None
    )
