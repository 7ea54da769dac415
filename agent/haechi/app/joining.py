"""Pieces by offset: whether one goes on from bytes that were seen, and what is kept of one for the next.

An append is part of the stored object at once: no completion follows at which a missing piece would show. So what lies
before it must be known, back over one guaranteed run. Each of those pieces was judged by the same question, so that
farther back nothing is missing either.

A store may keep a part of a piece (``Assembly.grid``): a connection breaks, or an answer says that less arrived than
was sent. The next piece then begins inside of what was seen. So a piece is remembered in *cuts*, at every multiple of
the grid: one that begins at a cut goes on from the bytes before it, and its own cuts tell whether the bytes that were
sent twice are the same. Where they are not, either may be what the store keeps: that is the worst case, as is a gap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from haechi.domain.content import Content, ContentState
from haechi.domain.upload import Assembly
from haechi.payload.anchors import RUN
from haechi.ports.index import Edges
from haechi.ports.objects import REPLACED, Around, Piece

KEPT = 64
"""Cuts that are kept at the beginning and at the end of one request, 16 MiB each on a grid of 256 KiB. What was in
flight when a connection broke is far less; what begins between them is not known. This project's choice.
"""


def continues(near: Around, assembly: Assembly) -> bool:
    """Whether the pieces before lie without a gap, and none of them may be another than the one that was seen."""
    if not assembly.part:
        return True
    end = assembly.part
    for piece in reversed(near.before):
        if piece.part + piece.edges.size != end or REPLACED in piece.content.notes:
            return False
        end = piece.part
    return bool(near.before) and (end == 0 or near.reached)


def surely(near: Around) -> bool:
    """Whether none of the pieces around may be another than the one that was seen."""
    return not any(REPLACED in piece.content.notes for piece in (*near.before, *near.after))


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes of an object from ``start`` on."""

    start: int
    edges: Edges
    digest: str


@dataclass(slots=True)
class Cuts:
    """One piece while it passes, in constant memory. ``start`` is its offset in the object."""

    start: int
    grid: int
    _first: list[Cut] = field(default_factory=list)
    _between: Cut | None = None
    _last: list[Cut] = field(default_factory=list)
    _offset: int = -1
    _head: bytes = b""
    _tail: bytes = b""
    _size: int = 0
    _hasher: blake3 = field(default_factory=blake3)

    def __post_init__(self) -> None:
        self._offset = self.start

    def take(self, data: memoryview) -> None:
        """The next bytes."""
        while data:
            part = data[: self.grid - self._offset % self.grid]
            data = data[len(part) :]
            self._hasher.update(part)
            if len(self._head) < RUN:
                self._head += bytes(part[: RUN - len(self._head)])
            self._tail = bytes(part[-RUN:]) if len(part) >= RUN else (self._tail + bytes(part))[-RUN:]
            self._size += len(part)
            self._offset += len(part)
            if self._offset % self.grid == 0:
                self._keep(self._cut())
                self._head, self._tail, self._size, self._hasher = b"", b"", 0, blake3()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._offset - self.start

    def cuts(self, *, ended: bool) -> tuple[Cut, ...]:
        """In order, without gaps. ``ended``: with the bytes behind the last multiple of the grid, for the store keeps
        those of a piece that is whole.
        """
        between = (self._between,) if self._between else ()
        rest = (self._cut(),) if ended and self._size else ()
        return (*self._first, *between, *self._last, *rest)

    def _cut(self) -> Cut:
        edges = Edges(self._head, self._tail, self._size)
        return Cut(self._offset - self._size, edges, f"blake3:{self._hasher.hexdigest()}")

    def _keep(self, cut: Cut) -> None:
        if len(self._first) < KEPT:
            self._first.append(cut)
            return
        self._last.append(cut)
        if len(self._last) > KEPT:
            oldest = self._last.pop(0)
            self._between = _joined(self._between, oldest) if self._between else oldest


def _joined(one: Cut, next_one: Cut) -> Cut:
    digest = blake3(f"{one.digest} {next_one.digest}".encode()).hexdigest()
    size = one.edges.size + next_one.edges.size
    return Cut(one.start, Edges(one.edges.head, next_one.edges.tail, size), f"cuts:{digest}")


def again(cuts: Iterable[Cut], known: Iterable[Piece]) -> bool:
    """Whether what was ``known`` from here on is what these cuts show, as far as they reach."""
    mine = list(cuts)
    end = max((cut.start + cut.edges.size for cut in mine), default=0)
    seen = {(cut.start, cut.edges.size, cut.digest) for cut in mine}
    return all(
        piece.part >= end
        or ((piece.part, piece.edges.size, piece.content.digest) in seen and REPLACED not in piece.content.notes)
        for piece in known
    )


def in_cuts(whole: Content, cuts: Sequence[Cut], known: Iterable[Piece]) -> tuple[Piece, ...]:
    """A piece as it is to be remembered: what was recognised in it stands with its first cut."""
    before = {piece.part: piece for piece in known}
    pieces = []
    for number, cut in enumerate(cuts):
        state = whole.state if number == 0 or whole.state is not ContentState.MATCHED else ContentState.CLEAN
        matches = whole.matches if number == 0 else ()
        notes = whole.notes
        earlier = before.get(cut.start)
        if earlier and (earlier.content.digest != cut.digest or REPLACED in earlier.content.notes):
            notes = tuple(dict.fromkeys((*notes, REPLACED)))
        pieces.append(Piece(cut.start, Content(state, matches, cut.edges.size, cut.digest, notes), cut.edges))
    return tuple(pieces)


def passed(content: Content, *, pending: bool) -> Content:
    """What is known of bytes that passed before a request broke off: all were looked at, unless ``pending``."""
    if content.matches:
        return content
    state = ContentState.NOT_INSPECTED if pending else ContentState.OPAQUE if content.notes else ContentState.CLEAN
    return dataclasses.replace(content, state=state)
