"""The catalogue of designated technologies: names for people and for tagging, never a judgement.

Whether a file *is* national core technology is the institution's decision (R01); the catalogue only
keeps tags from naming something that does not exist.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Technology:
    """One designated technology. ``field`` is the catalogue's key (``semiconductor``)."""

    id: str
    ko: str
    en: str
    field: str = ""


class Catalogue:
    """All technologies by id, with the date of the notice that they were read from."""

    def __init__(self, technologies: Iterable[Technology], as_of: str = "") -> None:
        self._by_id = {technology.id: technology for technology in technologies}
        self.as_of = as_of

    def __contains__(self, technology_id: object) -> bool:
        return technology_id in self._by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, technology_id: str) -> Technology | None:
        """The technology with exactly this id."""
        return self._by_id.get(technology_id)

    def all(self) -> tuple[Technology, ...]:
        """Every technology, ordered by id."""
        return tuple(self._by_id[key] for key in sorted(self._by_id))

    def near(self, text: str, limit: int = 5) -> tuple[Technology, ...]:
        """What a person may have meant: near ids first, then names that contain a word of ``text``."""
        wanted = text.strip().upper()
        family, _, number = wanted.rpartition("-")
        padded = f"{family}-{number.zfill(2)}"  # SEM-1 means SEM-01, though SEM-11 has more letters in common
        exact = [padded] if padded in self._by_id else []
        ids = difflib.get_close_matches(wanted, list(self._by_id), n=limit, cutoff=0.5)
        words = [word for word in text.lower().replace("-", " ").split() if len(word) > 1]
        named = [
            technology.id
            for technology in self.all()
            if any(word in f"{technology.ko} {technology.en}".lower() for word in words)
        ]
        ordered = dict.fromkeys([*exact, *ids, *named])
        return tuple(self._by_id[key] for key in list(ordered)[:limit])
