"""What is recognised only when the pieces of an object lie beside each other.

The bytes on both sides of a seam are joined and scanned: a guaranteed run that crosses the seam lies in them. Pieces
so short
that their edges are all of them are joined whole. For ciphertext of the agent's own making the edges are what no
piece could
judge alone: every seam must be covered by its blocks, and the object must begin and end as the ciphertext does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from haechi.domain.content import Match, MatchHow
from haechi.outbound.index.scan import Contents, Seen, fewest
from haechi.payload.anchors import RUN, WINDOW, Winnower, fingerprint
from haechi.ports.index import Edges


@dataclass(slots=True)
class _Segment:
    """Bytes that lie together, and where in them pieces meet."""

    data: bytearray = field(default_factory=bytearray)
    seams: list[int] = field(default_factory=list)


def recognise(contents: Contents, pieces: Sequence[Edges]) -> tuple[Match, ...]:
    """See ``ports.index.ContentIndex.seams``."""
    pieces = [piece for piece in pieces if piece.size]
    if not pieces:
        return ()
    segments = _segments(pieces)
    size = sum(piece.size for piece in pieces)
    if len(segments) == 1:
        body = bytes(segments[0].data)
        exact = contents.with_digest(blake3(body).digest(), len(body))
        if exact is not None:
            return (Seen(exact, until=size).match(MatchHow.SEALED if exact.sealed else MatchHow.EXACT),)
    found: dict[int, Seen] = {}
    sealed: dict[int, list[bool]] = {}
    for segment in segments:
        here = _scan(contents, segment, found)
        for number, seen in here.items():
            sealed.setdefault(number, []).append(seen.covers(len(segment.data)))
    matches = []
    for number, seen in found.items():
        if not seen.detail.sealed:
            matches.append(seen.match(MatchHow.PARTIAL))
            continue
        detail = seen.detail
        whole = (
            size == detail.size
            and all(sealed[number])
            and len(sealed[number]) == sum(len(segment.data) > 2 * WINDOW - 2 for segment in segments)
            and fingerprint(bytes(segments[0].data[:RUN]), contents.seed) == detail.head
            and fingerprint(bytes(segments[-1].data[-RUN:]), contents.seed) == detail.tail
        )
        seen.until = size
        matches.append(seen.match(MatchHow.SEALED if whole else MatchHow.PARTIAL))
    return fewest(matches)


def _segments(pieces: Sequence[Edges]) -> list[_Segment]:
    segments = [_Segment()]
    for index, piece in enumerate(pieces):
        if index:
            segments[-1].seams.append(len(segments[-1].data))
        segments[-1].data += piece.head
        if piece.size > len(piece.head):
            segments.append(_Segment(bytearray(piece.tail)))
    return segments


def _scan(contents: Contents, segment: _Segment, found: dict[int, Seen]) -> dict[int, Seen]:
    """Every content in the segment counts as found; bytes are counted only for blocks that lie over a seam, because the
    others were counted by their piece. Returns the sealed contents of this segment.
    """
    hot, sealed = contents.hot, dict[int, Seen]()
    blocks = Winnower(contents.seed).feed(bytes(segment.data))
    for index, value in hot.table.hits(blocks.prints):
        number, unit = hot.locate(value)
        start = blocks.starts[index]
        if number not in found:
            detail = contents.detail(number)
            if detail is None:
                continue
            found[number] = Seen(detail)
        if found[number].detail.sealed:
            sealed.setdefault(number, Seen(found[number].detail)).take(start, unit)
        elif any(start < seam < start + WINDOW for seam in segment.seams):
            found[number].take(start, unit)
    return sealed
