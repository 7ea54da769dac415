"""What a signed release calls *not protected*: contents whose blocks count for nobody.

A protected file that shares blocks with such a content (a template, a standard header) is still found by all its other
blocks, and whole by its digest.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_CONTENTS = 1_000
MOST_BLOCKS = 1_000_000
"""What is remembered at most, of all such contents together: 16 to 20 MiB of memory. This project's choice."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a content has in common with plain protected ones, by their digests (``blake3:<hex>``).

    ``touched``: those with a block in it. ``kept``: those of them that would keep their blocks all the same, because
    the greater part of each is in this content, in another one that was cleared, or everywhere.
    """

    touched: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


class ClearedContents(Protocol):
    """Contents that were cleared. Every call may be made from any thread, and blocks. All raise ``HaechiError``:
    ``index.…``.
    """

    def overlap(self, prints: array[int]) -> Overlap:
        """What a content with these blocks shares with protected ones. Goes through every protected content's blocks
        without keeping anybody else waiting.
        """

    def cleared(self) -> Sequence[str]:
        """The digests of what was cleared, oldest first."""

    def clear(self, digest: str, prints: array[int]) -> None:
        """From now on, and over restarts, these blocks count for nobody. Whoever calls it has verified a signed release
        for ``digest``. A content that is cleared already stays so.

        Raises ``HaechiError('appeal.full')``, and then nothing changed.
        """

    def count_again(self, digest: str) -> bool:
        """Take a clearing back; False where there is none."""
