"""What a body to any host may wrap: forms and messages of parts, JSON, base64, pushed git objects, beside archives.

For hosts of which nobody knows what they make of a body. A cloud's connector knows what its cloud stores; there a text
is the object itself, and what it might spell is not looked for.

Recognised by the first bytes of each stream, at any depth; by what the head of the request announces only where the
bytes cannot tell (the boundary of parts, an urlencoded form).
"""

from __future__ import annotations

import re

from haechi.domain.upload import BodyShape
from haechi.payload import packs
from haechi.payload.archives import recognise
from haechi.payload.nesting import Reader, Stream
from haechi.payload.parts import BASE64, Parts
from haechi.payload.runs import Runs
from haechi.payload.strings import FormValues, JsonStrings

TEXT = bytes((9, 10, 13, *range(0x20, 0x7F), *range(0x80, 0x100)))
"""Bytes that text has, in ASCII and what extends it."""
JSON = re.compile(rb'[\xef\xbb\xbf\s]*(?:\{\s*(?:"|\}|\Z)|\[\s*(?:[\[{"\]\-0-9]|true\b|false\b|null\b|\Z)|")')
PAIR = re.compile(rb"[^\s&=]*=")
"""How an urlencoded form begins. What is only called one (curl's ``-d @file``) rarely does."""
URLENCODED = "application/x-www-form-urlencoded"


class Wrapped:
    """``Recognise`` for the body of one request. ``codings`` lie around it."""

    def __init__(self, shape: BodyShape, codings: int) -> None:
        self._boundary = shape.boundary
        self._urlencoded = shape.content_type == URLENCODED
        self._codings = codings

    def __call__(self, stream: Stream, head: bytes) -> Reader | None:
        """See ``nesting.Recognise``."""
        if stream.codings[-1:] == (BASE64,):
            return Runs(stream, least=1)
        reader = recognise(stream, head)
        if reader is not None or not head:
            return reader
        body = stream.depth <= self._codings and not stream.wraps and not stream.codings
        if body and self._boundary:
            return Parts(stream, self._boundary_in(head))
        if packs.begins(head):
            return packs.Pack(stream)
        if head.translate(None, TEXT):
            return None
        if JSON.match(head):
            return JsonStrings(stream)
        if body and self._urlencoded and PAIR.match(head):
            return FormValues(stream)
        return Runs(stream)

    def _boundary_in(self, head: bytes) -> str:
        """The boundary as it was announced, or without apostrophes around it where that is what is there: some clients
        (gsutil) take them for quotes.
        """
        bare = self._boundary.strip("'")
        announced, other = (f"--{one}".encode("utf-8", "replace") for one in (self._boundary, bare))
        return bare if other in head and announced not in head else self._boundary
