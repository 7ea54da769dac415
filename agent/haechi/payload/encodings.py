"""Compressed streams: gzip, zlib/deflate, brotli, bzip2, xz and zstd, decompressed piece by piece in bounded steps.

The decompressors are the standard library's, ``zstandard``'s and ``brotli``'s; here is only how they are fed.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import brotli  # type: ignore[import-untyped,unused-ignore]
import zstandard

from haechi.payload.limits import Limits
from haechi.payload.nesting import Stream, UnreadableError

STEP = 256 << 10
"""Bytes that a decompressor may make at once."""
FEED = 4096
"""Compressed bytes that other decompressors than zlib get at once, counted from the stream's beginning: what they made
before a fault in the same call is lost, and this keeps that loss small and the same however the body was cut.
"""
EXACT = frozenset({"gzip", "x-gzip", "deflate"})
"""Codings by zlib, which loses nothing."""
ZSTD_STEP = 1024
"""Compressed bytes given to zstd at once: it takes no bound on its output, at most 32 KiB for a byte of input."""


class Inflater(Protocol):
    """One decompressor. ``finished`` at the end of its member; ``unused`` is what followed it in the last bytes."""

    finished: bool
    unused: bytes

    def inflate(self, data: memoryview) -> Iterator[bytes]:
        """All that these bytes give, in pieces of at most ``STEP`` (zstd: a little more)."""


class ZlibInflater:
    """gzip (``wbits`` 31), zlib (15) and raw deflate (-15)."""

    def __init__(self, wbits: int) -> None:
        self._z = zlib.decompressobj(wbits)
        self.finished = False
        self.unused = b""

    def inflate(self, data: memoryview) -> Iterator[bytes]:
        """See ``Inflater``."""
        rest: bytes | memoryview = data
        while True:
            before = self._z.copy()
            try:
                made = self._z.decompress(rest, STEP)
            except zlib.error:
                self._z = before
                yield from self._up_to_the_error(bytes(rest))
                raise
            if made:
                yield made
            rest = self._z.unconsumed_tail
            if self._z.eof or (len(made) < STEP and not rest):
                break
        self.finished, self.unused = self._z.eof, self._z.unused_data

    def _up_to_the_error(self, data: bytes) -> Iterator[bytes]:
        """What comes before a fault: other tools keep that, so it must be seen, however the bytes were cut."""
        while len(data) > 1:
            half, before = len(data) // 2, self._z.copy()
            try:
                made = self._z.decompress(data[:half])
            except zlib.error:
                self._z, data = before, data[:half]
            else:
                yield made
                data = data[half:]


class BlockInflater:
    """bzip2 and xz: both of the standard library, with the same shape."""

    def __init__(self, decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._d = decompressor
        self.finished = False
        self.unused = b""

    def inflate(self, data: memoryview) -> Iterator[bytes]:
        """See ``Inflater``."""
        made = self._d.decompress(data, STEP)
        while True:
            if made:
                yield made
            if self._d.eof or (len(made) < STEP and self._d.needs_input):
                break
            made = self._d.decompress(b"", STEP)
        self.finished, self.unused = self._d.eof, self._d.unused_data


class ZstdInflater:
    """One zstd frame."""

    def __init__(self, window: int) -> None:
        self._d = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
        self.finished = False
        self.unused = b""

    def inflate(self, data: memoryview) -> Iterator[bytes]:
        """See ``Inflater``."""
        while data and not self.finished:
            made = self._d.decompress(data[:ZSTD_STEP])
            data = data[ZSTD_STEP:]
            if made:
                yield made
            self.finished = self._d.eof
        self.unused = self._d.unused_data + bytes(data) if self.finished else b""


class BrotliInflater:
    """One brotli stream. What follows it counts as an error of the stream."""

    def __init__(self) -> None:
        self._d = brotli.Decompressor()
        self.finished = False
        self.unused = b""

    def inflate(self, data: memoryview) -> Iterator[bytes]:
        """See ``Inflater``."""
        made = self._d.process(bytes(data), output_buffer_limit=STEP)
        while made or not self._d.can_accept_more_data():
            yield made
            if self._d.is_finished():
                break
            made = self._d.process(b"", output_buffer_limit=STEP)
        self.finished = self._d.is_finished()


class DeflateInflater:
    """HTTP's ``deflate``: zlib by RFC 9110, raw deflate in the wild; the first two bytes tell."""

    def __init__(self) -> None:
        self._first = bytearray()
        self._inner: ZlibInflater | None = None
        self.finished = False
        self.unused = b""

    def inflate(self, data: memoryview) -> Iterator[bytes]:
        """See ``Inflater``."""
        if self._inner is None:
            self._first += data
            if len(self._first) < 2:
                return
            zlib_header = self._first[0] & 0x0F == 8 and (self._first[0] << 8 | self._first[1]) % 31 == 0
            self._inner = ZlibInflater(15 if zlib_header else -15)
            data = memoryview(bytes(self._first))
        yield from self._inner.inflate(data)
        self.finished, self.unused = self._inner.finished, self._inner.unused


