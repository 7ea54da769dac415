"""multipart/form-data bodies of browser uploads (S3 POST): fields first, then the part named ``file``.

``python-multipart`` parses; here its tolerance is taken away: what two parsers could read differently is refused, for
the store's parser is not ours. Every part is reported: the ``file`` part as stream 0, others as streams of kind
``part``, for what the store ignores today may be what it keeps tomorrow.

A field ``Content-Encoding`` says how the file is packed, as the header does elsewhere; the form's own header says
nothing of the file, but is believed where there is no field.

The object counts as complete when the ``file`` part ends: S3 ignores what follows it, so it need not wait for that.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from types import MappingProxyType

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from haechi.payload.encodings import declared
from haechi.payload.events import Event, MalformedError, Opened
from haechi.payload.nesting import Stream, Tree, TreeDecoder

BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046 §5.1.1."""
DISPOSITION = re.compile(
    rb'form-data((?:[ \t]*;[ \t]*[A-Za-z*]+=(?:"(?:[^"\\\r\n]|\\.)*"|[^;\s"\\]+))+)[ \t]*;?', re.IGNORECASE
)
PARAMETER = re.compile(rb'([A-Za-z*]+)=(?:"((?:[^"\\\r\n]|\\.)*)"|([^;\s"\\]+))')
SILENT = logging.Logger("python_multipart", logging.CRITICAL + 1)
"""The parser would log characters of the body."""
TRANSFER = frozenset({b"binary", b"8bit", b"7bit"})


class FormDecoder(TreeDecoder):
    """Decodes one form. ``fields`` grows as parts end; all that precede the file are there when stream 0 opens."""

    def __init__(self, tree: Tree, stream: Stream, *, boundary: str, wire_length: int | None) -> None:
        super().__init__(tree, stream)
        self._object = stream
        self._wire_length = wire_length
        self._mark = b"--" + boundary.encode("latin-1", "replace")
        if not BOUNDARY.fullmatch(boundary):
            self._mark = b""
        self._offset = 0
        self._tail = b""
        self._fields: dict[str, str] = {}
        self._kept = 0
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._part: Stream | None = None
        self._field = ""
        self._text = bytearray()
        self._file_opened = self._file_closed = self._closed = False
        self._parser = (
            MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_done,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._end_of_form,
                },
            )
            if self._mark
            else None
        )

        if self._parser is not None:
            self._parser.logger = SILENT

    @property
    def fields(self) -> Mapping[str, str]:
        """Form fields before the file, by lower-case name."""
        return MappingProxyType(self._fields)

    @property
    def complete(self) -> bool:
        """See ``Decoder``."""
        return self._file_closed or self._closed

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """See ``Decoder``. Copies the piece: the parser takes bytes."""
        piece = bytes(data)
        if self._parser is None:
            raise MalformedError("boundary", 0)
        if self._wire_length is not None and self._offset + len(piece) > self._wire_length:
            raise MalformedError("length-mismatch", self._wire_length)
        at = 0
        for end in self._delimiters(piece):
            self._write(piece[at:end])
            at = end
        self._write(piece[at:])
        return self._tree.take()

    def finish(self) -> list[Event]:
        """See ``Decoder``."""
        if not self._closed:
            raise MalformedError("cut-short", self._offset)
        if self._wire_length is not None and self._offset != self._wire_length:
            raise MalformedError("length-mismatch", self._offset)
        if not self._file_opened:
            raise MalformedError("no-file", self._offset)
        return self._tree.take()

    def _delimiters(self, piece: bytes) -> list[int]:
        """Where in ``piece`` a boundary with its two following bytes ends. Raises for a boundary inside other text:
        some parsers end a part there, others do not.
        """
        window = self._tail + piece
        base = len(self._tail)
        ends: list[int] = []
        at = window.find(self._mark)
        while at >= 0 and at + len(self._mark) + 2 <= len(window):
            after = at + len(self._mark)
            if window[after : after + 2] not in (b"\r\n", b"--"):
                raise MalformedError("boundary", self._offset + after - base)
            ends.append(after + 2 - base)
            at = window.find(self._mark, after)
        self._tail = window[max(0, at if at >= 0 else len(window) - len(self._mark) + 1) :]
        return ends

    def _write(self, piece: bytes) -> None:
        if self._closed:
            if piece.strip(b"\r\n"):
                raise MalformedError("trailing-bytes", self._offset)
        elif piece and self._parser is not None:
            try:
                self._parser.write(piece)
            except FormParserError as problem:
                raise MalformedError("boundary", self._offset) from problem
        self._offset += len(piece)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._tree.limits.form_parts:
            raise MalformedError("too-many-parts", self._offset)
        self._headers = {}
        self._name = self._value = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        name = self._name.lower()
        if name in self._headers:
            raise MalformedError("part-header", self._offset)
        self._headers[name] = self._value.strip()
        self._name = self._value = b""

    def _headers_done(self) -> None:
        name = self._part_name()
        if self._headers.get(b"content-transfer-encoding", b"binary").lower() not in TRANSFER:
            raise MalformedError("transfer-encoding", self._offset)
        if name == "file":
            if self._file_opened:
                raise MalformedError("duplicate-field", self._offset)
            self._file_opened = True
            coding = self._fields.get("content-encoding")
            if coding:
                self._object.codings = declared((coding,))
            self._part = self._object
            self._tree.events.append(Opened(self._object.id, self._object.id, "object", name))
            return
        self._part = self._tree.part(name)
        self._field, self._text = name, bytearray()

    def _part_name(self) -> str:
        """The field's name, lower case: stores compare without case."""
        match = DISPOSITION.fullmatch(self._headers.get(b"content-disposition", b""))
        if match is None:
            raise MalformedError("part-header", self._offset)
        found = PARAMETER.findall(match.group(1))
        names = [key.lower() for key, _, _ in found]
        if names.count(b"name") != 1 or len(set(names)) != len(names):
            raise MalformedError("part-header", self._offset)
        _, quoted, plain = found[names.index(b"name")]
        name = quoted or plain
        if b"\\" in name or not name:
            raise MalformedError("part-header", self._offset)
        return _utf8(name, self._offset).lower()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part is None:
            return
        piece = memoryview(data)[start:end]
        self._part.feed(piece)
        if self._part is not self._object and not self._file_opened:
            self._kept += len(piece)
            if self._kept > self._tree.limits.form_fields:
                raise MalformedError("field-too-long", self._offset)
            self._text += piece

    def _end(self) -> None:
        part, self._part = self._part, None
        if part is None:
            raise MalformedError("part-header", self._offset)
        part.end()
        if part is self._object:
            self._file_closed = True
        elif not self._file_opened:
            if self._field in self._fields:
                raise MalformedError("duplicate-field", self._offset)
            self._fields[self._field] = _utf8(bytes(self._text), self._offset)

    def _end_of_form(self) -> None:
        self._closed = True


def _utf8(raw: bytes, offset: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise MalformedError("field-encoding", offset) from problem
