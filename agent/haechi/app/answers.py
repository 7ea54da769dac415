"""What became of the answers to appeals, as the audit tells: which release was handed over, and when it was taken back.

Must not know: the index, signatures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from haechi.ports.releases import Release


@dataclass(slots=True)
class Course:
    """The answers for one content, by their records, oldest first."""

    handed: set[str] = field(default_factory=set)
    """Ids of the releases that count, if the index remembers."""
    ended: set[str] = field(default_factory=set)
    """Those that were taken back."""
    last: dt.datetime | None = None
    """When one was taken back last."""

    @property
    def answered(self) -> bool:
        """Whether an answer was given that nobody took back."""
        return bool(self.handed)

    @property
    def over(self) -> bool:
        """Whether all that was answered was taken back."""
        return self.last is not None and not self.handed

    def ends(self, release: Release) -> bool:
        """Whether the release is over: it was taken back itself, or signed before another one was. Clocks of officers
        may be ahead of this one, so a release that was taken back is known by its id whatever it says.
        """
        if self.last is None:
            return False
        return release.id in self.ended or release.issued is None or release.issued <= self.last

    def take(self, event: Mapping[str, Any]) -> None:
        """The next record."""
        match event.get("act"):
            case "answered":
                self.handed.add(str((event.get("release") or {}).get("id", "")))
            case "ended":
                self.ended |= self.handed
                self.handed.clear()
                self.last = dt.datetime.fromisoformat(str(event["at"]))

    @classmethod
    def all_of(cls, events: Iterable[Mapping[str, Any]]) -> dict[str, Course]:
        """By content; where nothing was answered or ended there is none."""
        found: dict[str, Course] = {}
        for event in events:
            if event.get("act") in ("answered", "ended"):
                found.setdefault(str(event.get("digest")), cls()).take(event)
        return found

    @classmethod
    def of(cls, events: Iterable[Mapping[str, Any]], digest: str) -> Course:
        """Of one content."""
        return cls.all_of(event for event in events if event.get("digest") == digest).get(digest, cls())
