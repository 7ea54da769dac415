"""The body of a botocore request, shown to the agent before it is sent, and whole afterwards.

Theory. The agent sees the very bytes that go on the wire, framing included, so the body is read once for the agent and
once for the store. What can be read again is set back to where it stood; of what cannot, the bytes that were read wait
in a file without a name. A large part of a real file is not read here at all: the agent gets the descriptor.

Names of the SDK's inner parts are looked for, never relied on: where one is missing the body is simply read.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Callable
from typing import Any, Final

from haechi.ports.guard import Body, FileRange

SMALL: Final = 256 << 10
"""Bytes that go to the agent with the question itself, and that wait in memory."""

FRAMES: Final = ("AwsChunkedWrapper", "AioAwsChunkedWrapper")
"""What botocore and aiobotocore put around a body in chunks."""


class Shown:
    """One body. ``offer`` is what the agent gets; ``after`` gives what is to be sent in the body's place."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._again: Callable[[], object] | None = None
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
            raise TypeError(f"a body that cannot be read: {type(body).__name__}")
        part = in_file(body)
        if part is not None and part.length > SMALL:
            return part
        self._again = rewinding(body)
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
        return _Again(self._kept, self._body)

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
        piece = self._body.read(size)
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


class _Again:
    """What was read, then the rest. Cannot be set back, as what it stands for could not: the SDK must not try again
    with a stream that is spent.
    """

    def __init__(self, kept: Any, rest: Any) -> None:
        self._kept, self._rest = kept, rest

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        if size is None or size < 0:
            return bytes(self._kept.read() + self._rest.read())
        piece = self._kept.read(size)
        return bytes(piece or self._rest.read(size))


def inner(body: Any) -> Any:
    """What an aws-chunked frame is around; the body itself where there is none."""
    return getattr(body, "_raw", None) if type(body).__name__ in FRAMES else body


def in_file(body: Any) -> FileRange | None:
    """Which part of a regular file a body is; None for everything else."""
    raw, end = inner(body), None
    chunked, first = raw is not body, None
    if type(raw).__module__ == "s3transfer.utils" and type(raw).__name__ == "ReadFileChunk":
        first, size, read = (getattr(raw, name, None) for name in ("_start_byte", "_size", "_amount_read"))
        if not isinstance(first, int) or not isinstance(size, int) or read != 0:
            return None
        raw, end = getattr(raw, "_fileobj", None), first + size
    if type(raw) not in (io.BufferedReader, io.FileIO):  # the exact ones: others may read other bytes than are there
        return None
    try:
        about, at = os.fstat(raw.fileno()), raw.tell()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(about.st_mode) or (first is not None and at != first) or not raw.readable():
        return None
    return FileRange(raw.fileno(), at, max(0, min(end, about.st_size) - at if end else about.st_size - at), chunked)


def rewinding(body: Any) -> Callable[[], object] | None:
    """What sets a body back to where it stands now; None where nothing can."""
    raw = inner(body)
    try:
        if raw is None or not getattr(raw, "seekable", lambda: True)():
            return None
        at = raw.tell()
        raw.seek(at)
    except Exception:  # a person's own class: whatever it raises, it cannot be set back
        return None
    if raw is body:
        return lambda: raw.seek(at)

    def again() -> None:
        body.seek(0)
        raw.seek(at)

    return again


@contextlib.contextmanager
def unhurried(body: Any) -> Any:
    """What is read meanwhile counts neither as progress nor against a transfer's bandwidth."""
    raw = inner(body)
    stop, go = (getattr(raw, name, None) for name in ("signal_not_transferring", "signal_transferring"))
    if stop is None or go is None:
        yield
        return
    stop()
    try:
        yield
    finally:
        go()
