"""Read archives and compressed streams that arrive in parts as the whole objects they become.

Theory. A part from the middle of a compressed stream tells nothing by itself: only a decoder that saw every part before
it can read on. So one decoder is kept for each object under assembly, and parts are given to it in the order of their
numbers. Parts that come before their turn wait in a bounded spool, and those that a completion joins although their
numbers leave gaps are read then. What a part holds is known when it was read, which may be after it went to the store:
the completion then refuses, and without a completion there is no object (docs/adr/0009).

=======  =====================================================================  ============================
state    meaning                                                                at the completion
=======  =====================================================================  ============================
OPEN     the parts so far were read, or wait; too little seen, or a container   what the decoder found
PLAIN    the object begins as no container: parts are judged by themselves      the union of its parts
LOST     a part was missed, replaced, had no room, or its reading was too slow  *not inspected* if a container
=======  =====================================================================  ============================

Pieces that a store calls by name have no order before the list that joins them: they wait, and are read then. When as
many as clients send at once are there and none begins as a container, the object is taken for plain; where its first
piece came still later and is one after all, the completion finds nothing read.

PLAIN and LOST are final. All of it is in memory: a restart loses it. Knows nothing of decisions.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from haechi.app.inspection import Inspection
from haechi.app.unpacking import Unpacking
from haechi.domain.content import Content, Match
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Assembly, BodyShape, Framing, Location
from haechi.payload.body import decoder
from haechi.payload.events import MalformedError
from haechi.ports.index import ContentIndex
from haechi.ports.objects import Assemblies

BLOCK = 64 << 10
"""Bytes that the decoder gets at once."""
KNOWN = 10_000
"""Objects of which the state is remembered: a few hundred bytes each."""
PART_WAITS_S = 5.0
"""How long a part's answer waits until it was read: clients slow down to what can be read. Ten seconds for looking at
the part itself may come before it in the same answer (``inspection``), and the judge's time limit is kept.
"""
COMPLETION_WAITS_S = 6.0
"""The same for a completion, in all: reading the place's facts (10 s at most) and the record come behind it. What was
not read by then goes on being read: a client's next try finds it.
"""


FIRST_NAMED = 16
"""Pieces without numbers of which the first may still come: clients send so many at once. This project's choice."""


class Reading(Enum):
    """See the module's table."""

    OPEN = auto()
    PLAIN = auto()
    LOST = auto()


class Kept(Protocol):
    """Bytes kept for a while, by a bound that all share."""

    def append(self, data: bytes | memoryview) -> None:
        """Raises ``OSError`` when there is no room."""

    def pieces(self, size: int) -> Iterator[tuple[bytes, bool]]:
        """The bytes again, in pieces, each with whether it is the last. Raises ``OSError``."""

    def close(self) -> None:
        """Free them."""


