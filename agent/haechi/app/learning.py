"""Learn which blocks are everywhere (licence texts, shared libraries, templates), so that they are nobody's excerpt.

This loosens, so it rests on two things. The content comes from places that no person of the machine can write
(``ports.common``): a copy of a protected file in another folder excludes nothing. And a content that is protected
itself teaches nothing, nor does the index exclude the greater part of any content (``outbound.index.common``).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from haechi.ports.common import CommonContent
from haechi.ports.protection import Protection

MOST_PRINTS = 1_000_000
"""Blocks that are kept; 16 to 20 MiB of memory. This project's choice."""


class LearnCommon:
    """The use case."""

    def __init__(self, content: CommonContent, protection: Protection, *, most: int = MOST_PRINTS) -> None:
        self._content = content
        self._protection = protection
        self._most = most

    def __call__(self, stopped: Callable[[], bool] = lambda: False) -> int | None:
        """Learn anew where the content changed; how many blocks are excluded now, None where nothing changed or
        ``stopped`` said to break off. Raises ``HaechiError('index.…')``.
        """
        mark = self._content.mark()
        if mark == self._protection.common_mark:
            return None
        prints: dict[int, None] = {}
        for body in self._content.bodies() if mark else ():
            if stopped():
                return None
            if body.prints and not self._protection.tags_of(body.digest):
                prints.update(dict.fromkeys(body.prints))
            if len(prints) >= self._most:
                break
        self._protection.set_common(mark, array("Q", list(prints)[: self._most]))
        return min(len(prints), self._most)
