"""Which tagged content was let through to which object: what a later copy or exposure is judged by.

Entries do not age: an object in a bucket does not either. The number of entries is bounded; a full ledger refuses to
let more tagged content through instead of forgetting some.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from haechi.domain.content import Content, ContentState
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Location
from haechi.outbound.ledger.database import Database
from haechi.outbound.ledger.places import ALIAS, place_of
from haechi.ports.clock import Clock

_SCHEMA = """
CREATE TABLE object (
    provider TEXT NOT NULL, container TEXT NOT NULL, key TEXT NOT NULL, content BLOB NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (provider, container, key)
) WITHOUT ROWID;
CREATE TABLE total (one INTEGER PRIMARY KEY CHECK (one = 1), objects INTEGER NOT NULL);
INSERT INTO total VALUES (1, 0);
CREATE TRIGGER object_in AFTER INSERT ON object BEGIN UPDATE total SET objects = objects + 1; END;
CREATE TRIGGER object_out AFTER DELETE ON object BEGIN UPDATE total SET objects = objects - 1; END
"""


class SqliteObjectLedger:
    """Implements ``haechi.ports.objects.ObjectLedger``. Every method raises ``HaechiError('ledger.…')`` on failure."""

    def __init__(self, path: Path, clock: Clock, *, max_objects: int = 5_000_000) -> None:
        """``max_objects`` that hold tagged content; this project's choice."""
        self._database = Database(path, _SCHEMA, 1)
        self._clock = clock
        self._max_objects = max_objects

    def stored(self, place: Location, content: Content) -> None:
        """Remember what an allowed request put there.

        Only content that was read and found clean clears an entry: what is opaque or was not inspected may hold what
        was there before, and is remembered as it is where something was known.
        """
        where = place_of(place)
        with self._database.transaction() as db:
            known = db.execute(
                "SELECT 1 FROM object WHERE provider=? AND container=? AND key=?", (*where.container, where.key)
            ).fetchone()
        if not content.matches:
            if known and content.state is ContentState.CLEAN:
                with self._database.transaction(write=True) as db:
                    db.execute(
                        "DELETE FROM object WHERE provider=? AND container=? AND key=?", (*where.container, where.key)
                    )
            return
        with self._database.transaction(write=True) as db:
            (objects,) = db.execute("SELECT objects FROM total").fetchone()
            if not known and objects >= self._max_objects:
                raise HaechiError("ledger.full", file=str(self._database.path), limit=self._max_objects)
            db.execute(
                "INSERT INTO object VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET content=excluded.content, "
                "since=excluded.since",
                (*where.container, where.key, msgspec.json.encode(content), self._clock.now().timestamp()),
            )

    def holds(self, place: Location) -> Content | None:
        """The tagged content that the object is known to hold; None when nothing is known of it."""
        where = place_of(place)
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT content FROM object WHERE provider=? AND container=? AND key=?", (*where.container, where.key)
            ).fetchone()
        return self._database.content(row[0]) if row else None

    def may_hold(self, place: Location) -> bool:
        """Whether the container is known to hold tagged content, by whatever name it is reached."""
        provider, container = place_of(place).container
        anywhere = container.startswith(ALIAS)
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT 1 FROM object WHERE provider=?1 AND (?2 OR container=?3 OR (container>=?4 AND container<?5)) "
                "LIMIT 1",
                (provider, anywhere, container, ALIAS, ALIAS[:-1] + ";"),
            ).fetchone()
        return row is not None

    def close(self) -> None:
        """Let the file go."""
        self._database.close()
