"""The watch's memory in one SQLite file: what each container's facts are held against, and every finding.

Findings that ended are kept for people to look back, the newest ``KEPT``; the audit has them all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from haechi.domain.destination_form import destination_from, form_of
from haechi.domain.drift import Drift, State
from haechi.domain.errors import HaechiError
from haechi.outbound.ledger.database import Database
from haechi.ports.drift import Watched

KEPT: Final = 10_000
"""Findings that ended; this project's choice."""

_SCHEMA = """
CREATE TABLE watched (
    provider TEXT NOT NULL, container TEXT NOT NULL, baseline BLOB NOT NULL, latest BLOB NOT NULL, read_at REAL,
    misses INTEGER NOT NULL, cause TEXT NOT NULL, asked TEXT NOT NULL, PRIMARY KEY (provider, container)
) WITHOUT ROWID;
CREATE TABLE drift (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, container TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    told BLOB NOT NULL, ended REAL
) WITHOUT ROWID;
CREATE INDEX drift_open ON drift (provider, container) WHERE state = 'open';
CREATE INDEX drift_kind ON drift (kind) WHERE state = 'open';
CREATE INDEX drift_ended ON drift (ended) WHERE ended IS NOT NULL
"""


class SqliteDriftLedger:
    """Implements ``haechi.ports.drift.DriftLedger``."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA, 1)

    def watched(self, provider: str, container: str) -> Watched | None:
        """See the port."""
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT baseline, latest, read_at, misses, cause, asked FROM watched WHERE provider=? AND container=?",
                (provider, container),
            ).fetchone()
        if row is None:
            return None
        *facts, read_at, misses, cause, asked = row
        try:
            baseline, latest = (destination_from(msgspec.json.decode(form)) for form in facts)
        except (msgspec.DecodeError, ValueError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="baseline") from error
        return Watched(provider, container, baseline, latest, _moment(read_at), misses, cause, asked)

    def keep(self, watched: Watched) -> None:
        """See the port."""
        read_at = watched.read_at.timestamp() if watched.read_at else None
        row = (
            watched.provider,
            watched.container,
            msgspec.json.encode(form_of(watched.baseline)),
            msgspec.json.encode(form_of(watched.latest)),
            read_at,
            watched.misses,
            watched.cause,
            watched.asked,
        )
        with self._database.transaction(write=True) as db:
            db.execute("INSERT OR REPLACE INTO watched VALUES (?,?,?,?,?,?,?,?)", row)

    def put(self, drift: Drift) -> None:
        """See the port."""
        ended = drift.ended.timestamp() if drift.ended else None
        told = msgspec.json.encode(drift.as_json())
        with self._database.transaction(write=True) as db:
            db.execute(
                "INSERT OR REPLACE INTO drift VALUES (?,?,?,?,?,?,?)",
                (drift.id, drift.provider, drift.container, drift.kind, drift.state.value, told, ended),
            )
            if ended is not None:
                db.execute(
                    "DELETE FROM drift WHERE ended IS NOT NULL AND ended < "
                    "(SELECT ended FROM drift WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT 1 OFFSET ?)",
                    (KEPT - 1,),
                )

    def find(self, drift_id: str) -> Drift | None:
        """See the port."""
        with self._database.transaction() as db:
            row = db.execute("SELECT told FROM drift WHERE id = ?", (drift_id,)).fetchone()
        return self._drift(row[0]) if row else None

    def open_in(self, provider: str, container: str) -> tuple[Drift, ...]:
        """See the port."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT told FROM drift WHERE provider=? AND container=? AND state='open' ORDER BY id",
                (provider, container),
            ).fetchall()
        return tuple(self._drift(row[0]) for row in rows)

    def listed(self, after: str, most: int, *, every: bool = False) -> tuple[Drift, ...]:
        """See the port."""
        only = "" if every else "AND state = 'open'"
        with self._database.transaction() as db:
            rows = db.execute(
                f"SELECT told FROM drift WHERE id > ? {only} ORDER BY id LIMIT ?",  # noqa: S608 - one of two texts
                (after, most),
            ).fetchall()
        return tuple(self._drift(row[0]) for row in rows)

    def counts(self) -> Mapping[str, int]:
        """See the port."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT kind, count(*) FROM drift WHERE state = 'open' GROUP BY kind").fetchall()
        return {str(kind): int(count) for kind, count in rows}

    def unread(self) -> int:
        """See the port."""
        with self._database.transaction() as db:
            (count,) = db.execute("SELECT count(*) FROM watched WHERE misses > 0").fetchone()
        return int(count)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _drift(self, told: bytes) -> Drift:
        try:
            return _drift(msgspec.json.decode(told))
        except (msgspec.DecodeError, ValueError, KeyError, TypeError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="drift") from error


def _drift(form: Mapping[str, Any]) -> Drift:
    ended = form["ended"]
    return Drift(
        form["id"],
        form["provider"],
        form["container"],
        form["kind"],
        form["was"],
        form["now"],
        dt.datetime.fromisoformat(form["raised"]),
        tuple(form["rules"]),
        State(form["state"]),
        dt.datetime.fromisoformat(ended) if ended else None,
        form["by"],
        form["reason"],
    )


def _moment(seconds: float | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds is not None else None
