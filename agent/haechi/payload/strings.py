"""Text values that other text spells with escapes: the strings of JSON, the values of an urlencoded form.

Each value of ``LEAST`` bytes and more becomes a stream of its own, as its reader would have it: a file that was put
into a string is compared as the file, and base64, JSON and archives in it are read on below.

The libraries at hand pull from a source, or keep a value whole: neither fits a body of any length that is fed. What is
needed is small: where a string begins, ends, and what its escapes stand for (RFC 8259 §7, WHATWG URL §5). Whether the
rest is well-formed is not asked, so a text that only resembles JSON is read as far as it goes.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Final
from urllib.parse import unquote_to_bytes

from haechi.payload.nesting import Stream
from haechi.payload.runs import LEAST

_HIGH = rb"u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE: Final = re.compile(rb"\\(?:" + _HIGH + _LOW + rb"|u[0-9a-fA-F]{4}|[^u])", re.DOTALL)
_LONE: Final = re.compile(rb"\\" + _HIGH)
_HALF, _PAIR = 6, 12
"""Bytes of the longest escapes: of half a character outside the first plane, and of both halves."""
_SHORT: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


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


class _Escaped(ABC):
    """Reads text in which escapes stand; one that is cut waits in ``_held`` for the rest."""

    def __init__(self, stream: Stream, name: str) -> None:
        self._values = Values(stream, name)
        self._held = b""

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

    @abstractmethod
    def _read(self, text: bytes, *, last: bool) -> None:
        """Take what was held and what came; ``last``: nothing comes any more."""


class JsonStrings(_Escaped):
    """Reads the strings of JSON, names of members included, one document or many."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream, "json")
        self._inside = False

    def _read(self, text: bytes, *, last: bool) -> None:
        at, self._held = 0, b""
        while (begins := text.find(b"\\", at)) >= 0:
            self._unescaped(text[at:begins])
            found = _ESCAPE.match(text, begins)
            more = _HALF if found is None else _PAIR if _LONE.fullmatch(found[0]) else 0
            if not last and len(text) - begins < more:
                self._held = text[begins:]
                break
            self._text(_character(found[0]) if found else b"\\")
            at = found.end() if found else begins + 1
        else:
            self._unescaped(text[at:])
        self._values.pass_on()

    def _unescaped(self, text: bytes) -> None:
        """Text without escapes: every second piece between quotes is a string. Short ones are left out at once, for
        JSON is mostly made of them.
        """
        first, *others = text.split(b'"')
        self._text(first)
        if not others:
            return
        if self._inside:
            self._values.close()
        for value in others[self._inside : -1 : 2]:
            if len(value) >= LEAST:
                self._values.add(value)
                self._values.close()
        self._inside ^= len(others) % 2 == 1
        self._text(others[-1])

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


class FormValues(_Escaped):
    """Reads names and values of ``application/x-www-form-urlencoded``."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream, "form")
        self._named = False

    def _read(self, text: bytes, *, last: bool) -> None:
        cut, self._held = text.find(b"%", max(0, len(text) - 2)), b""
        if not last and cut >= 0:
            text, self._held = text[:cut], text[cut:]
        first, *others = text.split(b"&")
        self._pair(first)
        for pair in others:
            self._values.close()
            self._named = False
            self._pair(pair)
        self._values.pass_on()

    def _pair(self, text: bytes) -> None:
        """A name and a value, or what is left of them: a later ``=`` is the value's own, as in base64."""
        if not self._named:
            name, equals, text = text.partition(b"=")
            self._values.add(_spelt(name))
            if not equals:
                return
            self._values.close()
            self._named = True
        self._values.add(_spelt(text))


def _spelt(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
