"""What the store took: writes that it has not answered yet, and what they stand for once it did.

Theory. A store may reject what was let through: a condition does not hold, a signature is wrong. Then the object is as
it was before, and what follows has other neighbours. So a write whose answer matters is *awaited*: a piece carries the
mark in its row, an object that is made anew has a row of its own here. The answer takes the mark away; a rejected piece
gives its place back to what was there before it. Where no answer came (a broken connection, a killed agent) the mark
stays, and what is asked of such an object is judged as not known.
"""

from __future__ import annotations

import sqlite3

SCHEMA = """
ALTER TABLE piece ADD COLUMN awaited INTEGER NOT NULL DEFAULT 0;
CREATE TABLE renewal (
    provider TEXT NOT NULL, container TEXT NOT NULL, assembly TEXT NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (provider, container, assembly, since)
) WITHOUT ROWID
"""
Named = tuple[str, str, str]
"""Provider, container and the assembly's id."""

_OF = "provider=? AND container=? AND assembly=?"


def awaits(db: sqlite3.Connection, named: Named) -> bool:
    """Whether the store owes an answer to a write to this object."""
    return any(
        db.execute(f"SELECT 1 FROM {what} LIMIT 1", named).fetchone() is not None  # noqa: S608 - from this module
        for what in (f"piece WHERE {_OF} AND awaited", f"renewal WHERE {_OF}")
    )


def renewing(db: sqlite3.Connection, named: Named, now: float) -> float:
    """A request was let through that makes the object anew; the number by which its answer is told apart."""
    (last,) = db.execute(f"SELECT max(since) FROM renewal WHERE {_OF}", named).fetchone()  # noqa: S608
    since = now if last is None or now > last else last + 1e-3
    db.execute("INSERT INTO renewal VALUES (?,?,?,?)", (*named, since))
    return since


def renewed(db: sqlite3.Connection, named: Named, since: float) -> bool:
    """Its answer came. Whether nothing else was written meanwhile: if something was, nobody knows which came first."""
    db.execute(f"DELETE FROM renewal WHERE {_OF} AND since=?", (*named, since))  # noqa: S608
    row = db.execute(f"SELECT 1 FROM piece WHERE {_OF} AND (seen>=? OR awaited) LIMIT 1", (*named, since)).fetchone()  # noqa: S608
    return row is None


def prune(db: sqlite3.Connection, before: float) -> None:
    """Forget renewals that nobody answered, once the object's pieces are forgotten too."""
    db.execute(
        "DELETE FROM renewal WHERE since < ? AND NOT EXISTS (SELECT 1 FROM piece WHERE piece.provider=renewal.provider "
        "AND piece.container=renewal.container AND piece.assembly=renewal.assembly)",
        (before,),
    )
