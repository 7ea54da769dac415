"""What a look at files did, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from haechi.ports.protection import Unreadable
from haechi.ports.tags import Problem


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is. ``bytes`` are those that were read and fingerprinted."""

    files: int = 0
    tagged: int = 0
    indexed: int = 0
    unreadable: int = 0
    bytes: int = 0
    folder: str = ""


@dataclass(slots=True)
class Report:
    """What a scan or an examination did."""

    files: int = 0
    tagged: int = 0
    indexed: int = 0
    bytes: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)
    problems: dict[Problem, None] = field(default_factory=dict)
    forgotten: int = 0

    def progress(self, folder: str) -> Progress:
        """The figures so far."""
        return Progress(self.files, self.tagged, self.indexed, len(self.unreadable), self.bytes, folder)
