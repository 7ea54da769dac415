"""Which piece of an object a request brings, where it is sent in pieces: tus, and byte ranges of a PUT.

=========================================  ===========================================================
said                                       understood as
=========================================  ===========================================================
``Upload-Offset: n`` (tus, and the IETF's  what lies from byte ``n`` on of the object at this address
draft of resumable uploads),
``X-Goog-Upload-Offset: n`` (Firebase)
``Content-Range: bytes a-b/total``         the same from byte ``a``; all of it: the object by itself
``Content-Range: bytes */total``           a question
``Upload-Concat: final; …``                an object made of others, of which nobody knows which: unrecognised
=========================================  ===========================================================

Pieces are joined by the address they are sent to. A piece whose beginning nobody saw may hold anything, and is judged
so. Must not know hosts, bodies or refusals.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from haechi.domain.upload import Assembly, Request

RANGE: Final = re.compile(r"bytes[ =](?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")
"""RFC 9110 §14.4; ``=`` is a common mistake."""
OFFSETS: Final = ("upload-offset", "x-goog-upload-offset")
OFFSET: Final = re.compile(r"\d{1,18}")


def piece(request: Request, length: int | None) -> tuple[Assembly | None, str]:
    """The piece that a request with a body of ``length`` bytes (None: not said) brings, and why it cannot be told which
    it is, where that is so.
    """
    if any(value.lower().lstrip().startswith("final") for value in request.header_values("upload-concat")):
        return None, "concatenation"
    offsets = tuple(value for name in OFFSETS for value in request.header_values(name))
    ranges = request.header_values("content-range")
    if len({*offsets}) > 1 or len({*ranges}) > 1 or (offsets and ranges):
        return None, "offset"
    if offsets:
        if not OFFSET.fullmatch(offsets[0].strip()):
            return None, "offset"
        return _from(request, int(offsets[0])), ""
    if ranges:
        return _ranged(request, ranges[0], length)
    return None, ""


def size_of(request: Request) -> int | None:
    """How many bytes a body is said to have by its range: with the last of them a store may call the object complete,
    whatever the body's own framing says. None where it does not say.
    """
    found = RANGE.fullmatch((request.header("content-range") or "").strip().lower())
    if found is None or found[1] is None:
        return None
    return max(0, int(found[2]) + 1 - int(found[1])) or None


def _ranged(request: Request, said: str, length: int | None) -> tuple[Assembly | None, str]:
    found = RANGE.fullmatch(said.strip().lower())
    if found is None:
        return None, "range"
    first, last, total = found.groups()
    if first is None:
        return (None, "range") if length != 0 else (None, "")
    size = int(last) + 1 - int(first)
    if size <= 0 or length not in (None, size) or (total != "*" and int(last) >= int(total)):
        return None, "range"
    whole = int(first) == 0 and total != "*" and size == int(total)
    return (None if whole else _from(request, int(first))), ""


def _from(request: Request, offset: int) -> Assembly:
    """A first piece takes the place of what was there: it is sent again when its answer was lost. Of the query, which
    may sign for the upload, only a digest is kept.
    """
    path, _, query = request.target.partition("?")
    address = f"{path}?{hashlib.sha256(query.encode('utf-8', 'replace')).hexdigest()[:32]}" if query else path
    return Assembly(address, part=offset, grows=True, begins=offset == 0)
