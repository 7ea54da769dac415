"""Fingerprints of the blocks that winnowing picks in a stream: equal runs of bytes give equal fingerprints.

Theory (the proof is in ``docs/content-matching.md``). Every position has a rolling hash of the 64 bytes that end at it.
A position is an *anchor* when it is the rightmost least hash in some window of ``WINDOW`` consecutive positions. That
depends on the bytes near it and on nothing else, so the anchors of a run are the same wherever the run lies, however
the
stream is cut. The *block* of ``WINDOW`` bytes that begins where the anchor's own context begins is hashed with a secret
seed: its fingerprint. A run of ``RUN`` bytes holds at least one window with its context, and the block of that
window's anchor.

Positions inside runs of a period of at most 32 bytes (zeros, padding) are passed over, and so are blocks of nothing
else.

Nothing here knows of files, tags or the index. The native part needs a C compiler when the project is installed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field

import xxhash

from haechi.payload.anchors._anchors import Table, blanks, search

__all__ = ["AVERAGE", "RUN", "WINDOW", "Blocks", "Located", "Table", "Winnower", "fingerprint"]

WINDOW = 4096
"""Positions in a window, bytes in a block, and the largest distance of two anchors."""
AVERAGE = (WINDOW + 1) // 2
"""The average distance of two anchors in bytes: the average chunk."""
RUN = 4 * AVERAGE
"""Every run of this many bytes is found: at least ``2 * WINDOW - 1``."""
PIECE = 1 << 20
"""Longer data is worked through in pieces of this many bytes, so that memory stays bounded."""

_BEFORE = 95
"""Bytes before a position that its hash and its being periodic depend on."""
ROOM = WINDOW + _BEFORE
"""Most bytes that a ``Winnower`` carries from one piece to the next."""


def fingerprint(data: bytes | memoryview, seed: int) -> int:
    """The keyed 64-bit fingerprint of some bytes. Not a cryptographic hash: exact identity is BLAKE3's."""
    return xxhash.xxh3_64_intdigest(data, seed)


@dataclass(slots=True)
class Blocks:
    """Blocks completed by some bytes, in stream order: ``prints`` (packed, 64 bits each) and where each begins."""

    prints: array[int] = field(default_factory=lambda: array("Q"))
    starts: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Located:
    """Blocks that were located in a buffer and not yet hashed. ``base`` is the buffer's place in the stream."""

    buffer: memoryview
    base: int
    starts: list[int]


class Winnower:
    """One stream, fed in pieces cut anywhere. Keeps less than two windows of it.

    ``feed`` is ``locate`` and then ``hash``; whoever has two threads may locate in the next piece while hashing.
    """

    def __init__(self, seed: int, *, skip_blank: bool = False) -> None:
        """Fingerprints are keyed with ``seed`` (64 bits). ``skip_blank`` leaves out blocks of one short period."""
        self._seed = seed
        self._skip_blank = skip_blank
        self._carry = b""
        self._seen = 0
        self._next_window = _BEFORE
        self._last = -1
        self._open: list[int] = []

    @property
    def seen(self) -> int:
        """Bytes fed so far."""
        return self._seen

    def feed(self, data: bytes | memoryview) -> Blocks:
        """Take the next bytes; answer the blocks that they completed."""
        view = memoryview(data)
        if len(view) <= PIECE:
            return self.hash(self.locate(view))
        blocks = Blocks()
        for at in range(0, len(view), PIECE):
            more = self.hash(self.locate(view[at : at + PIECE]))
            blocks.prints.extend(more.prints)
            blocks.starts += more.starts
        return blocks

    def locate(self, data: memoryview) -> Located:
        """Take the next bytes (at most some MiB), and find where the blocks lie that they completed."""
        return self._locate(memoryview(b"".join((self._carry, data))), len(data))

    def locate_in(self, buffer: memoryview, size: int) -> Located:
        """Like ``locate`` without copying: the next ``size`` bytes lie in ``buffer`` behind ``ROOM`` bytes that are
        free.
        What is answered is valid while the buffer is.
        """
        begin = ROOM - len(self._carry)
        buffer[begin:ROOM] = self._carry
        return self._locate(buffer[begin : ROOM + size], size)

    def _locate(self, buffer: memoryview, size: int) -> Located:
        base = self._seen - len(self._carry)
        self._seen += size
        if self._next_window + WINDOW <= self._seen:
            found = array("I", search(buffer, self._next_window - base, WINDOW, self._last - base))
            if found:
                self._last = found[-1] + base
                shift = base - _BEFORE
                self._open += [position + shift for position in found]
            self._next_window = self._seen - WINDOW + 1
        done = bisect_right(self._open, self._seen - WINDOW)
        starts = self._open[:done]
        del self._open[:done]
        self._carry = bytes(buffer[max(0, self._next_window - _BEFORE - base) :])
        return Located(buffer, base, starts)

    def hash(self, located: Located) -> Blocks:
        """Fingerprint what was located. Depends on nothing that ``locate`` changes."""
        base, seed, digest = located.base, self._seed, xxhash.xxh3_64_intdigest
        view, starts = located.buffer, located.starts
        if self._skip_blank:
            empty = set(blanks(view, array("I", [start - base for start in starts]), WINDOW))
            if empty:
                starts = [start for index, start in enumerate(starts) if index not in empty]
        prints = array("Q", [digest(view[start - base : start - base + WINDOW], seed) for start in starts])
        return Blocks(prints, starts)
