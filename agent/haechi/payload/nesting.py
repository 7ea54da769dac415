"""The tree of streams in one body: every stream is reported, recognised by its first bytes, and unpacked below.

Theory. A stream passes its bytes on as they come (the index compares them), and keeps aside its first 512 to recognise
a container: gzip, bzip2, xz, zstd, zip, tar, or a declared content coding. What is recognised gets a *reader*, which
opens streams below. A reader that meets what it cannot read says why, and the rest of that stream's inside is opaque;
the stream's own bytes go on. Costs are bounded by ``Limits``, at points that depend on the stream alone, never on
how the body was cut.

Reading a container takes far longer than passing its bytes on. A tree that is ``deferred`` reports the object's bytes
at once and puts the reading aside as *steps*, each for at most 64 KiB of the object, to be run elsewhere.

Must not know: framing of request bodies, requests, the index.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from haechi.payload.events import Bytes, Closed, Event, Opaque, Opened
from haechi.payload.limits import Limits

HEAD = 512
"""Bytes by which a container is recognised: a tar header is the longest."""
BLOCK = 64 << 10
"""The share of the stored object for which ``Limits.burst`` is counted."""


class UnreadableError(Exception):
    """A reader cannot go on. ``cause`` as in ``events.Opaque``."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class Reader(Protocol):
    """Unpacks one stream into streams below it."""

    def feed(self, data: memoryview) -> None:
        """The next bytes. Raises ``UnreadableError``."""

    def end(self) -> None:
        """No more bytes. Raises ``UnreadableError`` when the container was not complete."""

    def abandon(self) -> None:
        """Close what is open below; the rest will not be read."""


Recognise = Callable[["Stream", bytes], "Reader | None"]
"""Given a stream and its first bytes: its reader, or None. Raises ``UnreadableError`` for known but unreadable ones."""


class Tree:
    """What all streams of one body share: numbering, events waiting to be taken, and the budgets."""

    __slots__ = (
        "_members",
        "_next",
        "_spent",
        "_total",
        "deferred",
        "events",
        "limits",
        "recognise",
        "steps",
        "stopped",
    )

    def __init__(self, limits: Limits, recognise: Recognise, *, deferred: bool = False) -> None:
        self.limits = limits
        self.recognise = recognise
        self.deferred = deferred
        self.steps: deque[Callable[[], None]] = deque()
        self.events: list[Event] = []
        self._next = 1
        self._members = 0
        self._spent = [0] * (limits.depth + 2)
        self._total = 0
        self.stopped = False

    def take(self) -> list[Event]:
        """The events since the last call."""
        taken, self.events = self.events, []
        return taken

    def step(self) -> list[Event]:
        """Run the next step that was put aside, if there is any; the events that it gave."""
        if self.steps:
            self.steps.popleft()()
        return self.take()

    def stop(self) -> None:
        """Nothing more is read: whatever would come out is too large."""
        self._total = self.limits.expanded
        self.stopped = True

    def object(self, codings: tuple[str, ...] = ()) -> Stream:
        """Stream 0: what the store will keep."""
        return Stream(self, 0, 0, codings)

    def part(self, name: str) -> Stream:
        """A form part beside the object."""
        return self._open(0, 0, 0, "part", name, ())

    def below(
        self, parent: Stream, kind: str, name: str = "", codings: tuple[str, ...] = (), *, wrapped: bool = False
    ) -> Stream:
        """A new stream in ``parent``. Raises ``UnreadableError`` beyond the limits. ``wrapped``: the parent only wraps
        it (a form, a string, base64), which expands nothing: so it lies no deeper, and counts in ``limits.wraps``.
        """
        depth, wraps = parent.depth + 1, parent.wraps
        if wrapped:
            depth, wraps = max(parent.depth, 1), wraps + 1
        if depth > self.limits.depth or wraps > self.limits.wraps:
            raise UnreadableError("too-deep")
        self._members += 1
        if self._members > self.limits.members:
            raise UnreadableError("too-large")
        return self._open(parent.id, depth, wraps, kind, name, codings)

    def _open(self, parent: int, depth: int, wraps: int, kind: str, name: str, codings: tuple[str, ...]) -> Stream:
        stream = Stream(self, self._next, depth, codings, wraps)
        self._next += 1
        self.events.append(Opened(stream.id, parent, kind, name))
        return stream

    def replenish(self) -> None:
        """A block of the stored object is done: what a level may expand to starts anew."""
        self._spent = [0] * len(self._spent)

    def allowance(self, depth: int, wanted: int) -> int:
        """How many of ``wanted`` bytes may come out at ``depth`` now; they count as spent."""
        allowed = min(wanted, self.limits.burst - self._spent[depth], self.limits.expanded - self._total)
        self._spent[depth] += allowed
        self._total += allowed
        return allowed


