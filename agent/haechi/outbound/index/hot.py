"""What a scan asks for every block, in memory: fingerprint → which content, and where in it.

A value of the table is a unit of 512 bytes in one long row of all contents, so that 32 bits name content and place
together.
A block that several contents share is kept once for each *protection* (technologies, grades, funding) that it appears
under: the
verdict needs no more, and a thousand versions of one document cost little more than one.
Knows nothing of storage. A change replaces or adds; readers on other threads never see half of one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

from haechi.domain.errors import HaechiError
from haechi.payload.anchors import Table

UNIT = 512
"""Bytes in a unit."""
_UNITS = 1 << 32


class Hot:
    """The memory side of the index."""

    def __init__(self) -> None:
        self.table = Table()
        self.digests = Table()
        self._bases = array("I")
        self._numbers = array("I")
        self._protections = array("I")
        self._next = 0
        self._last = 0

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.table.nbytes + self.digests.nbytes + 12 * len(self._bases)

    @property
    def last_number(self) -> int:
        """The highest content's number that is known here."""
        return max(max(self._numbers, default=0), self._last)

    def add_digest(self, number: int, digest: bytes) -> None:
        """Make a content known by its digest."""
        self._last = max(self._last, number)
        self.digests.add(digest[:8], array("I", [number]))

    def add_blocks(self, number: int, protection: int, prints: array[int], units: array[int]) -> None:
        """Make a content known by its blocks; ``units`` ascend. Raises ``HaechiError('index.full')``."""
        skip: set[int] = set()
        for index, value in self.table.hits(prints):
            if self._protections[self._row(value)] == protection:
                skip.add(index)
        if skip:
            kept = [index for index in range(len(prints)) if index not in skip]
            prints, units = array("Q", [prints[i] for i in kept]), array("I", [units[i] for i in kept])
        if not prints:
            return
        base = self._next
        following = base + units[-1] + 1
        if following >= _UNITS:
            raise HaechiError("index.full", path="fingerprints")
        self._next = following
        self._protections.append(protection)
        self._numbers.append(number)
        self._bases.append(base)
        self.table.add(prints, array("I", [base + unit for unit in units]) if base else units)

    def _row(self, value: int) -> int:
        return bisect_right(self._bases, value) - 1

    def locate(self, value: int) -> tuple[int, int]:
        """The content's number, and the unit in it."""
        row = self._row(value)
        return self._numbers[row], value - self._bases[row]

    def by_digest(self, digest: bytes) -> list[int]:
        """Numbers of contents whose digest may be this one: compare it in full."""
        return [value for _, value in self.digests.hits(digest[:8])]
