"""Counts by name, in bounded memory: names in an audit are chosen by whoever uploads, and may be millions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from haechi.domain.facts import JSON

MOST_NAMES = 2000
EXAMPLES = 3


@dataclass(slots=True)
class Row:
    """The counts of one name by column, and a few decisions to look at."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Over all columns."""
        return sum(self.counts.values())

    def add(self, column: str, example: str) -> None:
        """Count one, and keep it as an example while there are few."""
        self.counts[column] = self.counts.get(column, 0) + 1
        if example and len(self.examples) < EXAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class Tally:
    """Rows by name. The first ``most`` names have a row of their own; what all further ones add is ``others``."""

    most: int = MOST_NAMES
    rows: dict[str, Row] = field(default_factory=dict)
    others: Row = field(default_factory=Row)

    def add(self, name: str, column: str, example: str = "") -> None:
        """Count one."""
        row = self.rows.get(name)
        if row is None:
            row = self.others if len(self.rows) >= self.most else self.rows.setdefault(name, Row())
        row.add(column, example)

    def ordered(self) -> list[tuple[str, Row]]:
        """The rows, the largest first."""
        return sorted(self.rows.items(), key=lambda item: (-item[1].total, item[0]))

    def as_json(self) -> dict[str, JSON]:
        """``{"rows": [{"name", "counts", "examples"}], "others": counts}``."""
        rows: list[JSON] = [
            {"name": name, "counts": dict(row.counts), "examples": list(row.examples)} for name, row in self.ordered()
        ]
        return {"rows": rows, "others": dict(self.others.counts)}


def named_user(event: Mapping[str, object]) -> str:
    """The user of a recorded decision; why it is not known, in brackets, where it is not."""
    actor = event.get("actor")
    return _named(actor.get("user") if isinstance(actor, Mapping) else None)


def named_place(event: Mapping[str, object]) -> str:
    """The destination of a recorded decision: provider and container, or the host where it names no container."""
    place, request = event.get("destination"), event.get("request")
    if isinstance(place, Mapping) and place.get("container"):
        return f"{place.get('provider')}:{place.get('container')}"
    host = request.get("host") if isinstance(request, Mapping) else None
    return _named(host)


def _named(value: object) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("unknown"), str):
        return f"({value['unknown']})"
    return value if isinstance(value, str) and value else "(unknown)"
