"""Fingerprints of the blocks that winnowing picks in a stream: equal runs of bytes give equal fingerprints.

Theory (the proof is in ``docs/content-matching.md``). Every position has a rolling hash of the 64 bytes that end at it.
A position is an *anchor* when it is the rightmost least hash in some window of ``WINDOW`` consecutive positions. That
depends on the bytes near it and on nothing else, so the anchors of a run are the same wherever the run lies, however the
stream is cut. The *block* of ``WINDOW`` bytes that begins where the anchor's own context begins is hashed with a secret
seed: its fingerprint. A run of ``RUN`` bytes holds at least one window with its context, and the block of that window's anchor.

Positions inside runs of a period of at most 32 bytes (zeros, padding) are passed over, and so are blocks of nothing else.

Nothing here knows of files, tags or the index. The native part needs a C compiler when the project is installed.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import xxhash

from haechi.payload.anchors._anchors import Table, blank, search

__all__ = ["AVERAGE", "RUN", "WINDOW", "Blocks", "Table", "Winnower", "fingerprint"]

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


def fingerprint(data: bytes | memoryview, seed: int) -> int:
    """The keyed 64-bit fingerprint of some bytes. Not a cryptographic hash: exact identity is BLAKE3's."""
    return xxhash.xxh3_64_intdigest(data, seed)


class Blocks:
    """Blocks completed by some bytes, in stream order: ``prints`` (packed, 64 bits each) and where each begins."""

    __slots__ = ("prints", "starts")

    def __init__(self) -> None:
        self.prints = array("Q")
        self.starts: list[int] = []


class Winnower:
    """One stream, fed in pieces cut anywhere. Keeps less than two windows of it."""

    def __init__(self, seed: int, *, skip_blank: bool = False) -> None:
        """Fingerprints are keyed with ``seed`` (64 bits). ``skip_blank`` leaves out blocks of one short period."""
        self._seed = seed
        self._keep: Callable[[memoryview], bool] | None = (lambda block: not blank(block)) if skip_blank else None
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
        blocks = Blocks()
        view = memoryview(data).cast("B") if not isinstance(data, memoryview) or data.format != "B" else data
        for at in range(0, len(view), PIECE):
            self._feed(view[at : at + PIECE], blocks)
        return blocks

    def _feed(self, data: memoryview, blocks: Blocks) -> None:
        buffer = b"".join((self._carry, data))
        base = self._seen - len(self._carry)
        self._seen += len(data)
        if self._next_window + WINDOW <= self._seen:
            found = array("I", search(buffer, self._next_window - base, WINDOW, self._last - base))
            if found:
                self._last = found[-1] + base
                self._open += [position + base - _BEFORE for position in found]
            self._next_window = self._seen - WINDOW + 1
        view = memoryview(buffer)
        done, seed, digest, keep = 0, self._seed, xxhash.xxh3_64_intdigest, self._keep
        complete = self._seen - WINDOW
        for start in self._open:
            if start > complete:
                break
            done += 1
            block = view[start - base : start - base + WINDOW]
            if keep is None or keep(block):
                blocks.prints.append(digest(block, seed))
                blocks.starts.append(start)
        del self._open[:done]
        self._carry = buffer[max(0, self._next_window - _BEFORE - base) :]
