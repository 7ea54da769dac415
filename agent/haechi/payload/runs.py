"""Base64 in any text: in JSON strings, ``data:`` URLs, mail, XML, PEM. Each run is decoded into a stream of its own.

Theory. A run begins with ``LEAST`` characters of the alphabet (either one: RFC 4648 §4 and §5) without a gap, goes on
over line ends, and ends at the first other character, or at a line that begins with ``--`` (the end of a part, or of
PEM). Shorter runs are words, and hexadecimal digits of a digest's length are a digest: both are let lie. What decodes
to nonsense is compared with the index in vain, and costs no more than that.

The alphabet's classes are found by ``bytes.translate`` and ``find``: text passes at memory speed.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from haechi.payload.nesting import Stream

LEAST: Final = 48
"""Characters, 36 bytes: a choice between the smallest content that is found and the number of words looked at."""
ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
IN, BREAK, OUT = b"i", b"n", b" "
CLASSES: Final = bytes(IN[0] if one in ALPHABET else BREAK[0] if one in b"\r\n" else OUT[0] for one in range(256))
STANDARD: Final = bytes.maketrans(b"-_", b"+/")
HEX: Final = re.compile(rb"[0-9a-f]+|[0-9A-F]+")
DIGESTS: Final = frozenset({64, 96, 128})
"""Digits of the usual digests. A file that begins with zeros looks like one too, but goes on, if on another line."""
DASHES: Final = b"\n--"


class Runs:
    """Reads base64 out of a text. ``least``: characters of a run; 1 where the text is said to be base64."""

    def __init__(self, stream: Stream, *, least: int = LEAST) -> None:
        self._stream = stream
        self._least = least
        self._held = b""
        self._odd = b""
        self._child: Stream | None = None

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        self._read(self._held + data, last=False)

    def end(self) -> None:
        """See ``Reader``."""
        self._read(self._held, last=True)
        self._close()

    def abandon(self) -> None:
        """See ``Reader``."""
        if self._child is not None:
            self._child.abandon()

    def _read(self, text: bytes, *, last: bool) -> None:
        classes, at = text.translate(CLASSES), 0
        self._held = b""
        while at < len(text):
            if self._child is not None:
                at = self._go_on(text, classes, at, last=last)
                continue
            begins = classes.find(IN * self._least, at)
            if begins < 0:
                within = len(classes.rstrip(IN))
                self._held = text[max(at, within) :]  # shorter than the least, or it would have been found
                return
            digits = self._digits(text, classes, begins)
            at = begins + digits
            if digits and at == len(text) and not last:
                self._held = text[begins:]
                return
            if digits not in DIGESTS or classes[at : at + 1] == BREAK:
                at = begins
                self._child = self._stream.tree.below(self._stream, "encoding", "base64", wrapped=True)

    def _digits(self, text: bytes, classes: bytes, at: int) -> int:
        """How many hexadecimal digits begin here, if they may be a digest; else 0."""
        some = classes[at : at + max(DIGESTS) + 1]
        size = len(some) - len(some.lstrip(IN))
        possible = self._least == LEAST and size <= max(DIGESTS)
        return size if possible and HEX.fullmatch(text, at, at + size) else 0

    def _go_on(self, text: bytes, classes: bytes, at: int, *, last: bool) -> int:
        """Decode what this text has of the run; returns where to read on."""
        end = classes.find(OUT, at)
        stop = len(text) if end < 0 else end
        dashes = text.find(DASHES, at, stop)
        if dashes >= 0:
            self._decode(text[at:dashes])
            self._close()
            return dashes + len(DASHES)
        if end < 0 and not last:
            # a line end, or one and a dash, may be the beginning of what ends it
            held = 2 if text.endswith(DASHES[:2]) else 1 if text.endswith(DASHES[:1]) else 0
            stop = max(at, len(text) - held)
            self._held = text[stop:]
        self._decode(text[at:stop])
        if end >= 0:
            self._close()
            return end
        return len(text)

    def _decode(self, piece: bytes) -> None:
        text = self._odd + piece.translate(STANDARD, b"\r\n")
        whole = len(text) - len(text) % 4
        self._odd = text[whole:]
        self._give(text[:whole])

    def _close(self) -> None:
        if self._child is not None:
            if len(self._odd) > 1:
                self._give(self._odd + b"=" * (4 - len(self._odd)))
            child, self._child = self._child, None
            child.end()
        self._odd = b""

    def _give(self, text: bytes) -> None:
        made = binascii.a2b_base64(text)
        if made and self._child is not None:
            self._child.expand(memoryview(made))
