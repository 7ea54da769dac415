"""Which tagged content was let through to which object: what a later copy or exposure is judged by.

Entries do not age: an object in a bucket does not either. The number of entries is bounded; a full ledger refuses to
let more tagged content through instead of forgetting some. It says *let through*, not *stored*: the store's answer is
not read. Beside each container stands what was known of it when tagged content first went there (docs/adr/0016).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.destination import Destination
from haechi.domain.destination_form import destination_from, form_of
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.tags import Tag, TagOrigin, merge_tags
from haechi.domain.upload import Location
from haechi.outbound.ledger.database import Database
from haechi.outbound.ledger.object_schema import FIRST, VERSION, WHOSE
from haechi.outbound.ledger.places import ALIAS, Place, place_of
from haechi.ports.clock import Clock
from haechi.ports.objects import Holding, LetThrough, Position, StoredObject

_tags = msgspec.json.Decoder(tuple[Tag, ...])
_HOLDING = "SELECT provider, container, location, facts, since, objects FROM place"
_OBJECT = "SELECT provider, container, key, content, since, user, decision, there, asked FROM object"


class SqliteObjectLedger:
    """Implements ``haechi.ports.objects``: ``ObjectLedger`` and ``StoredObjects``. Every method raises
    ``HaechiError('ledger.…')`` on failure.
    """

    def __init__(self, path: Path, clock: Clock, *, max_objects: int = 5_000_000) -> None:
        """``max_objects`` that hold tagged content; this project's choice."""
        self._database = Database(path, f"{FIRST}; {WHOSE}", VERSION, {1: WHOSE})
        self._clock = clock
        self._max_objects = max_objects

    def stored(self, place: Location, content: Content, how: LetThrough = LetThrough()) -> None:  # noqa: B008 - frozen
        """Remember what an allowed request put there.

        Only content that was read and found clean clears an entry: what is opaque or was not inspected may hold what
        was there before, and is remembered as it is where something was known.
        """
        where = place_of(place)
        with self._database.transaction() as db:
            known = db.execute(
                "SELECT user FROM object WHERE provider=? AND container=? AND key=?", (*where.container, where.key)
            ).fetchone()
        if not content.matches:
            if known and content.state is ContentState.CLEAN:
                with self._database.transaction(write=True) as db:
                    db.execute(
                        "DELETE FROM object WHERE provider=? AND container=? AND key=?", (*where.container, where.key)
                    )
            return
        # What several people wrote is nobody's own: its names may tell one of the other's files.
        user = how.user if known is None or known[0] == how.user else ""
        with self._database.transaction(write=True) as db:
            (objects,) = db.execute("SELECT objects FROM total").fetchone()
            if not known and objects >= self._max_objects:
                raise HaechiError("ledger.full", file=str(self._database.path), limit=self._max_objects)
            now = self._clock.now().timestamp()
            _note_place(db, where, place, how.facts, now)
            db.execute(
                "INSERT INTO object (provider, container, key, content, since, user, decision) VALUES (?,?,?,?,?,?,?) "
                "ON CONFLICT DO UPDATE SET content=excluded.content, since=excluded.since, user=excluded.user, "
                "decision=excluded.decision, there=NULL, asked=NULL",
                (*where.container, where.key, msgspec.json.encode(content), now, user, how.decision),
            )
            _note_content(db, where, content, how.digest)

    def holds(self, place: Location) -> Content | None:
        """The tagged content that the object is known to hold; None when nothing is known of it."""
        where = place_of(place)
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT content FROM object WHERE provider=? AND container=? AND key=?", (*where.container, where.key)
            ).fetchone()
        return self._database.content(row[0]) if row else None

    def may_hold(self, place: Location) -> MatchHow | None:
        """See the port."""
        provider, container = place_of(place).container
        anywhere = container.startswith(ALIAS)
        where = "provider=?1 AND (?2 OR container=?3 OR (container>=?4 AND container<?5))"
        named = (provider, anywhere, container, ALIAS, ALIAS[:-1] + ";")
        with self._database.transaction() as db:
            if db.execute(f"SELECT 1 FROM object WHERE {where} LIMIT 1", named).fetchone() is None:  # noqa: S608
                return None
            (sealed,) = db.execute(f"SELECT min(sealed) FROM carried WHERE {where}", named).fetchone()  # noqa: S608
        return MatchHow.SEALED if sealed else MatchHow.STORED

    # --- lists ------------------------------------------------------------------------------------------------------

    def objects(
        self,
        after: Position,
        most: int,
        *,
        provider: str | None = None,
        container: str | None = None,
        digests: Sequence[str] = (),
        user: str | None = None,
    ) -> tuple[StoredObject, ...]:
        """See the port."""
        if container is not None and provider is None:
            found: list[StoredObject] = []
            for one, name in self._named(container):
                found += self.objects(
                    after, most - len(found), provider=one, container=name, digests=digests, user=user
                )
            return tuple(found)
        where, values = ["(provider, container, key) > (?,?,?)"], [*after]
        if after[:2] == (provider, container):  # a seek, however much lies before it
            where, values = ["key > ?"], [after[2]]
        for column, value in (("provider", provider), ("container", container), ("user", user)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        if digests:
            marks = ",".join("?" * len(digests))
            among = f"SELECT provider, container, key FROM held WHERE digest IN ({marks})"  # noqa: S608 - marks alone
            where.append(f"(provider, container, key) IN ({among})")
            values.extend(digests)
        if user == "":  # nobody's own
            return ()
        asked = f"{_OBJECT} WHERE {' AND '.join(where)} ORDER BY provider, container, key LIMIT ?"
        with self._database.transaction() as db:
            rows = db.execute(asked, (*values, most)).fetchall()
        return tuple(self._object(row) for row in rows)

    def _named(self, name: str) -> tuple[tuple[str, str], ...]:
        """The containers of a name, and those in an account of it (``ACCOUNT/CONTAINER``)."""
        asked = "SELECT provider, container FROM place WHERE container = ?1 OR (container > ?2 AND container < ?3) "
        with self._database.transaction() as db:
            rows = db.execute(f"{asked} ORDER BY provider, container", (name, f"{name}/", f"{name}0")).fetchall()
        return tuple((provider, container) for provider, container in rows)

    def seen(self, position: Position, since: dt.datetime, *, there: bool) -> None:
        """See the port."""
        with self._database.transaction(write=True) as db:
            db.execute(
                "UPDATE object SET there=?, asked=? WHERE provider=? AND container=? AND key=? AND since=?",
                (there, self._clock.now().timestamp(), *position, since.timestamp()),
            )

    def holdings(self, after: tuple[str, str], most: int) -> tuple[Holding, ...]:
        """See the port."""
        asked = f"{_HOLDING} WHERE objects > 0 AND (provider, container) > (?,?) ORDER BY provider, container LIMIT ?"
        with self._database.transaction() as db:
            rows = db.execute(asked, (*after, most)).fetchall()
        return tuple(self._holding(row) for row in rows)

    def holding(self, provider: str, name: str) -> Holding | None:
        """See the port."""
        with self._database.transaction() as db:
            row = db.execute(f"{_HOLDING} WHERE provider = ? AND container = ?", (provider, name)).fetchone()
        return self._holding(row) if row else None

    def carried(self, provider: str, name: str) -> Content:
        """See the port."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT sealed, tags FROM carried WHERE provider = ? AND container = ?", (provider, name)
            ).fetchall()
        try:
            every = [(bool(sealed), _tags.decode(tags)) for sealed, tags in rows]
        except (msgspec.DecodeError, ValueError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="tags") from error
        if not every:
            return Content(ContentState.NOT_INSPECTED)
        how = MatchHow.SEALED if all(sealed for sealed, _ in every) else MatchHow.STORED
        tags = merge_tags(tag for _, found in every for tag in found)
        return Content(ContentState.MATCHED, (Match("*", name, tags, how),))

    @property
    def containers(self) -> int:
        """See the port."""
        with self._database.transaction() as db:
            (count,) = db.execute("SELECT count(*) FROM place WHERE objects > 0").fetchone()
        return int(count)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _object(self, row: tuple[Any, ...]) -> StoredObject:
        provider, container, key, content, since, user, decision, there, asked = row
        known = self._database.content(content)
        seen = Unknown("not-asked") if there is None else bool(there)
        at = _moment(asked) if asked is not None else None
        return StoredObject(provider, container, key, known, _moment(since), user, decision, seen, at)

    def _holding(self, row: tuple[Any, ...]) -> Holding:
        provider, container, location, facts, since, objects = row
        try:
            known, form = msgspec.json.decode(location, type=dict[str, str]), msgspec.json.decode(facts)
            kept = destination_from(form) if form is not None else None
        except (msgspec.DecodeError, ValueError) as error:
            raise HaechiError("ledger.corrupt", file=str(self._database.path), cause="place") from error
        bare = container.removeprefix(ALIAS)
        place = Location(
            provider,
            known.get("container", bare),
            region=known.get("region") or Unknown("not-in-host"),
            endpoint=known.get("endpoint", ""),
            alias=known.get("alias", bare if container != bare else ""),
            store=known.get("store", ""),
        )
        return Holding(place, container, objects, _moment(since), kept)


def _note_place(db: sqlite3.Connection, where: Place, place: Location, facts: Destination | None, now: float) -> None:
    """The container: how it was last reached, and what was known of it the first time."""
    region = "" if isinstance(place.region, Unknown) else place.region
    way = {"container": place.container, "endpoint": place.endpoint, "alias": place.alias, "store": place.store}
    way |= {"region": region}
    location = msgspec.json.encode(way)
    row = db.execute("SELECT location FROM place WHERE provider=? AND container=?", where.container).fetchone()
    if row is None:
        kept = msgspec.json.encode(form_of(facts) if facts is not None else None)
        db.execute("INSERT INTO place VALUES (?,?,?,?,?,0)", (*where.container, location, kept, now))
    elif row[0] != location:
        db.execute("UPDATE place SET location=? WHERE provider=? AND container=?", (location, *where.container))


def _note_content(db: sqlite3.Connection, where: Place, content: Content, digest: str) -> None:
    digests = dict.fromkeys([digest, content.digest, *(match.digest for match in content.matches)])
    db.executemany(
        "INSERT OR IGNORE INTO held VALUES (?,?,?,?)",
        [(one, *where.container, where.key) for one in digests if one],
    )
    carried = {(match.how is MatchHow.SEALED, tuple(map(_bare, match.tags))) for match in content.matches}
    db.executemany(
        "INSERT OR IGNORE INTO carried VALUES (?,?,?,?)",
        [(*where.container, sealed, msgspec.json.encode(tags).decode()) for sealed, tags in carried],
    )


def _bare(tag: Tag) -> Tag:
    """What a container carries must not grow with the number of files: who owns a tag, and since when, is left out."""
    return dataclasses.replace(tag, owner="", marked_at=None, origin=TagOrigin.CONTENT)


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
