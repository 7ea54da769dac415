"""Bodies of parts at hosts that nobody knows: forms with any number of files, ``multipart/related`` and ``mixed``.

Theory. A body is text that is nobody's, and parts between delimiters (RFC 2046 §5.1.1)::

    [preamble] { delimiter [headers] empty-line content }* delimiter--

=========  ===========================================  =========================================================
state      waits for                                    then
=========  ===========================================  =========================================================
CONTENT    a line that begins with ``--boundary``       LINE; what precedes it is the part's (or nobody's)
LINE       the end of that line                         HEADERS; DONE after ``--``; CONTENT if it says more
HEADERS    an empty line                                CONTENT
DONE       nothing                                      anything but blanks is malformed
=========  ===========================================  =========================================================

Each part is a stream of its own. Lines may end with LF alone, as in mail files and in what gsutil sends: the parser of
forms (``form``, by ``python-multipart``), which knows one store and is strict, takes neither that nor a preamble. Where
the body breaks the rules the rest of its inside is opaque; as a whole it is compared all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from haechi.payload.encodings import declared
from haechi.payload.nesting import Stream, UnreadableError

BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,199}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046 §5.1.1, but for its length: some clients take more than 70."""
BASE64: Final = "base64"
PLAIN: Final = frozenset({"", "binary", "8bit", "7bit", "identity"})
HEADERS: Final = 64 << 10
"""Bytes of one part's headers."""
LINE: Final = 1024
"""Bytes of the line with the boundary: blanks may follow it."""
NAME: Final = 1024
"""The longest part name that is reported."""
EMPTY_LINE: Final = re.compile(rb"(?:\A|\n)\r?\n")
CALLED: Final = re.compile(r';\s*(filename|name)="?([^";]*)')


class Parts:
    """Reads a multipart body into one stream of kind ``part`` for each part."""

    def __init__(self, stream: Stream, boundary: str) -> None:
        if not BOUNDARY.fullmatch(boundary):
            raise UnreadableError("malformed-member")
        self._stream = stream
        self._delimiter = b"\n--" + boundary.encode()
        self._buffer = b"\n"
        self._virtual = True
        """The line end before the first delimiter is there although nobody sent it."""
        self._state: Callable[[], bool] = self._content
        self._part: Stream | None = None
        self._line_begins = b""
        self._closed = False

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        if self._closed:
            self._behind(bytes(data))
            return
        self._buffer += data
        while self._state():
            pass

    def end(self) -> None:
        """See ``Reader``."""
        if not self._closed:
            raise UnreadableError("malformed-member")

    def abandon(self) -> None:
        """See ``Reader``."""
        if self._part is not None:
            self._part.abandon()

    # --- states: each returns whether it could go on ----------------------------------------------------------------

    def _content(self) -> bool:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            # what is held may be the beginning of a delimiter, and the CR before it
            self._pass_on(len(self._buffer) - len(self._delimiter))
            return False
        before = at - 1 if at and self._buffer[at - 1 : at] == b"\r" else at
        self._pass_on(before)
        self._line_begins = self._buffer[: at - before + len(self._delimiter)]
        self._buffer = self._buffer[len(self._line_begins) :]
        self._state = self._line
        return True

    def _pass_on(self, size: int) -> None:
        if size <= 0:
            return
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        self._give(piece)

    def _give(self, piece: bytes) -> None:
        if self._virtual:
            piece, self._virtual = piece[1:], False
        if self._part is not None and piece:
            self._part.expand(memoryview(piece))

    def _line(self) -> bool:
        end = self._buffer.find(b"\n")
        if self._buffer.startswith(b"--"):
            return self._finish()
        if end < 0 and len(self._buffer) <= LINE and not self._buffer.strip(b" \t\r-"):
            return False
        if not 0 <= end <= LINE or self._buffer[:end].strip(b" \t\r"):
            # a longer boundary that begins like this one, or content
            self._state = self._content
            self._give(self._line_begins)
            return True
        self._end_part()
        self._buffer = self._buffer[end + 1 :]
        self._state = self._headers
        return True

    def _finish(self) -> bool:
        self._end_part()
        rest, self._buffer, self._closed = self._buffer[2:], b"", True
        self._behind(rest)
        return False

    def _behind(self, data: bytes) -> None:
        """Behind the last part nothing is to come: what does, some parser may take for a part."""
        if data.strip(b" \t\r\n"):
            raise UnreadableError("malformed-member")

    def _headers(self) -> bool:
        found = EMPTY_LINE.search(self._buffer)
        if found is None or found.end() > HEADERS:
            if len(self._buffer) > HEADERS:
                raise UnreadableError("too-large")
            return False
        head = BytesHeaderParser().parsebytes(self._buffer[: found.end()])
        # the line end that closes the headers also opens a delimiter that follows at once
        self._buffer, self._virtual = b"\n" + self._buffer[found.end() :], True
        self._part = self._stream.tree.below(self._stream, "part", _name(head), _codings(head), wrapped=True)
        self._state = self._content
        return True

    def _end_part(self) -> None:
        self._virtual = False
        part, self._part = self._part, None
        if part is not None:
            part.end()


def _codings(head: Message) -> tuple[str, ...]:
    """How a part is packed, outermost last."""
    transfer = (str(value).strip().lower() for value in head.get_all("content-transfer-encoding", ()))
    packed = declared(str(value) for value in head.get_all("content-encoding", ()))
    return (*packed, *(coding for coding in transfer if coding not in PLAIN))


def _name(head: Message) -> str:
    """The file's name, else the field's: for messages alone."""
    found: dict[str, str] = dict(CALLED.findall(str(head.get("content-disposition", ""))))
    return (found.get("filename") or found.get("name", ""))[:NAME]
