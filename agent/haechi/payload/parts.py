"""Bodies of parts at hosts that nobody knows: forms with any number of files, ``multipart/related`` and ``mixed``.

Each part is a stream of its own. ``python-multipart`` parses. Where the body breaks the rules, the rest of its inside
is opaque; the body as a whole is compared all the same, so a large file is found however the parts are read. (Where
the store is known, ``form`` is stricter: there two readings mean two objects.)
"""

from __future__ import annotations

import logging
import re
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from haechi.payload.encodings import declared
from haechi.payload.nesting import Stream, UnreadableError

BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046 §5.1.1."""
BASE64: Final = "base64"
PLAIN: Final = frozenset({"", "binary", "8bit", "7bit", "identity"})
HEADERS: Final = 64 << 10
"""Bytes of one part's headers."""
CALLED: Final = re.compile(r';\s*(filename|name)="?([^";]*)')
NAME: Final = 1024
"""The longest part name that is reported."""
SILENT: Final = logging.Logger("python_multipart", logging.CRITICAL + 1)
"""The parser would log characters of the body."""


class Parts:
    """Reads a multipart body into one stream of kind ``part`` for each part."""

    def __init__(self, stream: Stream, boundary: str) -> None:
        if not BOUNDARY.fullmatch(boundary):
            raise UnreadableError("malformed-member")
        self._stream = stream
        self._mark = b"--" + boundary.encode("latin-1", "replace")
        self._before: bytes | None = b"\n"
        self._part: Stream | None = None
        self._headers: list[tuple[str, str]] = []
        self._name = self._value = b""
        self._size = 0
        self._closed = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_done,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._end_of_parts,
            },
        )
        self._parser.logger = SILENT

    def feed(self, data: memoryview) -> None:
        """See ``Reader``. Copies the piece: the parser takes bytes."""
        piece = bytes(data)
        if self._before is not None:
            piece = self._first(piece)
        if not piece or self._closed:
            return
        try:
            self._parser.write(piece)
        except FormParserError as problem:
            raise UnreadableError("malformed-member") from problem

    def end(self) -> None:
        """See ``Reader``."""
        if not self._closed:
            raise UnreadableError("malformed-member")

    def abandon(self) -> None:
        """See ``Reader``."""
        if self._part is not None:
            self._part.abandon()

    def _first(self, piece: bytes) -> bytes:
        """What stands before the first boundary is nobody's (RFC 2046 §5.1.1), and the parser knows no such text."""
        text = (self._before or b"") + piece
        at = text.find(b"\n" + self._mark)
        if at < 0:
            self._before = text[-len(self._mark) :]
            return b""
        self._before = None
        return text[at + 1 :]

    def _begin(self) -> None:
        self._headers, self._size = [], 0
        self._name = self._value = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += self._some(data, start, end)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._some(data, start, end)

    def _some(self, data: bytes, start: int, end: int) -> bytes:
        self._size += end - start
        if self._size > HEADERS:
            raise UnreadableError("too-large")
        return data[start:end]

    def _header_end(self) -> None:
        self._headers.append((self._name.decode("latin-1").lower(), self._value.decode("utf-8", "replace").strip()))
        self._name = self._value = b""

    def _headers_done(self) -> None:
        transfer = (coding.lower() for coding in self._of("content-transfer-encoding"))
        codings = (
            *declared(self._of("content-encoding")),
            *(coding for coding in transfer if coding not in PLAIN),
        )
        self._part = self._stream.tree.below(self._stream, "part", self._called()[:NAME], codings, wrapped=True)

    def _of(self, name: str) -> list[str]:
        return [value for key, value in self._headers if key == name]

    def _called(self) -> str:
        """The file's name, else the field's: for messages alone."""
        found = dict(CALLED.findall(next(iter(self._of("content-disposition")), "")))
        return found.get("filename") or found.get("name", "")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._part.expand(memoryview(data)[start:end])

    def _end(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.end()

    def _end_of_parts(self) -> None:
        self._closed = True
