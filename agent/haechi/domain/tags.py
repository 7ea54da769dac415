"""Tags: which national core technology a content is, and how strictly it is protected.

Tags only ever tighten by themselves: merging two takes the stricter value of each field, and an
unknown funding counts as government funding (regulation R24). Loosening needs a signed release and
happens elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeGuard

from haechi.domain.facts import JSON

PENDING = "OFFICIAL-PENDING"
"""Stands for a technology while material waits for official determination (R01)."""
LONGEST_WORD = 256
"""Characters of a tag's technology, grade, funding or owner."""


class Grade(StrEnum):
    """The protection grade of Decree 14(1), strictest first.

    No public source fixes how many grades there are or their names: A, B, C are this project's default,
    and which file gets which is the institution's choice.
    """

    A = "A"
    B = "B"
    C = "C"

    @property
    def strictness(self) -> int:
        """Larger is stricter."""
        return {"A": 3, "B": 2, "C": 1}[self.value]


class Funding(StrEnum):
    """Who paid for the research. It decides between approval (R24) and declaration (R25) of an export."""

    GOVERNMENT = "government"
    PRIVATE = "private"
    UNKNOWN = "unknown"

    @property
    def strictness(self) -> int:
        """Larger is stricter. Unknown is as strict as government, and never equal to private."""
        return {"government": 2, "unknown": 2, "private": 1}[self.value]


class TagOrigin(StrEnum):
    """Where a tag was read."""

    ATTRIBUTE = "attribute"
    FOLDER = "folder"
    POLICY = "policy"
    COMMAND = "command"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Tag:
    """One technology that a content belongs to.

    ``technology`` is an id of the catalogue (``SEM-01``), or ``OFFICIAL-PENDING`` for material that
    waits for official determination (R01). ``marked_at`` is when a person or rule first said so (UTC).
    """

    technology: str
    grade: Grade
    funding: Funding = Funding.UNKNOWN
    owner: str = ""
    marked_at: dt.datetime | None = None
    origin: TagOrigin = TagOrigin.COMMAND

    def merged(self, other: Tag) -> Tag:
        """The stricter of both, field by field. Both must name the same technology."""
        if other.technology != self.technology:
            raise ValueError(f"{self.technology} and {other.technology} are different technologies")
        earliest = min((t.marked_at for t in (self, other) if t.marked_at), default=None)
        return replace(
            self,
            grade=max(self.grade, other.grade, key=lambda g: g.strictness),
            funding=_stricter_funding(self.funding, other.funding),
            owner=self.owner or other.owner,
            marked_at=earliest,
        )

    def loosens(self, earlier: Tag) -> bool:
        """Whether replacing ``earlier`` with this tag would protect the content less."""
        return (
            self.technology != earlier.technology
            or self.grade.strictness < earlier.grade.strictness
            or self.funding.strictness < earlier.funding.strictness
        )

    def as_json(self) -> dict[str, JSON]:
        """The form used in the policy input, the audit, the index and the attribute."""
        return {
            "technology": self.technology,
            "grade": self.grade.value,
            "funding": self.funding.value,
            "owner": self.owner,
            "marked_at": self.marked_at.isoformat() if self.marked_at else None,
            "origin": self.origin.value,
        }

    @classmethod
    def from_json(cls, form: object) -> Tag:
        """The inverse of ``as_json``. What says nothing of origin or owner is a tag all the same; a funding that is not
        said is unknown. Raises ``ValueError``.
        """
        if not isinstance(form, Mapping):
            raise ValueError("a tag is an object")  # noqa: TRY004 - one error for all that is malformed
        technology, marked = form.get("technology"), form.get("marked_at")
        if not isinstance(technology, str) or not isinstance(marked, str | None):
            raise ValueError("a tag names a technology, and a time in words")  # noqa: TRY004 - as above
        return cls(
            technology,
            Grade(str(form.get("grade"))),
            Funding(form.get("funding") or Funding.UNKNOWN),
            str(form.get("owner") or ""),
            dt.datetime.fromisoformat(marked) if marked else None,
            TagOrigin(form.get("origin") or TagOrigin.CONTENT),
        )


def _stricter_funding(one: Funding, other: Funding) -> Funding:
    """Government is said where anyone said it; unknown stays visible otherwise; private needs both."""
    if Funding.GOVERNMENT in (one, other):
        return Funding.GOVERNMENT
    return Funding.UNKNOWN if Funding.UNKNOWN in (one, other) else Funding.PRIVATE


def is_word(value: object) -> TypeGuard[str]:
    """Whether a value may stand in a tag: text that a person can read, of bounded length. Their authors are anyone."""
    return isinstance(value, str) and len(value) <= LONGEST_WORD and value.isprintable()


def merge_tags(tags: Iterable[Tag]) -> tuple[Tag, ...]:
    """One tag a technology, each the strictest of its kind, ordered by technology id."""
    tags = tuple(tags)
    if len(tags) < 2:  # nearly always: this runs several times a file
        return tags
    merged: dict[str, Tag] = {}
    for tag in tags:
        known = merged.get(tag.technology)
        if known is None:
            merged[tag.technology] = tag
        elif known != tag:
            merged[tag.technology] = known.merged(tag)
    return tuple(merged[technology] for technology in sorted(merged))
