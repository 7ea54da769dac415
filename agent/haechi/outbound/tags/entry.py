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
from haechi.domain.tags import LONGEST_WORD, PENDING, Funding, Grade, Tag, TagOrigin, is_word
from haechi.ports.tags import Problem

_QUOTED = 64
"""Characters that a message quotes of what nobody understands."""


def pending(origin: TagOrigin) -> Tag:
    """The tag of what was meant to be tagged but cannot be read."""
    return Tag(PENDING, Grade.A, Funding.UNKNOWN, origin=origin)


def read_entry(entry: object, catalogue: Catalogue, origin: TagOrigin, where: str) -> tuple[Tag, tuple[Problem, ...]]:
    """A tag, always, and what is wrong with how it is written. ``where`` names the file for messages."""
    if not isinstance(entry, Mapping):
        return pending(origin), (Problem("tag.malformed-at", {"where": where}),)
    problems: list[Problem] = []
    technology = entry.get("technology") or ""
    if not is_word(technology) or (technology not in catalogue and technology != PENDING):
        near = ", ".join(known.id for known in catalogue.near(technology)) if is_word(technology) else ""
        said = {"where": where, "technology": shown(technology), "near": near}
        problems.append(Problem("tag.unknown-technology-at", said))
        technology = PENDING
    try:
        grade = Grade(_word(entry.get("grade")))
    except ValueError:
        problems.append(Problem("tag.unknown-grade-at", {"where": where, "grade": shown(entry.get("grade"))}))
        grade = Grade.A
    try:
        funding = Funding(_word(entry.get("funding") or "unknown"))
    except ValueError:
        problems.append(Problem("tag.unknown-funding-at", {"where": where, "funding": shown(entry.get("funding"))}))
        funding = Funding.UNKNOWN
    owner = entry.get("owner") or ""
    if not is_word(owner):
        problems.append(Problem("tag.bad-owner-at", {"where": where, "limit": str(LONGEST_WORD)}))
        owner = ""
    return Tag(technology, grade, funding, owner, _time(entry), origin), tuple(problems)


def shown(value: object) -> str:
    """What somebody wrote, fit to be quoted: its kind alone where it is no text."""
    if not isinstance(value, str):
        return type(value).__name__
    return value if is_word(value) and len(value) <= _QUOTED else ascii(value[:_QUOTED])[1:-1] + "…"


def _word(value: object) -> str:
    if not is_word(value):
        raise ValueError("no word")
    return value


def _time(entry: Mapping[object, object]) -> dt.datetime | None:
    said = entry.get("marked_at")
    if isinstance(said, dt.datetime):
        return said if said.tzinfo else said.replace(tzinfo=dt.UTC)
    if not isinstance(said, dt.date) and not is_word(said):
        return None
    try:
        read = dt.datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)
