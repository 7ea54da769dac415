"""aws-chunked bodies: signed, signed with trailer, unsigned with trailer, and their SigV4a (ECDSA) forms.

Theory. A body is chunks, then a chunk of size 0, then perhaps trailing fields, then an empty line:

    1000;chunk-signature=<hex> CRLF  <0x1000 bytes> CRLF  0;chunk-signature=<hex> CRLF  [name:value CRLF …] CRLF

=========  =======================  ==========================================================
state      waits for                then
=========  =======================  ==========================================================
SIZE       a chunk header line      DATA, or TRAILER after size 0
DATA       the chunk's bytes        END_DATA
END_DATA   CRLF                     SIZE
TRAILER    a trailing field line    TRAILER, or DONE after the empty line
DONE       nothing                  any byte is malformed
=========  =======================  ==========================================================

Strict on purpose: what AWS's own clients send passes, and what two parsers could read differently is refused. The
signatures are the store's to verify; only their shape is checked.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from haechi.payload.events import Event, MalformedError
from haechi.payload.nesting import Stream, Tree, TreeDecoder

HEADER_LINE = 512
"""The longest chunk header: 16 hex digits, ``;chunk-signature=`` and a padded ECDSA signature of 144."""
TRAILER_LINE = 4096
TRAILER_LINES = 4
"""A checksum and the signature over it, and as much again: what else a trailer carried nobody would have looked at."""

SIGNED = re.compile(rb"([0-9A-Fa-f]{1,16});chunk-signature=([0-9a-fA-F]{64,144}\**)")
UNSIGNED = re.compile(rb"([0-9A-Fa-f]{1,16})")
FIELD = re.compile(rb"x-amz-(?:checksum-[a-z0-9]+|trailer-signature):[ \t]*[\x21-\x7e]{1,256}[ \t]*", re.IGNORECASE)


class State(Enum):
    """See the module's table."""

    SIZE = auto()
    DATA = auto()
    END_DATA = auto()
    TRAILER = auto()
    DONE = auto()


class AwsChunkedDecoder(TreeDecoder):
    """Decodes one aws-chunked body.

    ``decoded_length`` is ``x-amz-decoded-content-length``, ``wire_length`` Content-Length; both are held against the
    bytes.
    ``complete`` from the byte on which the decoded length is reached: a store may stop there, before the last chunk.
    """

    def __init__(
        self,
        tree: Tree,
        stream: Stream,
        *,
        signed: bool,
        trailer: bool,
        decoded_length: int | None,
        wire_length: int | None,
    ) -> None:
        super().__init__(tree, stream)
        self._header = SIGNED if signed else UNSIGNED
        self._trailer = trailer
        self._decoded_length = decoded_length
        self._wire_length = wire_length
        self._state = State.SIZE
        self._line = b""
        self._left = 0
        self._decoded = 0
        self._offset = 0
        self._lines = 0
        self._ended = False

    @property
    def complete(self) -> bool:
        """See ``Decoder``."""
        return self._ended or self._decoded == self._decoded_length

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """See ``Decoder``."""
        view = memoryview(data)
        if self._wire_length is not None and self._offset + len(view) > self._wire_length:
            raise MalformedError("length-mismatch", self._wire_length)
        at, size = 0, len(view)
        while at < size:
            if self._state is State.DATA:
                piece = view[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                self._decoded += len(piece)
                self._stream.feed(piece)
                if not self._left:
                    self._state = State.END_DATA
                    if self._decoded == self._decoded_length:
                        self._end()
            else:
                at = self._line_from(view, at)
        self._offset += size
        return self._tree.take()

    def finish(self) -> list[Event]:
        """See ``Decoder``."""
        if self._state is not State.DONE:
            raise MalformedError("cut-short", self._offset)
        if self._wire_length is not None and self._offset != self._wire_length:
            raise MalformedError("length-mismatch", self._offset)
        return self._tree.take()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._stream.end()

    def _line_from(self, view: memoryview, at: int) -> int:
        """Complete the current line from ``view``, act on it, and return where it ended."""
        if self._state is State.DONE:
            raise MalformedError("trailing-bytes", self._offset + at)
        limit = {State.END_DATA: 2, State.SIZE: HEADER_LINE}.get(self._state, TRAILER_LINE)
        here = bytes(view[at : at + limit + 2 - len(self._line)])
        line = self._line + here
        end = line.find(b"\r\n")
        if end < 0:
            if len(line) >= limit + 2 or (self._state is State.END_DATA and not b"\r\n".startswith(line)):
                raise MalformedError(self._code(), self._offset + at)
            self._line = line
            return at + len(here)
        consumed = end + 2 - len(self._line)
        self._line = b""
        self._take_line(line[:end], self._offset + at)
        return at + consumed

    def _code(self) -> str:
        return {State.SIZE: "chunk-size", State.END_DATA: "chunk-end"}.get(self._state, "trailer")

    def _take_line(self, line: bytes, offset: int) -> None:
        if self._state is State.SIZE:
            self._begin_chunk(line, offset)
        elif self._state is State.END_DATA:
            if line:
                raise MalformedError("chunk-end", offset)
            self._state = State.SIZE
        elif not line:
            self._state = State.DONE
        else:
            self._lines += 1
            if not self._trailer or self._lines > TRAILER_LINES or not FIELD.fullmatch(line):
                raise MalformedError("trailer", offset)

    def _begin_chunk(self, line: bytes, offset: int) -> None:
        match = self._header.fullmatch(line)
        if match is None:
            sized = UNSIGNED.fullmatch(line.partition(b";")[0])
            raise MalformedError("chunk-signature" if sized else "chunk-size", offset)
        size = int(match.group(1), 16)
        if self._decoded_length is not None and self._decoded + size > self._decoded_length:
            raise MalformedError("length-mismatch", offset)
        if size:
            self._left, self._state = size, State.DATA
            return
        if self._decoded_length is not None and self._decoded != self._decoded_length:
            raise MalformedError("length-mismatch", offset)
        self._state = State.TRAILER
        self._end()
