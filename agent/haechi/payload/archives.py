"""What a stream contains, recognised by its first bytes: archives, compressed streams, or known to be unreadable."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from haechi.payload.encodings import MAKERS, Compressed
from haechi.payload.nesting import Reader, Stream, UnreadableError
from haechi.payload.tars import TAR_BLOCK, Tar, is_header
from haechi.payload.zips import Zip


def _refuse(cause: str) -> Callable[[Stream], NoReturn]:
    def raising(_: Stream) -> NoReturn:
        raise UnreadableError(cause)

    return raising


def _compressed(coding: str) -> Callable[[Stream], Reader]:
    return lambda stream: Compressed(stream, coding, _inner_codings(stream, coding))


def _behind(stream: Stream) -> Reader:
    return Zip(stream, behind_other_bytes=True)


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
    (b"PK\x05\x06", _behind),
    (b"\x7fELF", _behind),  # self-extracting archives
    (b"MZ", _behind),
    (b"#!", _behind),
    (b"7z\xbc\xaf\x27\x1c", _refuse("unsupported")),
    (b"Rar!\x1a\x07", _refuse("unsupported")),
    (b"ALZ\x01", _refuse("unsupported")),  # ALZip, before 2008
    (b"EGGA", _refuse("unsupported")),  # ALZip
    (b"]\x00\x00", _refuse("unsupported")),  # lzma without a container: its usual properties, a whole number of 64 KiB
    (b"\x60\xea", _refuse("unsupported")),  # ARJ
    (b"MSWIM\x00\x00\x00", _refuse("unsupported")),
    (b"hsqs", _refuse("unsupported")),  # squashfs
    (b"\xff\x06\x00\x00sNaPpY", _refuse("unsupported")),
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
    if head[2:5] == b"-lh" and head[6:7] == b"-":  # LHA, behind the size and sum of its header
        raise UnreadableError("unsupported")
    if len(head) > 4 and head[0] in PGP:
        offset, version = PGP[head[0]]
        if head[offset] == version:
            raise UnreadableError("encrypted")
    if len(head) == TAR_BLOCK and is_header(head):
        return Tar(stream)
    coding = stream.codings[-1] if stream.codings else ""
    if coding in ("deflate", "br"):
        return Compressed(stream, coding, stream.codings[:-1])
    if coding:
        # named, but its bytes are not there: what a reader would make of it is not known
        raise UnreadableError("unsupported" if coding not in MAKERS else "malformed-member")
    return None
