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
EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
CALLED: Final = re.compile(r';\s*(filename|name)="?([^";]*)')


class Parts:
    """Reads a multipart body into one stream of kind ``part`` for each part."""

    def __init__(self, stream: Stream, boundary: str) -> None:
        if not BOUNDARY.fullmatch(boundary):
            raise UnreadableError("malformed-member")
        self._stream = stream
        self._delimiter = b"\n--" + boundary.encode()
        self._buffer = b"\n"
        self._at = 0
        """How far the buffer was passed on: what lies before is dropped with the next bytes."""
        self._searched = 0
        """How far it was searched without finding anything; behind a delimiter, while its line is looked at."""
        self._before = 0
        """Where the content ends if that line is one."""
        self._virtual = True
        """The line end before a delimiter that follows at once is not the part's, or nobody sent it."""
        self._state: Callable[[], bool] = self._content
        self._part: Stream | None = None
        self._closed = False

    def feed(self, data: memoryview) -> None:
        """See ``Reader``."""
        if self._closed:
            self._behind(bytes(data))
            return
        self._buffer = self._buffer[self._at :] + data
        self._searched, self._before, self._at = self._searched - self._at, self._before - self._at, 0
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
        found = self._buffer.find(self._delimiter, self._searched)
        if found < 0:
            # what is held may be the beginning of a delimiter, and the CR before it
            self._pass_on(len(self._buffer) - len(self._delimiter))
            self._searched = max(self._at, self._searched)
            return False
        self._before = found - 1 if found > self._at and self._buffer[found - 1 : found] == b"\r" else found
        self._searched = found + len(self._delimiter)
        self._state = self._line
        return True

    def _pass_on(self, until: int) -> None:
        if until > self._at:
            piece, self._at = self._buffer[self._at : until], until
            self._give(piece)

    def _give(self, piece: bytes) -> None:
        if self._virtual:
            piece, self._virtual = piece[1:], False
        if self._part is not None and piece:
            self._part.expand(memoryview(piece))

    def _line(self) -> bool:
        begins = self._searched
        if self._buffer.startswith(b"--", begins):
            return self._finish()
        end = self._buffer.find(b"\n", begins, begins + LINE + 1)
        line = self._buffer[begins : end if end >= 0 else begins + LINE + 1]
        if end < 0 and len(line) <= LINE and not line.strip(b" \t\r-"):
            return False
        if end < 0 or line.strip(b" \t\r"):
            self._state = self._content  # a longer boundary that begins like this one, or content
            return True
        self._pass_on(self._before)
        self._end_part()
        self._at = self._searched = end
        self._state = self._headers
        return True

    def _finish(self) -> bool:
        self._pass_on(self._before)
        self._end_part()
        rest, self._buffer, self._closed = self._buffer[self._searched + 2 :], b"", True
        self._behind(rest)
        return False

    def _behind(self, data: bytes) -> None:
        """Behind the last part nothing is to come: what does, some parser may take for a part."""
        if data.strip(b" \t\r\n"):
            raise UnreadableError("malformed-member")

    def _headers(self) -> bool:
        """From the end of the delimiter's line on, which also begins an empty one."""
        found = EMPTY_LINE.search(self._buffer, self._searched)
        if found is None or found.end() - self._at > HEADERS:
            if len(self._buffer) - self._at > HEADERS:
                raise UnreadableError("too-large")
            self._searched = max(self._at, len(self._buffer) - 2)
            return False
        said = self._buffer[self._at + 1 : found.end()]
        head = BytesHeaderParser().parsebytes(said) if said.strip() else Message()
        # the line end that closes the headers also opens a delimiter that follows at once
        self._at = self._searched = found.end() - 1
        self._virtual = True
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
