"""The body of a request in a person's program, shown to the agent before it is sent, and whole afterwards.

Theory. The agent sees the very bytes that go on the wire, framing included, so the body is read once for the agent and
once for the store. What can be read again is set back to where it stood; of what cannot, the bytes that were read wait
in a file without a name. A large part of a real file is not read here at all: the agent gets the descriptor.

Must not know SDKs: what one wraps its bodies in, its folder knows (``part``, ``again``).
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, Final

from haechi.ports.guard import Body, FileRange

SMALL: Final = 256 << 10
"""Bytes that go to the agent with the question itself, and that wait in memory."""


def part_of_file(body: Any) -> FileRange | None:
    """What is left of a regular file; None for everything else."""
    if type(body) not in (io.BufferedReader, io.FileIO):  # the exact ones: others may read other bytes than are there
        return None
    try:
        about, at = os.fstat(body.fileno()), body.tell()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(about.st_mode) or not body.readable():
        return None
    return FileRange(body.fileno(), at, max(0, about.st_size - at))


def rewinding(body: Any) -> Callable[[], object] | None:
    """What sets a body back to where it stands now; None where nothing can."""
    try:
        if not getattr(body, "seekable", lambda: True)():
            return None
        at = body.tell()
        body.seek(at)
    except Exception:  # a person's own class: whatever it raises, it cannot be set back
        return None
    return lambda: body.seek(at)


async def kept(body: Any) -> Any:
    """What only an event loop can read, in a file without a name that stands at its beginning."""
    import asyncio  # a program that has a loop has loaded it

    seen = tempfile.SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115 - what is sent is read from it
    async for piece in body:
        await asyncio.to_thread(seen.write, piece)
    seen.seek(0)
    return seen


class Shown:
    """One body. ``offer`` is what the agent gets; ``after`` gives what is to be sent in the body's place."""

    def __init__(
        self,
        body: Any,
        part: Callable[[Any], FileRange | None] = part_of_file,
        again: Callable[[Any], Callable[[], object] | None] = rewinding,
        length: int | None = None,
    ) -> None:
        """``part`` tells which part of a file a body is, ``again`` what sets it back, ``length`` how many bytes the
        request says that it has.
        """
        self._body, self._part, self._rewinding, self._length = body, part, again, length
        self._again: Callable[[], object] | None = None
        self._source: Any = body
        self._kept: Any = None
        self._left = b""
        self._at = 0

    def offer(self) -> Body:
        """Raises ``TypeError`` for what is neither bytes nor a file, and what its reading raises."""
        body = self._body
        if body is None:
            return b""
        if isinstance(body, str):
            body = body.encode()
        if isinstance(body, bytes | bytearray | memoryview):
            whole = memoryview(body).cast("B")
            return bytes(whole) if len(whole) <= SMALL else self._of_memory(whole)
        if not callable(getattr(body, "read", None)):
            if isinstance(body, Mapping | Set) or not isinstance(body, Iterable):
                raise TypeError(f"a body that cannot be read: {type(body).__name__}")
            self._source = body = Pieces(iter(body))
        part = self._part(body)
        if part is not None and part.length > SMALL:
            return part
        self._again = self._rewinding(body)
        if self._again is None:
            self._kept = tempfile.SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115 - the reader that is sent has it
        first = self._read_up_to(SMALL + 1)
        if len(first) <= SMALL:
            return first
        self._left = first
        return self._read

    def after(self) -> Any:
        """The body as it was, or one that begins with what was read of it."""
        if self._again is not None:
            self._again()
        if self._kept is None:
            return self._body
        self._kept.seek(0)
        return Again(self._kept, self._source, self._length)

    def _of_memory(self, whole: memoryview) -> Callable[[int], bytes]:
        def read(size: int) -> bytes:
            piece = bytes(whole[self._at : self._at + size])
            self._at += len(piece)
            return piece

        return read

    def _read(self, size: int) -> bytes:
        if self._left:
            piece, self._left = self._left[:size], self._left[size:]
            return piece
        return self._next(size)

    def _next(self, size: int) -> bytes:
        piece = self._source.read(size)
        if isinstance(piece, str):
            piece = piece.encode()
        if self._kept is not None:
            self._kept.write(piece)
        return bytes(piece)

    def _read_up_to(self, size: int) -> bytes:
        pieces, left = [], size
        while left > 0 and (piece := self._next(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


class Pieces:
    """A file of what an iterator gives, which can be read once."""

    def __init__(self, pieces: Iterator[Any]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, size: int = -1) -> bytes:
        """As of a file; never more than one piece, unless all is asked for."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(SMALL), b""))
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece.encode() if isinstance(piece, str) else bytes(piece)
        piece, self._left = self._left[:size], self._left[size:]
        return piece


class Again:
    """What was read, then the rest. Cannot be set back, as what it stands for could not: the SDK must not try again
    with a stream that is spent. ``len`` is what requests asks a stream for, where the length is known.
    """

    def __init__(self, kept: Any, rest: Any, length: int | None = None) -> None:
        self._kept, self._rest = kept, rest
        if length is not None:
            self.len = length

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        if size is None or size < 0:
            return bytes(self._kept.read() + self._rest.read())
        piece = self._kept.read(size)
        return bytes(piece or self._rest.read(size))

    def __iter__(self) -> Iterator[bytes]:
        """In pieces: what HTTP libraries know a stream by."""
        return iter(lambda: self.read(SMALL), b"")
