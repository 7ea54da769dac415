"""What the store has already, as far as this agent saw it: objects that lie there, and pieces that are to be joined.

Every function gives the content that a request is judged with, although its body carries none of it. What nobody saw is
never held to be harmless where something may lie. All raise ``HaechiError`` (``ledger.…``, ``index.…``) where our own
stores cannot answer. Knows nothing of decisions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from haechi.app.assessing import UNDETERMINED
from haechi.app.inspection import merge_matches
from haechi.domain.content import Content, ContentState, Match, MatchHow, union
from haechi.domain.upload import Location
from haechi.payload.nesting import HEAD
from haechi.ports.index import ContentIndex, Edges
from haechi.ports.objects import REPLACED, ObjectLedger, Piece

NO_EDGES = Edges(b"", b"", 0)
"""A piece that was copied on the server's side: its bytes were never seen."""
PACKED = "packed"
"""Noted on a piece that begins as a container (archive, compressed stream) or is too short to tell. What follows such a
piece says nothing by itself: only whoever reads the object as a whole knows what is in it.
"""
NOT_SEEN = "content-not-seen"
"""Noted where nothing is known of what lies at a place, and nothing tagged of its container."""


def held(place: Location, ledger: ObjectLedger, index: ContentIndex) -> Content:
    """What lies at a place: what its object is known to hold, or the worst where nobody saw that and the container may
    hold something. Clean content is not remembered, so it is no better known than what never passed here; but where
    all that lies in the container went there sealed, so did this.
    """
    known = ledger.holds(place) if place.key else None
    if known is not None:
        return _as_stored(known)
    how = ledger.may_hold(place)
    if how is None:
        return Content(ContentState.NOT_INSPECTED, notes=(NOT_SEEN,))
    match = Match("*", place.container, index.worst_tags() or (UNDETERMINED,), how)
    return Content(ContentState.MATCHED, (match,))


def joined(parts: Sequence[int] | None, seen: Sequence[Piece], index: ContentIndex) -> Content | None:
    """The object that these parts make. None where some were never seen by this agent, or seen with different bytes:
    they may hold anything.
    """
    pieces = {piece.part: piece for piece in seen}
    if not parts or any(part not in pieces or REPLACED in pieces[part].content.notes for part in parts):
        return None
    return together([pieces[part] for part in dict.fromkeys(parts)], index, complete=True)


def placed(part: int, content: Content, edges: Edges, before: Piece | None) -> Piece:
    """A piece as it is to be remembered: noted as replaced where the same part was sent ``before`` with other bytes."""
    earlier = before.content if before else content
    if earlier.digest != content.digest or REPLACED in earlier.notes:
        content = dataclasses.replace(content, notes=tuple(dict.fromkeys((*content.notes, REPLACED))))
    return Piece(part, content, edges)


def looked_at(content: Content, *, container: bool | None) -> Content:
    """A piece's content, noted as packed where that may be. ``container`` as of ``payload.events.Decoder``."""
    if container is False and (content.size or 0) >= HEAD:
        return content
    return dataclasses.replace(content, notes=tuple(dict.fromkeys((*content.notes, PACKED))))


def opaque_alone(parts: Sequence[int], seen: Sequence[Piece]) -> bool:
    """Whether these parts make an object of which the union of its pieces does not tell what it holds: one that begins
    as a container and goes on, or of which nobody saw the beginning.
    """
    pieces = {piece.part: piece for piece in seen}
    first, *others = (pieces[part] for part in dict.fromkeys(parts))
    begins_unseen = not first.content.digest
    return any(piece.content.digest for piece in others) and (begins_unseen or PACKED in first.content.notes)


def as_read(union_of_all: Content, read: Content) -> Content:
    """The content of an object that was read as a whole: with what its pieces showed besides."""
    matches = merge_matches([*union_of_all.matches, *read.matches])
    return dataclasses.replace(read, state=ContentState.MATCHED if matches else read.state, matches=matches)


def so_far(union_of_all: Content, found: Sequence[Match], *, plain: bool) -> Content:
    """The content of an object of which pieces are missing; ``found`` in reading it as a whole. Where it is not known
    to be plain, nothing found in its pieces is not the same as nothing there.
    """
    matches = merge_matches([*union_of_all.matches, *found])
    state = union_of_all.state if plain else ContentState.NOT_INSPECTED
    return dataclasses.replace(union_of_all, state=ContentState.MATCHED if matches else state, matches=matches)


def together(pieces: Sequence[Piece], index: ContentIndex, *, complete: bool, found: Sequence[Content] = ()) -> Content:
    """What all pieces carry together, with what was ``found`` elsewhere in the object. While pieces are missing,
    ciphertext that every piece showed to be sealed is not yet held to be whole; when the object is completed it must
    be.
    """
    ordered = sorted(pieces, key=lambda piece: piece.part)
    union_of_all = union([*found, *(piece.content for piece in ordered)])
    seams = index.seams([piece.edges for piece in ordered])
    if not complete:
        sealed = {match.content_id for match in union_of_all.matches if match.how is MatchHow.SEALED}
        seams = tuple(match for match in seams if match.content_id not in sealed)
    if not seams:
        return union_of_all
    return dataclasses.replace(
        union_of_all, state=ContentState.MATCHED, matches=merge_matches([*union_of_all.matches, *seams])
    )


def beside(content: Content, carried: Content | None) -> Content:
    """The content of a place, and what was recognised in the request's own document."""
    return union([content, carried]) if carried is not None and carried.matches else content


def _as_stored(content: Content) -> Content:
    """Content known from the ledger: sealed stays sealed, all else is recognised by its place."""
    return dataclasses.replace(
        content,
        matches=tuple(
            match if match.how is MatchHow.SEALED else dataclasses.replace(match, how=MatchHow.STORED)
            for match in content.matches
        ),
    )
