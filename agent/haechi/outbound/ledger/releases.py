"""Which releases were spent on which contents, in one SQLite file.

The file alone is not believed: the audit tells of every release that was spent (``haechi.app.spent_releases``).
"""

from __future__ import annotations

from pathlib import Path

from haechi.outbound.ledger.database import Database

_SCHEMA = (
    "CREATE TABLE spent (release TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (release, digest)) WITHOUT ROWID"
)


class SqliteReleaseLedger:
    """Implements ``haechi.ports.releases.ReleaseLedger``."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA, 1)

    def spent(self, release_id: str, digest: str) -> bool:
        """See the port."""
        with self._database.transaction() as db:
            found = db.execute("SELECT 1 FROM spent WHERE release = ? AND digest = ?", (release_id, digest)).fetchone()
        return found is not None

    def spend(self, release_id: str, digest: str) -> None:
        """See the port."""
        with self._database.transaction(write=True) as db:
            db.execute("INSERT OR IGNORE INTO spent VALUES (?,?)", (release_id, digest))

    def close(self) -> None:
        """Let the file go."""
        self._database.close()