class Copy:
    """A part that is kept while it passes. Whatever becomes of the request, the room is free when nobody holds it."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._waiting: list[memoryview] = []
        self._free = weakref.finalize(self, kept.close)
        self._writing = threading.Lock()
        self.whole = True

    def take(self, data: memoryview) -> None:
        """The next bytes; they are written by ``flush``, before the buffer they lie in is used again."""
        if self.whole:
            self._waiting.append(data)

    @property
    def waiting(self) -> bool:
        """Whether ``flush`` has something to write."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Write; waits for the disk. Where there is no room, or it was freed meanwhile, the copy is given up."""
        waiting, self._waiting = self._waiting, []
        with self._writing:
            try:
                for data in waiting:
                    if not self.whole:
                        break
                    self._kept.append(data)
            except OSError:
                self.whole = False
        if not self.whole:
            self.free()

    def free(self) -> None:
        """Give the room back: now, or as soon as nobody writes. A file closed under its writer would have its number
        given to another one.
        """
        self.whole = False
        self._waiting = []
        if self._writing.acquire(blocking=False):
            try:
                self._free()
            finally:
                self._writing.release()

    def pieces(self) -> Iterator[bytes]:
        """The part again. Raises ``OSError``."""
        for data, _ in self._kept.pieces(BLOCK):
            yield data


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it was seen: its number, or offset where parts are appended."""

    number: int
    digest: str
    size: int


@dataclass(slots=True)
class _Whole:
    """One object under assembly. ``read`` and then ``reading`` were taken out of ``waiting``."""

    inspection: Inspection | None
    next: int
    grows: bool
    state: Reading = Reading.OPEN
    read: list[Part] = field(default_factory=list)
    reading: Part | None = None
    waiting: dict[int, tuple[Part, Copy]] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    work: asyncio.Task[None] | None = None
    result: Content | None = None
    packed: bool = False
    """Whether a piece without a number begins as a container."""

    @property
    def open(self) -> bool:
        """Whether parts are still read."""
        return self.state is Reading.OPEN and self.inspection is not None

    def settle(self, state: Reading) -> None:
        """Nothing more is read."""
        self.state, self.inspection, self.result = state, None, None
        for _, copy in self.waiting.values():
            copy.free()
        self.waiting.clear()

    def seen(self, number: int) -> Part | None:
        """The part of this number, wherever it is."""
        if number in self.waiting:
            return self.waiting[number][0]
        known = (*self.read, self.reading) if self.reading else self.read
        return next((part for part in known if part.number == number), None)


_Key = tuple[str, str, str, str]


class Reassembly:
    """The objects under assembly whose inside is read. Belongs to one event loop."""

    def __init__(
        self,
        index: ContentIndex,
        assemblies: Assemblies,
        unpacking: Unpacking,
        keep: Callable[[], Kept],
        *,
        objects: int = 32,
    ) -> None:
        """``keep`` makes room for one part. ``objects`` are read at the same time, each with a decoder's memory; of
        more, the one that was quiet longest is lost.
        """
        self._index = index
        self._assemblies = assemblies
        self._unpacking = unpacking
        self._keep = keep
        self._objects = objects
        self._known: OrderedDict[_Key, _Whole] = OrderedDict()

    def copy(self, place: Location, assembly: Assembly, codings: tuple[str, ...]) -> Copy | None:
        """Where a part is to be kept while it passes; None where nobody will read it. Raises
        ``HaechiError('ledger.…')``.
        """
        key = _key(place, assembly)
        whole = self._known.get(key)
        if whole is not None and assembly.begins:
            whole.settle(Reading.LOST)
            whole = None
        if whole is None:
            whole = self._known[key] = self._begun(assembly, codings)
            near = self._assemblies.around(place, assembly, 1)
            if not assembly.begins and (near.before or near.here or near.after):
                whole.settle(Reading.LOST)  # parts passed that nobody kept
        self._known.move_to_end(key)
        self._bound()
        return Copy(self._keep()) if whole.state is Reading.OPEN else None

    def plain(self, place: Location, assembly: Assembly) -> None:
        """The first part begins as no container."""
        whole = self._known.get(_key(place, assembly))
        if whole is not None and whole.state is Reading.OPEN and not whole.read:
            whole.settle(Reading.PLAIN)

    def anew(self, place: Location, assembly: Assembly) -> None:
        """The object is made anew: nothing of what was read belongs to it."""
        whole = self._known.pop(_key(place, assembly), None)
        if whole is not None:
            whole.settle(Reading.LOST)

    async def arrived(
        self, place: Location, assembly: Assembly, part: Part, copy: Copy | None, *, packed: bool = False
    ) -> tuple[Reading, tuple[Match, ...]]:
        """A part is complete; ``packed``: it may begin as a container. Waits a while until it was read, if it is its
        turn; what was recognised so far in the object as a whole comes with the state.
        """
        whole = self._known.get(_key(place, assembly))
        if whole is None:
            return Reading.LOST, ()
        known = whole.seen(part.number)
        if not whole.open or known == part:
            pass
        elif known is not None or part.number < whole.next or copy is None or not copy.whole:
            whole.settle(Reading.LOST)  # written over, or not kept
        else:
            whole.waiting[part.number] = part, copy
        whole.packed = whole.packed or packed
        if assembly.name and whole.open and not whole.packed and len(whole.waiting) >= FIRST_NAMED:
            whole.settle(Reading.PLAIN)
        await self._read_on(whole, PART_WAITS_S)
        if whole.grows and whole.state is Reading.OPEN and whole.next < part.number + part.size:
            return Reading.LOST, whole.matches  # no completion follows at which this would show
        return whole.state, whole.matches

    def so_far(self, place: Location, assembly: Assembly) -> tuple[Reading, tuple[Match, ...]]:
        """As ``arrived`` tells it, of the parts that arrived before."""
        whole = self._known.get(_key(place, assembly))
        return (whole.state, whole.matches) if whole is not None else (Reading.LOST, ())

    async def completed(self, place: Location, assembly: Assembly, parts: Sequence[Part]) -> Content | None:
        """What the object holds that these parts make, in this order; None where it was not read to its end."""
        whole = self._known.get(_key(place, assembly))
        loop = asyncio.get_running_loop()
        ends = loop.time() + COMPLETION_WAITS_S
        if whole is None or whole.state is not Reading.OPEN or not await self._read_on(whole, COMPLETION_WAITS_S):
            return None
        if whole.open:
            whole.work = asyncio.create_task(self._guarded(whole, self._finish(whole, parts)))
            await asyncio.wait({whole.work}, timeout=max(0.0, ends - loop.time()))
        return whole.result if whole.read == list(parts) else None

    def _begun(self, assembly: Assembly, codings: tuple[str, ...]) -> _Whole:
        shape = BodyShape(Framing.PLAIN, content_encodings=codings)
        turn = -1 if assembly.name else 0 if assembly.grows else 1  # of named pieces none has a turn
        return _Whole(Inspection(decoder(shape), self._index), turn, assembly.grows)

    def _bound(self) -> None:
        alive = [whole for whole in self._known.values() if whole.inspection is not None]
        for whole in alive[: max(0, len(alive) - self._objects)]:
            whole.settle(Reading.LOST)
        while len(self._known) > KNOWN:
            _, whole = self._known.popitem(last=False)
            whole.settle(Reading.LOST)

    async def _read_on(self, whole: _Whole, seconds: float) -> bool:
        """Read the parts whose turn it is; False where that takes longer, and goes on beside."""
        if whole.work is None or whole.work.done():
            if whole.next not in whole.waiting:
                return True
            whole.work = asyncio.create_task(self._guarded(whole, self._read_waiting(whole)))
        await asyncio.wait({whole.work}, timeout=seconds)
        return whole.work.done()

    async def _read_waiting(self, whole: _Whole) -> None:
        while whole.next in whole.waiting:
            await self._read(whole, whole.next)

    async def _finish(self, whole: _Whole, parts: Sequence[Part]) -> None:
        """Read what is left of these parts, over the gaps between their numbers."""
        read = len(whole.read)
        left = parts[read:]
        twice = len({part.number for part in parts}) != len(parts)
        if twice or whole.read != list(parts[:read]) or any(whole.seen(part.number) != part for part in left):
            return  # another object; the one that was read so far may still be completed
        for part in left:
            if whole.open:
                await self._read(whole, part.number)
        inspection = whole.inspection
        if inspection is not None:
            await self._unpacking.run(inspection, inspection.close)
            result = inspection.result()
            whole.settle(whole.state)
            whole.result = result

    async def _read(self, whole: _Whole, number: int) -> None:
        part, copy = whole.waiting.pop(number)
        whole.reading, inspection = part, whole.inspection
        pieces = copy.pieces()
        try:
            while whole.open and inspection is not None:
                if not await self._unpacking.run(inspection, lambda: _feed_next(inspection, pieces)):
                    break
        finally:
            whole.reading = None
            copy.free()
        if not whole.open or inspection is None:
            return
        whole.read.append(part)
        whole.matches = inspection.matches
        whole.next = number + part.size if whole.grows else number + 1
        if inspection.container is False:
            whole.settle(Reading.PLAIN)

    async def _guarded(self, whole: _Whole, step: Coroutine[None, None, None]) -> None:
        """What cannot be read, for whatever reason, is not inspected."""
        try:
            await step
        except (HaechiError, OSError, MalformedError):
            whole.settle(Reading.LOST)
        except BaseException:
            whole.settle(Reading.LOST)
            raise


def _feed_next(inspection: Inspection, pieces: Iterator[bytes]) -> bool:
    data = next(pieces, b"")
    inspection.feed(data)
    return bool(data)


def _key(place: Location, assembly: Assembly) -> _Key:
    return place.provider, place.container, place.alias, assembly.id
