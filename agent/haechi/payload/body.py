"""The decoder for a body, by the shape that the request's head gave it.

``complete`` by framing, always the earliest byte at which a store could keep the object:

===========  =================================================================================
PLAIN        Content-Length bytes were seen; without Content-Length, the end of the body
AWS_CHUNKED  ``x-amz-decoded-content-length`` bytes were decoded, or the chunk of size 0 was seen
FORM         the part named ``file`` ended
RELATED      the second part ended
DOCUMENT     as PLAIN
NONE         at once
===========  =================================================================================

An object of claimed length 0 is complete before its first byte.
"""

from __future__ import annotations

from haechi.domain.upload import BodyShape, Framing
from haechi.payload.archives import recognise
from haechi.payload.aws_chunked import AwsChunkedDecoder
from haechi.payload.encodings import declared
from haechi.payload.events import Decoder, Event, MalformedError
from haechi.payload.form import FormDecoder
from haechi.payload.limits import Limits
from haechi.payload.nesting import Stream, Tree, TreeDecoder
from haechi.payload.related import RelatedDecoder
from haechi.payload.wrapped import Wrapped

DEFAULT = Limits()


class PlainDecoder(TreeDecoder):
    """A body that is the object itself."""

    def __init__(self, tree: Tree, stream: Stream, *, wire_length: int | None, decoded_length: int | None) -> None:
        super().__init__(tree, stream)
        self._length = wire_length
        self._contradiction = None not in (wire_length, decoded_length) and wire_length != decoded_length
        self._offset = 0
        self._ended = False

    @property
    def complete(self) -> bool:
        """See ``Decoder``."""
        return self._ended or self._offset == self._length

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """See ``Decoder``."""
        view = memoryview(data)
        self._check(self._offset + len(view))
        self._offset += len(view)
        self._stream.feed(view)
        if self._offset == self._length:
            self._end()
        return self._tree.take()

    def finish(self) -> list[Event]:
        """See ``Decoder``."""
        self._check(self._offset)
        if self._length is not None and self._offset != self._length:
            raise MalformedError("cut-short", self._offset)
        self._end()
        return self._tree.take()

    def _check(self, offset: int) -> None:
        if self._contradiction:
            raise MalformedError("length-mismatch", 0)
        if self._length is not None and offset > self._length:
            raise MalformedError("length-mismatch", self._length)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._stream.end()


def decoder(shape: BodyShape, limits: Limits = DEFAULT, *, deferred: bool = False) -> Decoder:
    """A fresh decoder for one body of this shape. Those of forms and related parts also have ``fields``.
    ``deferred`` puts the reading of containers aside for ``unpack``.
    """
    codings = declared(shape.content_encodings)
    tree = Tree(limits, Wrapped(shape, len(codings)) if shape.unwrap else recognise, deferred=deferred)
    if shape.framing is Framing.FORM:
        return FormDecoder(tree, tree.object(codings), boundary=shape.boundary, wire_length=shape.wire_length)
    if shape.framing is Framing.RELATED:
        return RelatedDecoder(tree, tree.object(codings), boundary=shape.boundary, wire_length=shape.wire_length)
    stream = tree.object(codings)
    if shape.framing is Framing.AWS_CHUNKED:
        return AwsChunkedDecoder(
            tree,
            stream,
            signed=shape.signed_chunks,
            trailer=shape.trailer,
            decoded_length=shape.decoded_length,
            wire_length=shape.wire_length,
        )
    length = 0 if shape.framing is Framing.NONE else shape.wire_length
    return PlainDecoder(tree, stream, wire_length=length, decoded_length=shape.decoded_length)


__all__ = ["Event", "Limits", "decoder"]
