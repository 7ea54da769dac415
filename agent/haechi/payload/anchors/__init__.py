"""Fingerprints of the blocks that winnowing picks in a stream: equal runs of bytes give equal fingerprints.

Theory (the proof is in ``docs/content-matching.md``). Every position has a rank: one in 512 is *marked* by a few of
the 64 bytes that end at it and goes first, and among equals the rolling hash of these 64 bytes counts. A position is an
*anchor* when it is the rightmost of least rank in some window of ``WINDOW`` consecutive positions. That depends on the
bytes near it and on nothing else, so the anchors of a run are the same wherever the run lies, however the stream is
cut. The *block* of ``WINDOW`` bytes that begins where the anchor's own context begins is hashed with a secret seed: its
fingerprint. A run of ``RUN`` bytes holds at least one window with its context, and the block of that window's anchor.

Positions inside runs of a period of at most 32 bytes (zeros, padding) are passed over, and so are blocks of nothing
else.

Nothing here knows of files, tags or the index. The native part needs a C compiler and ``xxhash.h`` when the
project is installed.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from haechi.payload.anchors import _anchors
from haechi.payload.anchors._anchors import CONTEXT, WINDOW, Table, fingerprint

__all__ = ["AVERAGE", "PIECE", "ROOM", "RUN", "WINDOW", "Blocks", "Table", "Winnower", "fingerprint"]

# WINDOW: positions in a window, bytes in a block, and the largest distance of two anchors.
# fingerprint: the keyed 64-bit fingerprint of some bytes. Not a cryptographic hash: exact identity is BLAKE3's.
AVERAGE = (WINDOW + 1) // 2
"""The average distance of two anchors in bytes: the average chunk."""
RUN = 4 * AVERAGE
"""Every run of this many bytes is found: at least ``2 * WINDOW - 1``."""
PIECE = 1 << 20
"""Whoever has longer data feeds it in pieces of about this many bytes, so that memory stays bounded."""
ROOM = WINDOW + CONTEXT - 1
"""A stream that is shorter than this many bytes has no block."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks completed by some bytes, in stream order: their 64-bit fingerprints, and where each begins."""

    prints: array[int]
    starts: array[int]


class Winnower:
    """One stream, fed in pieces cut anywhere. Keeps less than two windows of it.

    ``feed`` releases the interpreter's lock. One thread at a time: a second one gets a ``RuntimeError``.
    """

    def __init__(self, seed: int, *, skip_blank: bool = False, lanes: str | None = None) -> None:
        """Fingerprints are keyed with ``seed`` (64 bits). ``skip_blank`` leaves out blocks of one short period.
        ``lanes``: a way of working named in ``_anchors.LANES`` instead of the machine's quickest; all give the same.
        """
        self._native = _anchors.Winnower(seed, skip_blank, lanes)

    @property
    def seen(self) -> int:
        """Bytes fed so far."""
        return self._native.seen

    def feed(self, data: bytes | memoryview) -> Blocks:
        """Take the next bytes; answer the blocks that they completed."""
        prints, starts = self._native.feed(data)
        return Blocks(array("Q", prints), array("q", starts))
