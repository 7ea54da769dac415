"""Which permits are armed and which were spent, in one SQLite file.

The file alone is not believed: whoever puts an older one back would get a spent permit back. The audit tells of every
permit that was spent, and both are joined at the start (``haechi.app.permitting``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from haechi.domain.bound import Cut
from haechi.domain.errors import HaechiError
from haechi.domain.permit import Permit
from haechi.outbound.ledger.database import Database
from haechi.ports.permits import Armed

_SCHEMA = """
CREATE TABLE armed (id TEXT PRIMARY KEY, permit BLOB NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE spent (id TEXT PRIMARY KEY, use TEXT NOT NULL) WITHOUT ROWID
"""
_CUTTING = """
ALTER TABLE armed ADD COLUMN cut BLOB NOT NULL DEFAULT 'null';
CREATE TABLE cut (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, cut BLOB NOT NULL)
"""
MAX_CUTS = 500
"""Files of which it is remembered how they are cut, before a permit for them is taken up: at most some megabytes each.
This project's choice.
"""
MAX_ARMED = 10_000
"""Permits that are kept at once, those that were spent and are not over included; this project's choice."""

_permits = msgspec.json.Decoder(Permit)
_cuts: msgspec.json.Decoder[Cut | None] = msgspec.json.Decoder(Cut | None)


class SqlitePermitLedger:
    """Implements ``haechi.ports.permits.PermitLedger``."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, f"{_SCHEMA}; {_CUTTING}", 2, {1: _CUTTING})

    def arm(self, armed: Armed) -> None:
        """See the port. Raises ``HaechiError('permit.too-many')`` too."""
        row = (armed.permit.id, msgspec.json.encode(armed.permit), armed.document, msgspec.json.encode(armed.cut))
        with self._database.transaction(write=True) as db:
            if db.execute("SELECT count(*) FROM armed").fetchone()[0] >= MAX_ARMED:
                raise HaechiError("permit.too-many", limit=MAX_ARMED)
            db.execute("INSERT OR REPLACE INTO armed VALUES (?,?,?,?)", row)

    def armed(self) -> tuple[Armed, ...]:
        """See the port."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT permit, document, cut FROM armed ORDER BY id").fetchall()
        return tuple(Armed(self._permit(permit), document, self._cut(cut)) for permit, document, cut in rows)

    def disarm(self, permit_id: str) -> None:
        """See the port."""
        with self._database.transaction(write=True) as db:
            db.execute("DELETE FROM armed WHERE id = ?", (permit_id,))

    def keep(self, cut: Cut) -> None:
        """See the port."""
        with self._database.transaction(write=True) as db:
            db.execute("INSERT OR REPLACE INTO cut (digest, cut) VALUES (?,?)", (cut.digest, msgspec.json.encode(cut)))
            db.execute("DELETE FROM cut WHERE number <= (SELECT max(number) FROM cut) - ?", (MAX_CUTS,))

    def cut_of(self, digest: str) -> Cut | None:
        """See the port."""
        with self._database.transaction() as db:
            row = db.execute("SELECT cut FROM cut WHERE digest = ?", (digest,)).fetchone()
        return self._cut(row[0]) if row else None

    def spend(self, permit: Permit, use: str) -> bool:
        """See the port."""
        with self._database.transaction(write=True) as db:
            db.execute("INSERT OR IGNORE INTO spent VALUES (?,?)", (permit.id, use))
            (by,) = db.execute("SELECT use FROM spent WHERE id = ?", (permit.id,)).fetchone()
        return bool(by == use)

    def spent(self) -> Mapping[str, str]:
        """See the port."""
        with self._database.transaction() as db:
            return {str(name): str(use) for name, use in db.execute("SELECT id, use FROM spent")}

    def recall(self, spent: Iterable[tuple[str, str]]) -> None:
        """See the port."""
        with self._database.transaction(write=True) as db:
            db.executemany("INSERT OR IGNORE INTO spent VALUES (?,?)", spent)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _permit(self, raw: bytes) -> Permit:
        try:
            return _permits.decode(raw)
        except (msgspec.DecodeError, ValueError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="permit") from error

    def _cut(self, raw: bytes | str) -> Cut | None:
        try:
            return _cuts.decode(raw)
        except (msgspec.DecodeError, ValueError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="cut") from error
