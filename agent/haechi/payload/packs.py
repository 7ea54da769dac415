"""Git packs as they are pushed over HTTP, sent as a bundle or as a bare pack: each object becomes a stream of its own.

Theory. A push is pkt-lines (which reference is to become what, and options), a flush, and the pack; a bundle is lines
of text and the pack. A pack is a head and objects, each a size, a kind and a zlib stream (git's pack-format)::

    PACK version count  { type+size [base] zlib(data) }*  checksum

==========  ============================  ==================================================
state       waits for                     then
==========  ============================  ==================================================
PKT         a pkt-line                    PKT, or HEAD where ``PACK`` begins
LINE        a line of a bundle's head     LINE, or HEAD after the empty one
HEAD        12 bytes                      ENTRY
ENTRY       type and size                 DATA; OFFSET or BASE for a delta
OFFSET      how far back the base lies    DATA
BASE        the base's name               DATA
DATA        the end of the zlib stream    ENTRY; DONE after the last object
DONE        the checksum                  nothing
==========  ============================  ==================================================

A delta (``deltas``) is applied where its base is in the same pack and still kept: ``KEPT`` bytes of objects are, each
of ``LARGEST`` at most. Of another delta only what it inserts is seen; what it copies lies at the server, or was let go,
so the rest is opaque. Libraries for packs (dulwich, pygit2) pull from a file, or keep the pack whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from haechi.payload.deltas import KINDS, Bases, patched
from haechi.payload.encodings import Inflater, ZlibInflater, inflated
from haechi.payload.nesting import Stream, UnreadableError

LARGEST: Final = 8 << 20
"""Bytes of the largest object that is kept, and of the longest delta that is read."""
PUSHED: Final = re.compile(rb"[0-9a-f]{4}(?:([0-9a-f]{40}|[0-9a-f]{64}) [0-9a-f]{40}|push-cert\0|shallow [0-9a-f]{40})")
"""How a push begins: a pkt-line with the old and the new id of a reference, or one of the two that may precede it."""
BUNDLES: Final = (b"# v2 git bundle\n", b"# v3 git bundle\n")
MARK: Final = b"PACK"
LINE_LIMIT: Final = 64 << 10
BY_OFFSET, BY_NAME = 6, 7


def begins(head: bytes) -> bool:
    """Whether a push, a bundle or a pack begins here."""
    return head.startswith((*BUNDLES, MARK + b"\0\0\0\x02", MARK + b"\0\0\0\x03")) or bool(PUSHED.match(head))


class Pack:
    """Reads a push, a bundle or a pack."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._state: Callable[[], bool] = self._prelude
        self._bases = Bases()
        self._digest = 20
        self._at = 0
        """Bytes of the pack that were consumed."""
        self._left = 0
        self._begun = 0
        self._kind = self._size = self._made = 0
        self._base: int | bytes = 0
        self._inflater: Inflater | None = None
        self._member: Stream | None = None
        self._whole: bytearray | None = None
        self._done = False

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        while data:
            if self._inflater is not None:
                data = self._inflate(self._inflater, data)
            elif self._done:
                return  # the checksum, and whatever is behind it: compared as part of the body
            else:
                self._buffer += data
                data = data[:0]
                while self._inflater is None and not self._done and self._state():
                    pass
                if self._inflater is not None or self._done:
                    data, self._buffer = memoryview(bytes(self._buffer)), bytearray()

    def end(self) -> None:
        """See ``Reader``. A push that only deletes, or asks whether it may, has no pack."""
        if not self._done and (self._at or self._inflater is not None or self._buffer):
            raise UnreadableError("malformed-member")

    def abandon(self) -> None:
        """See ``Reader``."""
        if self._member is not None:
            self._member.abandon()

    # --- before the pack: each returns whether it could go on -------------------------------------------------------

    def _prelude(self) -> bool:
        if len(self._buffer) < len(MARK):
            return False
        if self._buffer.startswith(MARK):
            self._state = self._head
        elif self._buffer.startswith(b"#"):
            self._state = self._line
        else:
            return self._packet()
        return True

    def _packet(self) -> bool:
        """A pkt-line (gitprotocol-common): four hexadecimal digits say how long it is, themselves included."""
        try:
            length = int(self._buffer[:4], 16)
        except ValueError as problem:
            raise UnreadableError("malformed-member") from problem
        if len(self._buffer) < length:
            return False
        line = bytes(self._buffer[4:length])
        if b"object-format=sha256" in line:
            self._digest = 32
        del self._buffer[: max(4, length)]
        return True

    def _line(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > LINE_LIMIT:
                raise UnreadableError("malformed-member")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if line == b"@object-format=sha256":
            self._digest = 32
        if not line:
            self._state = self._head
        return True

    # --- the pack ---------------------------------------------------------------------------------------------------

    def _taken(self, size: int) -> bytes | None:
        """The next bytes of the pack; None while they are not all there."""
        if len(self._buffer) < size:
            return None
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._at += size
        return taken

    def _head(self) -> bool:
        head = self._taken(12)
        if head is None:
            return False
        if head[:7] != MARK + b"\0\0\0" or head[7] not in (2, 3):
            raise UnreadableError("malformed-member")
        self._left = int.from_bytes(head[8:], "big")
        self._next()
        return True

    def _next(self) -> None:
        self._state, self._done = self._entry, not self._left

    def _number(self) -> bytes | None:
        """The bytes of a number of variable length: all but the last have their highest bit set."""
        for at, byte in enumerate(self._buffer[:10]):
            if byte < 0x80:
                return self._taken(at + 1)
        if len(self._buffer) >= 10:
            raise UnreadableError("malformed-member")
        return None

    def _entry(self) -> bool:
        begun, number = self._at, self._number()
        if number is None:
            return False
        self._begun, self._left = begun, self._left - 1
        self._kind, self._size = number[0] >> 4 & 7, number[0] & 15
        for at, byte in enumerate(number[1:]):
            self._size |= (byte & 0x7F) << (4 + 7 * at)
        if self._kind in KINDS:
            self._open()
        elif self._kind == BY_OFFSET:
            self._state = self._offset
        elif self._kind == BY_NAME:
            self._state = self._named
        else:
            raise UnreadableError("malformed-member")
        return True

    def _offset(self) -> bool:
        number = self._number()
        if number is None:
            return False
        back = number[0] & 0x7F
        for byte in number[1:]:
            back = (back + 1) << 7 | byte & 0x7F
        self._base = self._begun - back
        self._open()
        return True

    def _named(self) -> bool:
        name = self._taken(self._digest)
        if name is None:
            return False
        self._base = name
        self._open()
        return True

    def _open(self) -> None:
        """The zlib stream begins. A delta is collected; an object passes on, and is kept beside if it may be a base."""
        self._inflater, self._made = ZlibInflater(15), 0
        delta = self._kind not in KINDS
        if delta and self._size > LARGEST:
            self._stream.opaque("too-large")
        self._whole = bytearray() if self._size <= LARGEST else None
        self._member = None if delta else self._below()

    def _below(self) -> Stream:
        name = KINDS.get(self._kind, b"delta").decode()
        return self._stream.tree.below(self._stream, "member", name)

    def _inflate(self, inflater: Inflater, data: memoryview) -> memoryview:
        """The data of an object; returns what follows it."""
        for made in inflated(inflater, data):
            self._made += len(made)
            if self._made > self._size:
                raise UnreadableError("malformed-member")
            if self._whole is not None:
                self._whole += made
            if self._member is not None:
                self._member.expand(made)
        if not inflater.finished:
            self._at += len(data)
            return data[:0]
        rest = bytes(inflater.unused)
        self._at += len(data) - len(rest)
        self._inflater = None
        self._complete()
        return memoryview(rest)

    def _complete(self) -> None:
        if self._made != self._size:
            raise UnreadableError("malformed-member")
        whole, self._whole = self._whole, None
        if self._kind in KINDS:
            if self._member is not None:
                self._member.end()
            self._member = None
            if whole is not None:
                self._bases.keep(self._begun, self._kind, bytes(whole), self._digest)
        elif whole is not None:
            self._apply(bytes(whole))
        self._next()

    def _apply(self, delta: bytes) -> None:
        """What a delta makes of its base, or what it inserts where that is not there."""
        base = self._bases.find(self._base)
        if base is None:
            self._stream.opaque("unsupported")
        self._member = self._below()
        made: bytearray | None = bytearray() if base is not None else None
        for piece in patched(base.data if base else None, delta):
            self._member.expand(memoryview(piece))
            if made is not None:
                made += piece
                made = made if len(made) <= LARGEST else None
        self._member.end()
        self._member = None
        if base is not None and made is not None:
            self._bases.keep(self._begun, base.kind, bytes(made), self._digest)
