"""One tag as people and programs write it: a mapping of technology, grade, funding and owner.

What names no technology of the catalogue, or no grade, is never dropped: somebody wanted the content protected. It
counts as
material that waits for official determination (R01), with the strictest grade where none can be read, and is a
problem to mend.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from haechi.domain.catalogue import Catalogue
from haechi.domain.tags import Funding, Grade, Tag, TagOrigin
from haechi.ports.tags import Problem

PENDING = "OFFICIAL-PENDING"


def pending(origin: TagOrigin) -> Tag:
    """The tag of what was meant to be tagged but cannot be read."""
    return Tag(PENDING, Grade.A, Funding.UNKNOWN, origin=origin)


def read_entry(entry: object, catalogue: Catalogue, origin: TagOrigin, where: str) -> tuple[Tag, tuple[Problem, ...]]:
    """A tag, always, and what is wrong with how it is written. ``where`` names the file for messages."""
    if not isinstance(entry, Mapping):
        return pending(origin), (Problem("tag.malformed-at", {"where": where}),)
    problems: list[Problem] = []
    technology = str(entry.get("technology") or "")
    if technology not in catalogue and technology != PENDING:
        near = ", ".join(known.id for known in catalogue.near(technology))
        problems.append(Problem("tag.unknown-technology-at", {"where": where, "technology": technology, "near": near}))
        technology = PENDING
    try:
        grade = Grade(str(entry.get("grade")))
    except ValueError:
        problems.append(Problem("tag.unknown-grade-at", {"where": where, "grade": str(entry.get("grade"))}))
        grade = Grade.A
    try:
        funding = Funding(str(entry.get("funding") or "unknown"))
    except ValueError:
        problems.append(Problem("tag.unknown-funding-at", {"where": where, "funding": str(entry.get("funding"))}))
        funding = Funding.UNKNOWN
    return Tag(technology, grade, funding, str(entry.get("owner") or ""), _time(entry), origin), tuple(problems)


def _time(entry: Mapping[object, object]) -> dt.datetime | None:
    said = entry.get("marked_at")
    if isinstance(said, dt.datetime):
        return said if said.tzinfo else said.replace(tzinfo=dt.UTC)
    try:
        read = dt.datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)
