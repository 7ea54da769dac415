"""multipart/related bodies of two parts (RFC 2387): a JSON document about the object, then the object.

    --b NL  headers NL NL  {"name": …} NL  --b NL  headers NL NL  the object's bytes NL  --b-- [NL]

======  ===========================  =========================================================
state   waits for                    then
======  ===========================  =========================================================
FIRST   the first boundary line      HEADER; what it ends with is NL from here on
HEADER  a header line                HEADER, or DATA after an empty line
DATA    a boundary after NL          HEADER for the second part, DONE after the closing one
DONE    nothing                      any byte but CR and LF is malformed
======  ===========================  =========================================================

NL is CRLF, or LF alone: Google's command line tools write the latter, and python-multipart refuses it, so it cannot
parse here. Strict otherwise: a boundary that stands anywhere but after NL, or a third part, might be read in two ways
and is refused. The object is stream 0 and counts as complete when its part ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from haechi.payload.encodings import declared
from haechi.payload.events import Event, MalformedError, Opened
from haechi.payload.form import BOUNDARY, TRANSFER
from haechi.payload.nesting import Stream, Tree, TreeDecoder

HEADERS = 8 << 10
"""Bytes of one part's headers; this project's choice, clients send a hundred."""
HEADER = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([\x20-\x7e\t]*)")
METADATA = "metadata"
"""The field's name under which the document is found."""


class State(Enum):
    """See the module's table."""

    FIRST = auto()
    HEADER = auto()
    DATA = auto()
    DONE = auto()


class RelatedDecoder(TreeDecoder):
    """Decodes one body. ``fields`` has the document, as ``METADATA``, when stream 0 opens."""

    def __init__(self, tree: Tree, stream: Stream, *, boundary: str, wire_length: int | None) -> None:
        super().__init__(tree, stream)
        self._wire_length = wire_length
        self._mark = b"--" + boundary.encode("latin-1", "replace") if BOUNDARY.fullmatch(boundary) else b""
        self._state = State.FIRST
        self._line_end = b""
        self._held = b""
        self._offset = 0
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self._part: Stream = stream
        self._text = bytearray()
        self._fields: dict[str, str] = {}

    @property
    def fields(self) -> Mapping[str, str]:
        """The document before the object."""
        return MappingProxyType(self._fields)

    @property
    def complete(self) -> bool:
        """See ``Decoder``."""
        return self._state is State.DONE

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """See ``Decoder``. Copies the piece."""
        if not self._mark:
            raise MalformedError("boundary", 0)
        if self._wire_length is not None and self._offset + len(data) > self._wire_length:
            raise MalformedError("length-mismatch", self._wire_length)
        window = self._held + bytes(data)
        self._offset += len(data)
        at = 0
        while at < len(window):
            at, waits = self._step(window, at)
            if waits:
                break
        self._held = window[at:]
        return self._tree.take()

    def finish(self) -> list[Event]:
        """See ``Decoder``."""
        if self._state is not State.DONE:
            raise MalformedError("cut-short", self._offset)
        if self._wire_length is not None and self._offset != self._wire_length:
            raise MalformedError("length-mismatch", self._offset)
        return self._tree.take()

    def _step(self, window: bytes, at: int) -> tuple[int, bool]:
        """Go on from ``at``: up to where that went, and whether more bytes are needed to go on."""
        match self._state:
            case State.FIRST:
                return self._first(window, at)
            case State.HEADER:
                return self._header(window, at)
            case State.DATA:
                return self._data(window, at)
            case _:
                if window[at:].strip(b"\r\n"):
                    raise MalformedError("trailing-bytes", self._offset)
                return len(window), False

    def _first(self, window: bytes, at: int) -> tuple[int, bool]:
        line = self._mark + b"\r\n"
        here = window[at : at + len(line)]
        if here.startswith(self._mark + b"\n"):
            self._line_end = b"\n"
        elif here == line:
            self._line_end = b"\r\n"
        elif line.startswith(here):
            return at, True
        else:
            raise MalformedError("boundary", self._offset)
        return self._begin(at + len(self._mark) + len(self._line_end)), False

    def _begin(self, at: int) -> int:
        self._parts += 1
        if self._parts > 2:
            raise MalformedError("too-many-parts", self._offset)
        self._headers, self._header_bytes, self._state = {}, 0, State.HEADER
        return at

    def _header(self, window: bytes, at: int) -> tuple[int, bool]:
        end = window.find(self._line_end, at)
        size = (end if end >= 0 else len(window)) - at
        if self._header_bytes + size > HEADERS:
            raise MalformedError("part-header", self._offset)
        if end < 0:
            return at, True
        self._header_bytes += size
        line = window[at:end]
        if not line:
            self._headers_done()
        else:
            found = HEADER.fullmatch(line)
            if found is None or found[1].lower() in self._headers:
                raise MalformedError("part-header", self._offset)
            self._headers[found[1].lower()] = found[2].strip()
        return end + len(self._line_end), False

    def _headers_done(self) -> None:
        self._state = State.DATA
        if self._headers.get(b"content-transfer-encoding", b"binary").lower() not in TRANSFER:
            raise MalformedError("transfer-encoding", self._offset)
        if self._parts == 1:
            self._part = self._tree.part(METADATA)
            return
        self._part = self._stream
        coding = self._headers.get(b"content-encoding", b"").decode("ascii") or self._named_coding()
        if coding:
            self._stream.codings = declared((coding,))
        self._tree.events.append(Opened(self._stream.id, self._stream.id, "object", ""))

    def _named_coding(self) -> str:
        """The object's coding by its document. Two readers may take different ones of a repeated name: refused."""
        try:
            document = _DECODER.decode(self._fields[METADATA].strip() or "{}")
        except (ValueError, RecursionError) as problem:
            raise MalformedError("metadata", self._offset) from problem
        if not isinstance(document, dict):
            raise MalformedError("metadata", self._offset)
        coding = document.get("contentEncoding")
        return coding if isinstance(coding, str) else ""

    def _data(self, window: bytes, at: int) -> tuple[int, bool]:
        """The bytes of a part; a boundary may lie in several pieces, so that as many bytes are kept back."""
        nl, mark = self._line_end, self._mark
        found = window.find(mark, at)
        if found < 0:
            until = max(at, len(window) - len(nl) - len(mark) + 1)
            self._take(window, at, until)
            return until, True
        before, behind = found - len(nl), found + len(mark)
        if before < at or window[before:found] != nl:
            raise MalformedError("boundary", self._offset)
        self._take(window, at, before)
        said = window[behind : behind + 2]
        if len(said) < 2 and said != b"\n":
            return before, True
        self._end()
        if said == b"--":
            if self._parts != 2:
                raise MalformedError("no-file", self._offset)
            self._state = State.DONE
            return behind + 2, False
        if not said.startswith(nl):
            raise MalformedError("boundary", self._offset)
        return self._begin(behind + len(nl)), False

    def _take(self, window: bytes, start: int, end: int) -> None:
        if start >= end:
            return
        self._part.feed(memoryview(window)[start:end])
        if self._part is not self._stream:
            if len(self._text) + end - start > self._tree.limits.form_fields:
                raise MalformedError("field-too-long", self._offset)
            self._text += window[start:end]

    def _end(self) -> None:
        self._part.end()
        if self._part is not self._stream:
            try:
                self._fields[METADATA] = self._text.decode("utf-8")
            except UnicodeDecodeError as problem:
                raise MalformedError("field-encoding", self._offset) from problem


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("repeated name")
    return made


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct)
