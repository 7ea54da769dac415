"""What a look at files did, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from haechi.domain.tags import Tag
from haechi.ports.protection import Unreadable
from haechi.ports.tags import Problem

Progress = Callable[[str, Mapping[str, int]], None]
"""Told how far a scan is: the folder that it is at ("" at the end), and ``Report.figures``."""

Later = Callable[[str, tuple[Tag, ...]], bool]
"""Takes a large file, with the tags that it has by now, to be read later; False: it is to be read at once."""


def at_once(path: str, tags: tuple[Tag, ...]) -> bool:
    """Nothing is read later."""
    return False


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
    later: Later = at_once
    """Where large files go that have to be read."""

    def figures(self) -> Mapping[str, int]:
        """How many so far; ``bytes`` are those that were read and fingerprinted."""
        return {
            "files": self.files,
            "tagged": self.tagged,
            "indexed": self.indexed,
            "unreadable": len(self.unreadable),
            "bytes": self.bytes,
        }
