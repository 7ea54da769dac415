"""What the beginnings of multipart uploads asked for, by place: rows in the file of the assemblies.

A place is kept or forgotten as a whole. With one of two wishes forgotten the other would look like the only one, and an
upload that was begun with the forgotten one would be judged by it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from haechi.domain.errors import HaechiError
from haechi.outbound.ledger.places import Place
from haechi.ports.objects import Wish

SCHEMA = """
CREATE TABLE wish (
    provider TEXT NOT NULL, container TEXT NOT NULL, key TEXT NOT NULL, wish BLOB NOT NULL, seen REAL NOT NULL,
    PRIMARY KEY (provider, container, key, wish)
) WITHOUT ROWID;
CREATE INDEX wish_seen ON wish (seen)
"""

LONGEST = 16 << 10
"""Bytes of a wish with its object's name: no store takes a name of a quarter of that, and a head may have more."""
_wishes = msgspec.json.Decoder(Wish)
_OF_PLACE = "provider = ? AND container = ? AND key = ?"


def note(db: sqlite3.Connection, place: Place, wish: Wish, now: float, most: int, path: Path) -> None:
    """Remember a wish. Of more than ``most`` the places that were begun longest ago are forgotten. Raises
    ``HaechiError('ledger.full')`` for one that is too long.
    """
    row = (*place.container, place.key, msgspec.json.encode(wish), now)
    if len(row[2]) + len(row[3]) > LONGEST:
        raise HaechiError("ledger.full", file=str(path), limit=LONGEST)
    db.execute("INSERT INTO wish VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET seen = excluded.seen", row)
    while db.execute("SELECT count(*) FROM wish").fetchone()[0] > most:
        oldest = db.execute(
            "SELECT provider, container, key FROM wish GROUP BY provider, container, key ORDER BY max(seen) LIMIT 1"
        ).fetchone()
        db.execute(f"DELETE FROM wish WHERE {_OF_PLACE}", oldest)  # noqa: S608 - from this module


def of(db: sqlite3.Connection, place: Place, path: Path) -> frozenset[Wish]:
    """The wishes of a place. Raises ``HaechiError('ledger.corrupt')``."""
    found = db.execute(f"SELECT wish FROM wish WHERE {_OF_PLACE}", (*place.container, place.key))  # noqa: S608
    try:
        return frozenset(_wishes.decode(raw) for (raw,) in found)
    except (msgspec.DecodeError, ValueError) as error:
        raise HaechiError("ledger.corrupt", file=str(path), cause="wish") from error


def prune(db: sqlite3.Connection, before: float) -> None:
    """Forget the places where nothing was begun since."""
    db.execute(
        "DELETE FROM wish WHERE (provider, container, key) IN (SELECT provider, container, key FROM wish "
        "GROUP BY provider, container, key HAVING max(seen) < ?)",
        (before,),
    )
