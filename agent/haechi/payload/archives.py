"""Archives, recognised by their first bytes: tar and zip member by member, and what is known to be unreadable.

Theory. Both formats are read in the order of their bytes, as the upload passes. A header gives a member's name and
length; ``tarfile`` parses tar headers. Zip is read from its local headers, by APPNOTE 6.3 §4.3 (the libraries at hand
pull from a source and cannot be fed; a decoder must not own a thread). Where a header leaves a member's end open, or
contradicts the bytes, the rest of the archive is opaque.
"""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Callable
from typing import NoReturn

from haechi.payload.encodings import MAKERS, Compressed, Inflater, inflated
from haechi.payload.nesting import Reader, Stream, UnreadableError

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
        self._ended = False

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        while data and not self._ended:
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
            self._ended = True
            return
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


LOCAL = struct.Struct("<4sHHHHHLLLHH")
"""Local file header: signature, version, flags, method, time, date, CRC, sizes, lengths of name and extra field."""
METHODS = {8: "deflate-raw", 12: "bzip2", 93: "zstd", 95: "xz"}
AFTER_MEMBERS = (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x08")
"""Central directory, its ends, and the archive extra data record: no member follows."""
DESCRIPTOR = b"PK\x07\x08"
UNSET = 0xFFFFFFFF


class Zip:
    """Zip from its local headers."""

    def __init__(self, stream: Stream) -> None:
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
        self._ended = False

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        while data and not self._ended:
            if self._state is None:
                data = self._body(data)
                continue
            missing = self._wanted - len(self._buffer)
            self._buffer += data[:missing]
            data = data[missing:]
            if len(self._buffer) == self._wanted:
                block, self._buffer = bytes(self._buffer), bytearray()
                self._state(block)

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


def _refuse(cause: str) -> Callable[[Stream], NoReturn]:
    def raising(_: Stream) -> NoReturn:
        raise UnreadableError(cause)

    return raising


def _compressed(coding: str) -> Callable[[Stream], Reader]:
    return lambda stream: Compressed(stream, coding, _inner_codings(stream, coding))


def _inner_codings(stream: Stream, coding: str) -> tuple[str, ...]:
    """The declared codings below this one, where the declaration and the bytes agree."""
    aliases = {"x-gzip": "gzip", "bzip2": "bzip2"}
    outer = stream.codings[-1:] and aliases.get(stream.codings[-1], stream.codings[-1])
    return stream.codings[:-1] if outer == coding else stream.codings


MAGIC: tuple[tuple[bytes, Callable[[Stream], Reader]], ...] = (
    (b"\x1f\x8b\x08", _compressed("gzip")),
    (b"BZh", _compressed("bzip2")),
    (b"\xfd7zXZ\x00", _compressed("xz")),
    (b"\x28\xb5\x2f\xfd", _compressed("zstd")),
    (b"PK\x03\x04", Zip),
    (b"PK00PK\x03\x04", Zip),
    (b"PK\x07\x08PK\x03\x04", Zip),
    (b"7z\xbc\xaf\x27\x1c", _refuse("unsupported")),
    (b"Rar!\x1a\x07", _refuse("unsupported")),
    (b"\x1f\x9d", _refuse("unsupported")),  # compress
    (b"\x04\x22\x4d\x18", _refuse("unsupported")),  # lz4
    (b"LZIP\x01", _refuse("unsupported")),
    (b"\x89LZO\x00", _refuse("unsupported")),
    (b"MSCF\x00\x00\x00\x00", _refuse("unsupported")),  # cabinet
    (b"Salted__", _refuse("encrypted")),  # openssl enc
    (b"age-encryption.org/v1\n", _refuse("encrypted")),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", _refuse("encrypted")),
    (b"-----BEGIN PGP MESSAGE-----", _refuse("encrypted")),
    (b"LUKS\xba\xbe", _refuse("encrypted")),
)
"""Containers by their first bytes."""

PGP = {0x84: (2, 3), 0x85: (3, 3), 0x8C: (2, 4), 0xC1: (2, 3), 0xC3: (2, 4)}
"""First byte of an OpenPGP encrypted-session-key packet: offset and value of its version (RFC 4880 §5.1, §5.3)."""


def recognise(stream: Stream, head: bytes) -> Reader | None:
    """The reader for what a stream contains, by its first 512 bytes; by declared codings where those say nothing."""
    if not head:
        return None
    for magic, make in MAGIC:
        if head.startswith(magic):
            return make(stream)
    if len(head) > 4 and head[0] in PGP:
        offset, version = PGP[head[0]]
        if head[offset] == version:
            raise UnreadableError("encrypted")
    if len(head) == TAR_BLOCK and _tar(head):
        return Tar(stream)
    coding = stream.codings[-1] if stream.codings else ""
    if coding in ("deflate", "br"):
        return Compressed(stream, coding, stream.codings[:-1])
    if coding:
        # named, but its bytes are not there: what a reader would make of it is not known
        raise UnreadableError("unsupported" if coding not in MAKERS else "malformed-member")
    return None


def _tar(head: bytes) -> bool:
    """Whether a valid tar header begins here; the old format has no magic, the checksum tells."""
    if not head[0] or not head[148:156].strip(b" \0"):
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError):
        return False
    return True