MAKERS: Mapping[str, Callable[[Limits], Inflater]] = {
    "gzip": lambda limits: ZlibInflater(31),
    "x-gzip": lambda limits: ZlibInflater(31),
    "deflate": lambda limits: DeflateInflater(),
    "deflate-raw": lambda limits: ZlibInflater(-15),
    "br": lambda limits: BrotliInflater(),
    "bzip2": lambda limits: BlockInflater(bz2.BZ2Decompressor()),
    "xz": lambda limits: BlockInflater(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.window)),
    "zstd": lambda limits: ZstdInflater(limits.window),
}
"""Compressions by the name that HTTP or their file format gives them."""

NOT_ENCODINGS = frozenset({"", "identity", "aws-chunked", "utf-8", "utf8", "us-ascii", "iso-8859-1"})
"""What stands in Content-Encoding without changing bytes: character sets are a common mistake there."""


def declared(values: Iterable[str]) -> tuple[str, ...]:
    """The codings that values of Content-Encoding name, outermost last."""
    named = (coding.strip().lower() for value in values for coding in value.split(","))
    return tuple(coding for coding in named if coding not in NOT_ENCODINGS)


SEVERAL = frozenset({"gzip", "x-gzip", "bzip2", "xz", "zstd"})
"""Formats whose files may hold several members after each other; their contents join."""

ERRORS = (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, MemoryError, zstandard.ZstdError, brotli.error)
"""What the decompressors raise for bytes that are not theirs."""


def inflated(inflater: Inflater, data: memoryview) -> Iterator[memoryview]:
    """What ``data`` gives. Raises ``UnreadableError('malformed-member')``."""
    try:
        for piece in inflater.inflate(data):
            yield memoryview(piece)
    except ERRORS as problem:
        raise UnreadableError("malformed-member") from problem


class Compressed:
    """Reads a compressed stream into one stream of kind ``encoding`` below it."""

    def __init__(self, stream: Stream, coding: str, below: tuple[str, ...] = ()) -> None:
        self._stream = stream
        self._coding = coding
        self._child = stream.tree.below(stream, "encoding", coding, below)
        self._inflater = MAKERS[coding](stream.tree.limits)
        self._padding = False
        self._held = bytearray()

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        if self._coding in EXACT:
            self._read(data)
            return
        while data:
            missing = FEED - len(self._held)
            self._held += data[:missing]
            data = data[missing:]
            if len(self._held) == FEED:
                block, self._held = bytes(self._held), bytearray()
                self._read(memoryview(block))

    def _read(self, data: memoryview) -> None:
        while data:
            if self._inflater.finished:
                if self._coding not in SEVERAL:
                    raise UnreadableError("malformed-member")
                # tar and tape tools pad compressed files with zeros, and gzip's own tool ignores them
                if self._padding:
                    if any(data):
                        raise UnreadableError("malformed-member")
                    return
                if data[0] == 0:
                    self._padding = True
                    continue
                self._inflater = MAKERS[self._coding](self._stream.tree.limits)
            for piece in inflated(self._inflater, data):
                self._child.expand(piece)
            data = memoryview(self._inflater.unused) if self._inflater.finished else data[:0]

    def end(self) -> None:
        """See ``Reader``."""
        self._read(memoryview(bytes(self._held)))
        if not self._inflater.finished:
            raise UnreadableError("malformed-member")
        self._child.end()

    def abandon(self) -> None:
        """See ``Reader``."""
        self._child.abandon()
