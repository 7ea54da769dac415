"""What an upload carries: the verdict of inspection, before any policy.

Four states, strictest last: *clean* (inspected, nothing found), *opaque* (encrypted or compressed
beyond reading), *not inspected* (nobody looked), *matched*. They are never conflated: nothing found in
what could not be read is opaque, not clean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.facts import JSON
from haechi.domain.tags import Tag, merge_tags


class ContentState(StrEnum):
    """How much is known about the content."""

    CLEAN = "clean"
    OPAQUE = "opaque"
    NOT_INSPECTED = "not_inspected"
    MATCHED = "matched"


class MatchHow(StrEnum):
    """By what the tagged content was recognised."""

    EXACT = "exact"
    PARTIAL = "partial"
    SEALED = "sealed"
    """Ciphertext that this agent produced itself (layer 1, R13)."""
    STORED = "stored"
    """The source of a copy is known to hold it."""
    WORST_CASE = "worst_case"
    """Nothing was inspected: the strictest tags of the index are assumed."""


@dataclass(frozen=True, slots=True)
class Match:
    """One protected content found in an upload.

    ``content_id`` is the index's stable id of the protected content; ``name`` a display name of it (a path
    or base name). ``matched_bytes`` is a lower bound, ``total_bytes`` the protected file's size.
    """

    content_id: str
    name: str
    tags: tuple[Tag, ...]
    how: MatchHow
    matched_bytes: int = 0
    total_bytes: int = 0
    digest: str = ""
    """``blake3:<hex>`` of the whole protected file, by which authorisations name it; empty where it is not known."""

    @property
    def share(self) -> float:
        """How much of the protected file was seen, 0…1. A whole empty file counts as 1."""
        if self.how in (MatchHow.EXACT, MatchHow.SEALED) or self.total_bytes <= 0:
            return 1.0
        return min(1.0, self.matched_bytes / self.total_bytes)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {
            "content_id": self.content_id,
            "name": self.name,
            "tags": [tag.as_json() for tag in self.tags],
            "how": self.how.value,
            "matched_bytes": self.matched_bytes,
            "total_bytes": self.total_bytes,
            "share": round(self.share, 6),
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class Content:
    """The result of inspection. ``digest`` is ``blake3:<hex>`` of the decoded bytes where they were all seen."""

    state: ContentState
    matches: tuple[Match, ...] = ()
    size: int | None = None
    digest: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.state is ContentState.MATCHED) != bool(self.matches):
            raise ValueError("matched content has matches, and only matched content has")

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The strictest tag a technology over all matches."""
        return merge_tags(tag for match in self.matches for tag in match.tags)

    @property
    def sealed(self) -> bool:
        """Whether all that was recognised is ciphertext of this agent's own making."""
        return bool(self.matches) and all(match.how is MatchHow.SEALED for match in self.matches)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {
            "state": self.state.value,
            "matches": [match.as_json() for match in self.matches],
            "tags": [tag.as_json() for tag in self.tags],
            "sealed": self.sealed,
            "size": self.size,
            "digest": self.digest,
            "notes": list(self.notes),
        }


def union(parts: Iterable[Content]) -> Content:
    """The content of an object assembled from parts: the worst state, and every match added up.

    Matched bytes of the same protected content add up over parts (bounded by its size); the strictest way of
    recognition of each is kept. Sizes add up; the digest of the whole is not known.
    """
    state, size, known_size = ContentState.CLEAN, 0, True
    matches: dict[tuple[str, MatchHow], Match] = {}
    notes: dict[str, None] = {}
    order = list(ContentState)
    for part in parts:
        if order.index(part.state) > order.index(state):
            state = part.state
        notes.update(dict.fromkeys(part.notes))
        known_size = known_size and part.size is not None
        size += part.size or 0
        for match in part.matches:
            key = (match.content_id, match.how)
            earlier = matches.get(key)
            seen = match.matched_bytes + (earlier.matched_bytes if earlier else 0)
            matches[key] = Match(
                match.content_id,
                match.name,
                merge_tags([*match.tags, *(earlier.tags if earlier else ())]),
                match.how,
                min(seen, match.total_bytes) if match.total_bytes else seen,
                match.total_bytes,
                match.digest,
            )
    if matches:
        state = ContentState.MATCHED
    return Content(state, tuple(matches.values()), size if known_size else None, "", tuple(notes))
