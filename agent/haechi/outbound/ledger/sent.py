"""How much of each protected content a person has sent where: what many small uploads add up to.

Bytes are added by Korean day, user, container and content. Adding is an upper bound, since the same bytes sent twice
count twice; whoever asks bounds it by the content's size. What is older than ``KEPT`` is forgotten.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path

from haechi.domain.content import Match, MatchHow
from haechi.domain.registry import KST
from haechi.domain.upload import Location
from haechi.outbound.ledger.database import Database
from haechi.outbound.ledger.places import place_of
from haechi.ports.clock import Clock

KEPT = dt.timedelta(days=366)
"""For how long sums are remembered. No document gives a period; this is the project's choice."""

_SCHEMA = """
CREATE TABLE sent (
    user TEXT NOT NULL, provider TEXT NOT NULL, container TEXT NOT NULL, digest TEXT NOT NULL, day TEXT NOT NULL,
    bytes INTEGER NOT NULL, PRIMARY KEY (user, provider, container, digest, day)
) WITHOUT ROWID;
CREATE INDEX sent_day ON sent (day)
"""


class SqliteSentLedger:
    """Implements ``haechi.ports.objects.SentLedger``. Every method raises ``HaechiError('ledger.…')`` on failure."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, _SCHEMA, 1)
        self._clock = clock
        self._pruned = ""

    def add(self, user: str, place: Location, matches: Iterable[Match]) -> None:
        """See the port."""
        where, today = place_of(place), self._day()
        rows = [(user, *where.container, one.digest, today, one.matched_bytes) for one in matches if counts(one)]
        if not rows:
            return
        with self._database.transaction(write=True) as db:
            db.executemany(
                "INSERT INTO sent VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes", rows
            )
            if self._pruned != today:
                db.execute("DELETE FROM sent WHERE day < ?", (self._day(KEPT),))
        self._pruned = today

    def take_back(self, user: str, place: Location, matches: Iterable[Match]) -> None:
        """See the port."""
        where, today = place_of(place), self._day()
        rows = [(one.matched_bytes, user, *where.container, one.digest, today) for one in matches if counts(one)]
        if not rows:
            return
        with self._database.transaction(write=True) as db:
            db.executemany(
                "UPDATE sent SET bytes = max(0, bytes - ?) "
                "WHERE user = ? AND provider = ? AND container = ? AND digest = ? AND day = ?",
                rows,
            )

    def before(self, user: str, place: Location, digests: Iterable[str], days: int) -> Mapping[str, int]:
        """See the port."""
        asked = [digest for digest in dict.fromkeys(digests) if digest]
        if not asked:
            return {}
        where, since = place_of(place), self._day(dt.timedelta(days=days - 1))
        marks = ",".join("?" * len(asked))
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT digest, sum(bytes) FROM sent WHERE user = ? AND provider = ? AND container = ? AND day >= ? "  # noqa: S608
                f"AND digest IN ({marks}) GROUP BY digest",
                (user, *where.container, since, *asked),
            ).fetchall()
        return {str(digest): int(total) for digest, total in rows}

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _day(self, ago: dt.timedelta = dt.timedelta()) -> str:
        return (self._clock.now() - ago).astimezone(KST).date().isoformat()


def counts(match: Match) -> bool:
    """Whether it adds up: bytes of a known content in the clear. Ciphertext of our own making tells nobody anything."""
    return bool(match.digest) and match.how in (MatchHow.EXACT, MatchHow.PARTIAL) and match.matched_bytes > 0
