"""Records that wait to be written: a bounded queue, and what the writer has in hand.

Not for several threads at once: the log holds its lock. What was taken counts until it is ``written``, so the bounds
hold while a disk hangs, and whoever looks for a record finds it wherever it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from haechi.outbound.audit.waiters import Waiter


@dataclass(slots=True)
class Item:
    """A record before it has its place in the chain. ``event`` is canonical JSON."""

    kind: str
    time: str
    event: bytes
    waiter: Waiter | None = None


class Queue:
    """At most ``max_records`` of together ``max_bytes``; the log's own records always fit."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._most = max_records
        self._most_bytes = max_bytes
        self._items: deque[Item] = deque()
        self._in_hand: list[Item] = []
        self.bytes = 0
        self.urgent = 0
        """How many of those that were not taken somebody waits for."""

    def __len__(self) -> int:
        return len(self._items) + len(self._in_hand)

    def __iter__(self) -> Iterator[Item]:
        """All that is not written, oldest first."""
        yield from self._in_hand
        yield from self._items

    @property
    def untaken(self) -> int:
        """How many the writer has not in hand."""
        return len(self._items)

    def offer(self, item: Item) -> bool:
        """Append where there is room."""
        if len(self) >= self._most or self.bytes + len(item.event) > self._most_bytes:
            return False
        self._items.append(item)
        self.bytes += len(item.event)
        self.urgent += item.waiter is not None
        return True

    def put_first(self, items: Iterable[Item]) -> None:
        """The log's own records, before all that waits."""
        for item in reversed(list(items)):
            self._items.appendleft(item)
            self.bytes += len(item.event)

    def take(self) -> list[Item]:
        """All that waits, for the writer; a copy that it may empty."""
        self._in_hand, self._items, self.urgent = list(self._items), deque(), 0
        return list(self._in_hand)

    def written(self) -> None:
        """What was taken is in the chain."""
        self.bytes -= sum(len(item.event) for item in self._in_hand)
        self._in_hand = []

    def put_back(self) -> None:
        """What was taken could not be written: it waits again, in its order."""
        self._items.extendleft(reversed(self._in_hand))
        self.urgent += sum(item.waiter is not None for item in self._in_hand)
        self._in_hand = []

    def without_waiters(self) -> list[Waiter]:
        """Drop the records that somebody waits for, and name those who do."""
        waiting = [item.waiter for item in self._items if item.waiter]
        self._items = deque(item for item in self._items if not item.waiter)
        self.bytes = sum(len(item.event) for item in self)
        self.urgent = 0
        return waiting
