"""Inspect one request body: decode it as far as it goes and compare every stream in it with the index.

Knows nothing of requests, destinations or policy: bytes in, ``Content`` out. A body is a tree of streams
(see ``payload.events``); each gets a scan of its own, because a small protected file inside an archive is found by
the digest of that member alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.tags import merge_tags
from haechi.payload.events import Bytes, Closed, Decoder, Event, Opaque, Opened
from haechi.ports.index import ContentIndex, Edges, Scan

OBJECT = 0
"""The stream that the store will keep."""


class Inspection:
    """The inspection of one body, in constant memory: one open scan a level of nesting."""

    def __init__(
        self,
        decoder: Decoder,
        index: ContentIndex,
        *,
        piece: bool = False,
        copy: Callable[[memoryview], None] | None = None,
    ) -> None:
        """``piece``: the body is one of several that make an object. ``copy`` is given the object's bytes as they pass,
        in views that are valid until the next ``feed``.
        """
        self._decoder = decoder
        self._copy = copy
        self.fed = 0
        """Bytes of the wire body so far."""
        self.seconds = 0.0
        """Seconds of a processor that unpacking took so far, as far as somebody measured it."""
        self._index = index
        self._object = index.scan(piece=piece)
        self._open: dict[int, Scan] = {OBJECT: self._object}
        self._finished: list[Match] = []
        self._opaque: dict[str, None] = {}
        self._result: Content | None = None

    @property
    def complete(self) -> bool:
        """Whether a store could call the object complete with what was fed."""
        return self._decoder.complete

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of a form that came before its file; empty for other framings."""
        return getattr(self._decoder, "fields", {})

    def feed(self, data: bytes | memoryview) -> bool:
        """Take the next bytes of the wire body; True when something new was recognised. Raises ``MalformedError``."""
        self.fed += len(data)
        return self._take(self._decoder.feed(data))

    def close(self) -> bool:
        """The wire body ended; True when something new was recognised. Raises ``MalformedError``."""
        return self._take(self._decoder.finish())

    @property
    def container(self) -> bool | None:
        """See ``payload.events.Decoder``."""
        return self._decoder.container

    @property
    def pending(self) -> bool:
        """Whether something waits for ``unpack``."""
        return self._decoder.pending

    def unpack(self) -> bool:
        """Read on in a container that was put aside; True when something new was recognised. Any thread may, and
        nothing else may be asked meanwhile.
        """
        return self._take(self._decoder.unpack())

    def stop(self) -> None:
        """Unpack nothing more: the rest of the inside is opaque."""
        self._decoder.stop()

    @property
    def matches(self) -> tuple[Match, ...]:
        """What was recognised so far, in every stream, merged by content and way of recognition."""
        if not self._finished and len(self._open) == 1:
            return self._object.matches
        return merge_matches([*self._finished, *(m for scan in self._open.values() for m in scan.matches)])

    def so_far(self) -> Content:
        """The content as known in the middle of the body: enough to refuse, never enough to allow."""
        found = self.matches
        state = ContentState.MATCHED if found else ContentState.NOT_INSPECTED
        return Content(state, found, None, "", tuple(self._opaque))

    def result(self) -> Content:
        """The content of the whole body. Call when complete or closed; repeated calls give the same answer."""
        if self._result is None:
            while self.pending:
                self.unpack()
            whole = self._object.finish()
            for stream in [stream for stream in self._open if stream != OBJECT]:
                self._close(stream)
            found = merge_matches([*whole.matches, *self._finished])
            state = ContentState.CLEAN
            if found:
                state = ContentState.MATCHED
            elif self._opaque:
                state = ContentState.OPAQUE
            self._result = Content(state, found, whole.size, whole.digest, tuple(self._opaque))
        return self._result

    def edges(self) -> Edges:
        """Head and tail of the object's bytes, for the union of an assembled object. After ``result``."""
        return self._object.edges()

    def _take(self, events: Iterable[Event]) -> bool:
        grew = False
        for event in events:
            match event:
                case Bytes(stream, data):
                    if stream == OBJECT and self._copy is not None:
                        self._copy(data)
                    scan = self._open.get(stream)
                    grew = (scan is not None and scan.feed(data)) or grew
                case Opened(stream):
                    self._open.setdefault(stream, self._index.scan())
                case Closed(stream):
                    grew = (stream != OBJECT and self._close(stream)) or grew
                case Opaque(_, cause):
                    self._opaque[cause] = None
        return grew

    def _close(self, stream: int) -> bool:
        scan = self._open.pop(stream, None)
        if scan is None:
            return False
        before = set(_identities(scan.matches))
        found = scan.finish().matches
        self._finished.extend(found)
        return not before.issuperset(_identities(found))


def _identities(matches: Iterable[Match]) -> Iterable[tuple[str, MatchHow]]:
    return ((match.content_id, match.how) for match in matches)


def merge_matches(matches: Iterable[Match]) -> tuple[Match, ...]:
    """One match for each content and way of recognition, with the most bytes seen and the strictest tags.

    Ciphertext of the agent's own making (sealed) is not forgiven by a plain match beside it, nor the other way round:
    both stay.
    """
    merged: dict[tuple[str, MatchHow], Match] = {}
    for match in matches:
        key = (match.content_id, match.how)
        earlier = merged.get(key)
        if earlier is None:
            merged[key] = match
            continue
        merged[key] = Match(
            match.content_id,
            match.name,
            merge_tags([*earlier.tags, *match.tags]),
            match.how,
            max(earlier.matched_bytes, match.matched_bytes),
            match.total_bytes,
            match.digest or earlier.digest,
        )
    return tuple(merged.values())