class Stream:
    """One stream: reports its bytes and feeds the reader of what it contains, if it contains anything."""

    __slots__ = ("_head", "_offset", "_reader", "codings", "container", "depth", "id", "tree", "wraps")

    def __init__(self, tree: Tree, number: int, depth: int, codings: tuple[str, ...], wraps: int = 0) -> None:
        self.tree = tree
        self.id = number
        self.depth = depth
        self.wraps = wraps
        self.codings = codings
        self.container: bool | None = None
        """Whether this stream began as a container that is read into; None while too little was seen to tell."""
        self._head: bytearray | None = bytearray()
        self._reader: Reader | None = None
        self._offset = 0

    def feed(self, data: memoryview) -> None:
        """The next bytes of this stream."""
        if not data:
            return
        self.tree.events.append(Bytes(self.id, data))
        if self._head is None and self._reader is None:
            return
        if self.depth:
            self._look(data)
            return
        while data:
            room = BLOCK - self._offset % BLOCK
            piece, data = data[:room], data[room:]
            self._offset += len(piece)
            self._look(piece)
            if self._offset % BLOCK == 0:
                self._now_or_later(self.tree.replenish)

    def expand(self, data: memoryview) -> None:
        """Bytes that a decompressor made: they count against the budget. Raises ``UnreadableError('too-large')``."""
        allowed = self.tree.allowance(self.depth, len(data))
        self.feed(data[:allowed])
        if allowed < len(data):
            raise UnreadableError("too-large")

    def end(self) -> None:
        """The stream is complete."""
        if self._head is not None:
            self._recognise(bytes(self._head))
        self._now_or_later(self._ended)

    def _ended(self) -> None:
        self._guarded(lambda reader: reader.end())
        self._reader = None
        self.tree.events.append(Closed(self.id))
        if not self.depth:
            self.tree.replenish()

    def abandon(self) -> None:
        """The stream stops in the middle."""
        if self._reader is not None:
            self._reader.abandon()
        self._head = self._reader = None
        self.tree.events.append(Closed(self.id))

    def opaque(self, cause: str) -> None:
        """What this stream contains cannot be read."""
        self.tree.events.append(Opaque(self.id, cause))

    def _look(self, data: memoryview) -> None:
        if self._head is not None:
            missing = HEAD - len(self._head)
            self._head += data[:missing]
            if len(self._head) < HEAD:
                return
            self._recognise(bytes(self._head))
            data = data[missing:]
        if data:
            self._now_or_later(lambda: self._guarded(lambda reader: reader.feed(data)))

    def _recognise(self, head: bytes) -> None:
        self._head = None
        try:
            self._reader = self.tree.recognise(self, head)
        except UnreadableError as problem:
            self.opaque(problem.cause)
        self.container = self._reader is not None
        self._now_or_later(lambda: self._guarded(lambda reader: reader.feed(memoryview(head))))

    def _now_or_later(self, step: Callable[[], None]) -> None:
        """Put aside what reads a container, and what comes after that."""
        tree = self.tree
        if tree.deferred and not self.depth and (self._reader is not None or tree.steps):
            tree.steps.append(step)
        else:
            step()

    def _guarded(self, step: Callable[[Reader], None]) -> None:
        reader = self._reader
        if reader is None:
            return
        if self.tree.stopped:  # there are bodies that are long to read although nothing comes out
            self._give_up(reader, "too-large")
            return
        try:
            step(reader)
        except UnreadableError as problem:
            self._give_up(reader, problem.cause)

    def _give_up(self, reader: Reader, cause: str) -> None:
        self._reader = None
        reader.abandon()
        self.opaque(cause)


class TreeDecoder:
    """What all decoders have from their tree; ``stream`` is the object."""

    def __init__(self, tree: Tree, stream: Stream) -> None:
        self._tree = tree
        self._stream = stream

    @property
    def container(self) -> bool | None:
        """See ``Decoder``."""
        return self._stream.container

    @property
    def pending(self) -> bool:
        """See ``Decoder``."""
        return bool(self._tree.steps)

    def unpack(self) -> list[Event]:
        """See ``Decoder``."""
        return self._tree.step()

    def stop(self) -> None:
        """See ``Decoder``."""
        self._tree.stop()
