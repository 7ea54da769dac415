"""Decisions as they were recorded, for whoever goes through all of them. Nothing is left out silently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Damage(StrEnum):
    """Why a line of the audit is not taken for a decision."""

    UNREADABLE = "unreadable"
    """No record: what it was, and of when, nobody can say."""
    ALTERED = "altered"
    """A record whose hash does not fit: somebody changed it, or the disk did."""
    UNFINISHED = "unfinished"
    """The last line, being written this moment, or left by a crash."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded decision, or a line that may have been one. ``where`` is segment and line, for people."""

    where: str
    event: Mapping[str, Any]
    time: str = ""
    damage: Damage | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` (inclusive) until ``end`` (exclusive), as ``domain.audit.instant`` writes; None: without end."""

    start: str | None = None
    end: str | None = None

    def holds(self, time: str) -> bool:
        """Whether an instant lies inside."""
        return (self.start is None or time >= self.start) and (self.end is None or time < self.end)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some decisions in the order of the log, and how far the reading is, in bytes."""

    decisions: Sequence[Recorded]
    done: int
    total: int


class DecisionRecords(Protocol):
    """The audit's decisions, oldest first."""

    def batches(self, span: Span) -> Iterator[Batch]:
        """Every decision recorded within the span, and every damaged line wherever it stands. Blocks.

        Raises ``HaechiError('audit.missing')``, and what the way to the audit raises.
        """
