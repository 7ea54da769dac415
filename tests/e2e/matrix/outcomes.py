"""What was seen of a client, where a run leaves it, and the record that the pages are written from.

``make clients`` runs the matrix with ``HAECHI_CLIENTS=folder``, takes what lies there into the record and writes
docs/clients.md from it (tools/client_pages.py). Every other run is held against the record.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

RECORD = Path(__file__).with_name("outcomes.json")
"""What the last runs saw of every client: a file that is tracked."""
FOLDER = "HAECHI_CLIENTS"
"""The variable that names the folder into which a run writes what it saw."""


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """A client whose tagged upload was refused. ``words`` are what the person saw of the refusal, ``requests`` how many
    at most were refused before the client gave up, ``sealed`` what became of the sealed file, ``left`` what the client
    left at the store, ``stores`` what stood behind.
    """

    cloud: str
    client: str
    way: str
    version: str
    words: str
    requests: int
    sealed: str = "arrives"
    left: str = "nothing"
    stores: tuple[str, ...] = ()

    @property
    def row(self) -> tuple[str, str, str]:
        """Which row of the page."""
        return self.cloud, self.client, self.way

    @property
    def seen(self) -> tuple[str, int, str, str]:
        """What a run must see again: neither version nor store."""
        return self.words, self.requests, self.sealed, self.left


def report(outcome: Outcome) -> None:
    """Leave it for the page where a run was asked to; else hold it against what the page says."""
    folder = os.environ.get(FOLDER)
    if folder:
        text = " ".join((*outcome.row, *outcome.stores))
        name = "".join(letter if letter.isalnum() else "-" for letter in text)
        (Path(folder) / f"{name}.json").write_text(json.dumps(dataclasses.asdict(outcome)), encoding="utf-8")
        return
    written = {one.row: one for one in recorded()}.get(outcome.row)
    assert written is not None, f"{outcome.row} is not on docs/clients.md: make clients"
    assert written.seen == outcome.seen, f"docs/clients.md says otherwise of {outcome.row}: make clients"
    assert set(outcome.stores) <= set(written.stores), f"docs/clients.md names another store for {outcome.row}"


def reported(folder: Path) -> list[Outcome]:
    """All that a run left, in the page's order; what one client did at several stores is one. Raises ``ValueError``
    where it did not do the same at all of them.
    """
    found: dict[tuple[str, str, str], Outcome] = {}
    for path in folder.glob("*.json"):
        one = _read(json.loads(path.read_text(encoding="utf-8")))
        other = found.get(one.row, one)
        if other.seen != one.seen:
            raise ValueError(f"{one.row} is not the same at {one.stores} and {other.stores}")
        found[one.row] = dataclasses.replace(one, stores=tuple(sorted({*one.stores, *other.stores})))
    return sorted(found.values())


def recorded(path: Path = RECORD) -> list[Outcome]:
    """What the pages are written from."""
    return [_read(one) for one in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def record(outcomes: Iterable[Outcome], path: Path = RECORD) -> None:
    """Write it, a client a line."""
    lines = [json.dumps(dataclasses.asdict(one), ensure_ascii=False) for one in sorted(outcomes)]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _read(fields: dict[str, object]) -> Outcome:
    return Outcome(**{**fields, "stores": tuple(fields.get("stores", ()))})  # type: ignore[arg-type]
