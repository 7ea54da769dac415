"""Text values that other text spells with escapes: the strings of JSON, the values of an urlencoded form.

Each value of ``LEAST`` bytes and more becomes a stream of its own, as its reader would have it: a file that was put
into a string is compared as the file, and base64, JSON and archives in it are read on below.

The libraries at hand pull from a source, or keep a value whole: neither fits a body of any length that is fed. What is
needed is small: where a string begins, ends, and what its escapes stand for (RFC 8259 §7, WHATWG URL §5). Whether the
rest is well-formed is not asked, so a text that only resembles JSON is read as far as it goes.
"""

from __future__ import annotations

import re
from typing import Final

from haechi.payload.nesting import Stream
from haechi.payload.runs import LEAST

_HIGH = rb"u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_JSON: Final = re.compile(rb'"|\\(?:' + _HIGH + _LOW + rb"|u[0-9a-fA-F]{4}|[^u])", re.DOTALL)
_LONE: Final = re.compile(rb"\\" + _HIGH)
_ESCAPE: Final = 6
"""Bytes of the longest escape of one character's half."""
_PAIR: Final = 12
"""Bytes of the longest escape: two halves of a character outside the first plane."""
_SHORT: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_FORM: Final = re.compile(rb"%[0-9A-Fa-f]{2}|[&=+]")


class Values:
    """Values one after the other, each a stream below ``stream`` as soon as it is long enough."""

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._made = bytearray()
        self._child: Stream | None = None

    def add(self, data: bytes) -> None:
        """More of the value."""
        self._made += data

    def pass_on(self) -> None:
        """Give on what there is, if that is enough to be looked at. Raises ``UnreadableError``."""
        if self._child is None:
            if len(self._made) < LEAST:
                return
            self._child = self._stream.tree.below(self._stream, "encoding", self._name, wrapped=True)
        if self._made:
            made, self._made = bytes(self._made), bytearray()
            self._child.expand(memoryview(made))

    def close(self) -> None:
        """The value is complete."""
        self.pass_on()
        self._made = bytearray()
        if self._child is not None:
            child, self._child = self._child, None
            child.end()

    def abandon(self) -> None:
        """The value stops in the middle."""
        if self._child is not None:
            self._child.abandon()


class JsonStrings:
    """Reads the strings of JSON, names of members included, one document or many."""

    def __init__(self, stream: Stream) -> None:
        self._values = Values(stream, "json")
        self._held = b""
        self._inside = False

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        self._read(self._held + data, last=False)

    def end(self) -> None:
        """See ``Reader``."""
        self._read(self._held, last=True)
        self._values.close()

    def abandon(self) -> None:
        """See ``Reader``."""
        self._values.abandon()

    def _read(self, text: bytes, *, last: bool) -> None:
        at, hold = 0, len(text)
        for found in _JSON.finditer(text):
            escape = found[0]
            if not last and len(text) - found.start() < _PAIR and _LONE.fullmatch(escape):
                hold = found.start()  # its other half may follow
                break
            self._text(text[at : found.start()])
            at = found.end()
            if escape != b'"':
                self._text(_character(escape))
            else:
                if self._inside:
                    self._values.close()
                self._inside = not self._inside
        begun = text.rfind(b"\\", at, hold)
        if not last and hold == len(text) and begun >= 0 and hold - begun < _ESCAPE:
            hold = begun
        self._text(text[at:hold])
        self._held = text[hold:]
        self._values.pass_on()

    def _text(self, data: bytes) -> None:
        if self._inside:
            self._values.add(data)


def _character(escape: bytes) -> bytes:
    """What an escape stands for, in UTF-8. Half a character is kept as it is, which UTF-8 does not allow."""
    if len(escape) == 2:
        return _SHORT.get(escape[1:], escape[1:])
    code = int(escape[2:6], 16)
    if len(escape) == _PAIR:
        code = 0x10000 + ((code - 0xD800) << 10) + (int(escape[8:], 16) - 0xDC00)
    return chr(code).encode("utf-8", "surrogatepass")


class FormValues:
    """Reads names and values of ``application/x-www-form-urlencoded``."""

    def __init__(self, stream: Stream) -> None:
        self._values = Values(stream, "form")
        self._held = b""
        self._named = False

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        self._read(self._held + data, last=False)

    def end(self) -> None:
        """See ``Reader``."""
        self._read(self._held, last=True)
        self._values.close()

    def abandon(self) -> None:
        """See ``Reader``."""
        self._values.abandon()

    def _read(self, text: bytes, *, last: bool) -> None:
        at, self._held = 0, b""
        cut = text.find(b"%", max(0, len(text) - 2))
        if not last and cut >= 0:
            text, self._held = text[:cut], text[cut:]
        for found in _FORM.finditer(text):
            self._values.add(text[at : found.start()])
            at = found.end()
            self._mark(found[0])
        self._values.add(text[at:])
        self._values.pass_on()

    def _mark(self, mark: bytes) -> None:
        """``&`` ends a value and the first ``=`` a name; a later one is its own, as in base64 that nobody escaped."""
        if mark == b"&" or (mark == b"=" and not self._named):
            self._values.close()
            self._named = mark == b"="
        elif mark == b"=":
            self._values.add(mark)
        elif mark == b"+":
            self._values.add(b" ")
        else:
            self._values.add(bytes((int(mark[1:], 16),)))
