"""Zip, member by member as it passes, from its local headers (APPNOTE 6.3 §4.3).

The libraries at hand pull from a source and cannot be fed, and a decoder must not own a thread. Where a header leaves
a member's end open, or contradicts the bytes, the rest of the archive is unreadable.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from haechi.payload.encodings import MAKERS, Inflater, inflated
from haechi.payload.nesting import Stream, UnreadableError

NAME = 1024
"""The longest member name that is reported."""
LOCAL = struct.Struct("<4sHHHHHLLLHH")
"""Local file header: signature, version, flags, method, time, date, CRC, sizes, lengths of name and extra field."""
METHODS = {8: "deflate-raw", 12: "bzip2", 93: "zstd", 95: "xz"}
AFTER_MEMBERS = (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x08")
"""Central directory, its ends, and the archive extra data record: no member follows."""
MEMBER = b"PK\x03\x04"
DESCRIPTOR = b"PK\x07\x08"
UNSET = 0xFFFFFFFF


class Zip:
    """Zip from its local headers."""

    def __init__(self, stream: Stream, *, behind_other_bytes: bool = False) -> None:
        """``behind_other_bytes``: the stream begins with something else, behind which an archive may lie."""
        self._stream = stream
        self._buffer = bytearray()
        self._wanted = 4
        self._state: Callable[[bytes], None] | None = self._signature
        self._member: Stream | None = None
        self._inflater: Inflater | None = None
        self._flags = self._method = 0
        self._left: int | None = 0
        self._compressed = self._made = 0
        self._claimed = 0
        self._sizes_known = True
        self._names = 0, 0
        self._skipped = False
        self._first = True
        self._ended = behind_other_bytes
        self._passed = b""

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        while data:
            if self._ended:
                data = self._look_on(data)
                continue
            if self._state is None:
                data = self._body(data)
                continue
            missing = self._wanted - len(self._buffer)
            self._buffer += data[:missing]
            data = data[missing:]
            if len(self._buffer) == self._wanted:
                block, self._buffer = bytes(self._buffer), bytearray()
                self._state(block)

    def _look_on(self, data: memoryview) -> memoryview:
        """Behind the members lies the directory, and perhaps another archive: tools find the last one by its end."""
        window = self._passed + bytes(data)
        at = window.find(MEMBER)
        if at < 0:
            self._passed = window[-3:]
            return data[len(data) :]
        start = at + len(MEMBER) - len(self._passed)
        self._passed, self._ended = b"", False
        self._buffer = bytearray(MEMBER)
        self._then(self._local, LOCAL.size)
        return data[start:]

    def end(self) -> None:
        """See ``Reader``."""
        if not self._ended:
            raise UnreadableError("malformed-member")

    def abandon(self) -> None:
        """See ``Reader``."""
        if self._member:
            self._member.abandon()

    def _then(self, state: Callable[[bytes], None], wanted: int) -> None:
        self._state, self._wanted = state, wanted

    def _signature(self, mark: bytes) -> None:
        if mark == b"PK\x03\x04":
            self._buffer += mark
            self._then(self._local, LOCAL.size)
        elif mark in AFTER_MEMBERS:
            self._ended = True
        elif mark not in (b"PK00", DESCRIPTOR) or not self._first:
            raise UnreadableError("malformed-member")
        self._first = False

    def _local(self, header: bytes) -> None:
        _, _, self._flags, self._method, _, _, _, size, claimed, name, extra = LOCAL.unpack(header)
        self._left, self._claimed = size, claimed
        self._names = name, extra
        self._then(self._named, name + extra) if name + extra else self._named(b"")

    def _named(self, block: bytes) -> None:
        named, _ = self._names
        text = block[:named].decode("utf-8" if self._flags & 0x800 else "cp437", "replace")
        self._zip64(block[named:])
        descriptor = bool(self._flags & 0x8)
        self._sizes_known = not descriptor or bool(self._left)
        if not self._sizes_known:
            self._left = None
        self._compressed = self._made = 0
        self._inflater = self._state = None
        self._skipped = False
        self._member = self._stream.tree.below(self._stream, "member", text[:NAME])
        if self._flags & 0x1 or self._method == 99:
            self._skip("encrypted")
        elif self._method in METHODS:
            self._inflater = MAKERS[METHODS[self._method]](self._stream.tree.limits)
        elif self._method:
            self._skip("unsupported")
        elif self._left is None:
            self._skip("unsupported")  # stored, and only the descriptor behind it tells where it ends
        if self._left == 0 and not self._inflater:
            self._member_done()

    def _skip(self, cause: str) -> None:
        """Pass over a member that cannot be read; without its length nothing behind it can be found either."""
        if self._left is None:
            raise UnreadableError(cause)
        if self._member:
            self._member.opaque(cause)
            self._member.abandon()
        self._member = None
        self._skipped = True

    def _zip64(self, extra: bytes) -> None:
        """Sizes of 4 GiB and more stand in the extra field 1."""
        while len(extra) >= 4:
            kind, length = struct.unpack_from("<HH", extra)
            field, extra = extra[4 : 4 + length], extra[4 + length :]
            if kind != 1:
                continue
            if self._claimed == UNSET and len(field) >= 8:
                self._claimed = int.from_bytes(field[:8], "little")
                field = field[8:]
            if self._left == UNSET and len(field) >= 8:
                self._left = int.from_bytes(field[:8], "little")

    def _body(self, data: memoryview) -> memoryview:
        """The data of a member; returns what follows it."""
        piece = data if self._left is None else data[: self._left]
        rest = data[len(piece) :]
        if self._inflater is None:
            self._compressed += len(piece)
            self._made += len(piece)
            if self._member:
                self._member.feed(piece)
        else:
            for made in inflated(self._inflater, piece):
                self._made += len(made)
                if self._member:
                    self._member.expand(made)
            if self._inflater.finished:
                unused = len(self._inflater.unused)
                self._compressed += len(piece) - unused
                if unused and self._left is not None:
                    raise UnreadableError("malformed-member")
                rest = data[len(piece) - unused :]
            else:
                self._compressed += len(piece)
        if self._left is not None:
            self._left -= len(piece)
        if self._inflater.finished if self._inflater else not self._left:
            if self._left:
                raise UnreadableError("malformed-member")
            self._member_done()
        elif self._left == 0:
            raise UnreadableError("malformed-member")
        return rest

    def _member_done(self) -> None:
        if self._member:
            if self._sizes_known and not self._flags & 0x8 and self._made != self._claimed:
                raise UnreadableError("malformed-member")
            self._member.end()
        self._member = None
        if self._flags & 0x8:
            self._then(self._descriptor, 24)
        else:
            self._then(self._signature, 4)

    def _descriptor(self, block: bytes) -> None:
        """CRC and sizes after the data; signature optional, sizes of 4 or 8 bytes. The sizes that fit tell which."""
        for start in (4, 0) if block.startswith(DESCRIPTOR) else (0,):
            for width in (4, 8):
                end = start + 4 + 2 * width
                sizes = block[start + 4 : end]
                if self._fits(sizes, width) and block[end : end + 2] in (b"PK", b""):
                    self._then(self._signature, 4)
                    self._requeue(block[end:])
                    return
        raise UnreadableError("malformed-member")

    def _fits(self, sizes: bytes, width: int) -> bool:
        made = int.from_bytes(sizes[width:], "little")
        return int.from_bytes(sizes[:width], "little") == self._compressed and (self._skipped or made == self._made)

    def _requeue(self, block: bytes) -> None:
        """Bytes read too far belong to the next header."""
        self.feed(memoryview(block))
