"""What was written about tags and could not be understood: a rule file, an attribute. Kept until it is mended, bounded.

Such a file counts as awaiting determination, so nothing gets past; but its author means something else, and is to hear
of it. Told and asked from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from haechi.ports.tags import Problem

MOST: Final = 1000
"""Problems that are kept; more of them are counted by nobody, since a person mends the cause of many at once."""


class Misunderstood:
    """The problems of now. ``new`` is called with each that was not known before."""

    def __init__(self, new: Callable[[Problem], None] = lambda problem: None) -> None:
        self._new = new
        self._lock = threading.Lock()
        self._problems: dict[tuple[str, str], Problem] = {}

    def all(self) -> Sequence[Problem]:
        """Every one, by place."""
        with self._lock:
            return [self._problems[key] for key in sorted(self._problems)]

    def replace(self, found: Iterable[Problem]) -> None:
        """All folders were gone through: this is all that there is."""
        self._take(lambda where: False, found)

    def update(self, looked_at: Iterable[str], found: Iterable[Problem]) -> None:
        """These paths, and all below them, were looked at again."""
        paths = set(looked_at)
        below = tuple(path.rstrip("/") + "/" for path in paths)
        self._take(lambda where: not (where in paths or where.startswith(below)), found)

    def _take(self, stays: Callable[[str], bool], found: Iterable[Problem]) -> None:
        with self._lock:
            before = self._problems
            kept = {key: problem for key, problem in before.items() if stays(key[0])}
            for problem in found:
                if len(kept) < MOST:
                    kept[_where(problem), repr(problem)] = problem
            self._problems = kept
        for key in kept.keys() - before.keys():
            self._new(kept[key])


def _where(problem: Problem) -> str:
    return str(problem.params.get("where", ""))
