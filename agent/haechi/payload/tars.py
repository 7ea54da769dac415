"""Tar, member by member as it passes: ustar, GNU and pax. ``tarfile`` parses the headers, which cannot be fed itself.

Where a header contradicts the bytes, the rest of the archive is unreadable.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable

from haechi.payload.nesting import Stream, UnreadableError

TAR_BLOCK = 512
META = 1 << 20
"""The longest tar name or pax header that is read."""
NAME = 1024
"""The longest member name that is reported."""


class Tar:
    """ustar, GNU and pax."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._member: Stream | None = None
        self._left = 0
        self._padding = 0
        self._buffer = bytearray()
        self._wanted = TAR_BLOCK
        self._state: Callable[[bytes], None] = self._header
        self._name = ""
        self._size: int | None = None

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        while data:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                if self._member:
                    self._member.feed(piece)
                if not self._left:
                    self._finish_member()
            elif self._padding:
                skipped = min(self._padding, len(data))
                self._padding -= skipped
                data = data[skipped:]
            else:
                missing = self._wanted - len(self._buffer)
                self._buffer += data[:missing]
                data = data[missing:]
                if len(self._buffer) == self._wanted:
                    block, self._buffer, self._wanted = bytes(self._buffer), bytearray(), TAR_BLOCK
                    self._state(block)

    def end(self) -> None:
        """See ``Reader``."""
        if self._left or self._buffer or self._member:
            raise UnreadableError("malformed-member")

    def abandon(self) -> None:
        """See ``Reader``."""
        if self._member:
            self._member.abandon()

    def _header(self, block: bytes) -> None:
        if not block.strip(b"\0"):
            return  # the end of the archive; what else lies behind it is another one (``tar -i``), or unreadable
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError, OverflowError) as problem:
            raise UnreadableError("malformed-member") from problem
        size = info.size
        if size < 0:
            raise UnreadableError("malformed-member")
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, b"L", b"K"):
            self._meta(info.type, size)
            return
        if self._size is not None:
            size = self._size
        name, self._name, self._size = self._name or info.name, "", None
        if not (info.isreg() or info.type not in tarfile.SUPPORTED_TYPES):
            return
        self._member = self._stream.tree.below(self._stream, "member", name[:NAME])
        if info.type == tarfile.GNUTYPE_SPARSE and block[482]:
            self._state = lambda further: self._sparse(further, size)
        else:
            self._begin(size)

    def _sparse(self, block: bytes, size: int) -> None:
        """A further block of the map of an old GNU sparse file; the data follows the last of them."""
        if not block[504]:
            self._state = self._header
            self._begin(size)

    def _begin(self, size: int) -> None:
        self._left, self._padding = size, -size % TAR_BLOCK
        if not size:
            self._finish_member()

    def _meta(self, kind: bytes, size: int) -> None:
        """A name or pax header: its blocks follow, and speak of the next member."""
        if size > META:
            raise UnreadableError("too-large")
        if not size:
            return
        self._wanted = size + (-size % TAR_BLOCK)

        def take(blocks: bytes) -> None:
            self._state = self._header
            if kind == b"L":
                self._name = blocks[:size].rstrip(b"\0").decode("utf-8", "replace")
            elif kind in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                self._pax(blocks[:size])

        self._state = take

    def _pax(self, records: bytes) -> None:
        """Records ``length key=value`` and a line feed (POSIX pax)."""
        while records.strip(b"\0"):
            digits, space, _ = records[:20].partition(b" ")
            if not space or not digits.isdigit() or not len(digits) < int(digits) <= len(records):
                raise UnreadableError("malformed-member")
            record, records = records[len(digits) + 1 : int(digits)], records[int(digits) :]
            key, equals, value = record.rstrip(b"\n").partition(b"=")
            if not equals:
                raise UnreadableError("malformed-member")
            if key == b"path":
                self._name = value.decode("utf-8", "replace")
            elif key == b"size":
                if not value.isdigit() or len(value) > 20:
                    raise UnreadableError("malformed-member")
                self._size = int(value)

    def _finish_member(self) -> None:
        if self._member:
            self._member.end()
        self._member = None


def is_header(block: bytes) -> bool:
    """Whether a valid tar blocker begins here; the old format has no magic, the checksum tells."""
    if not block[0] or not block[148:156].strip(b" \0"):
        return False
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError):
        return False
    return True
