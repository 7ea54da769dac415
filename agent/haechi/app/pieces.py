"""What the pieces of one object make together: a part that has just arrived with its neighbours, and the whole.

Knows nothing of decisions: contents in, content out. Raises ``HaechiError`` (``ledger.…``, ``index.…``) where our own
stores cannot answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from haechi.app.inspection import Inspection
from haechi.app.joining import Cuts, again, continues, in_cuts, passed, surely
from haechi.app.preparations import UNSETTLED
from haechi.app.reassembling import Copy, Part, Reading, Reassembly
from haechi.app.stored import NO_EDGES, PACKED, as_read, joined, looked_at, opaque_alone, placed, so_far, together
from haechi.domain.content import Content, ContentState, union
from haechi.domain.upload import Action, Assembly, Location
from haechi.payload.anchors import RUN
from haechi.ports.index import ContentIndex
from haechi.ports.objects import REFUSED, Around, Assemblies, Piece


@dataclass(frozen=True, slots=True)
class Pieces:
    """``file_of`` gives the digest of the permitted file that parts make, by their numbers and digests."""

    index: ContentIndex
    assemblies: Assemblies
    reassembly: Reassembly
    worst_case: Callable[[], Content]
    file_of: Callable[[Sequence[tuple[int, str]]], str]

    async def arrived(
        self,
        place: Location,
        assembly: Assembly,
        content: Content,
        inspection: Inspection,
        copy: Copy | None,
        cuts: Cuts | None = None,
    ) -> tuple[Content, tuple[Piece, ...]]:
        """What a complete piece is judged with: its own digest and size, and what it carries together with what was
        sent of the same object before. Also how it is to be remembered, if it goes: as one, or in its cuts.
        """
        number, edges = assembly.part or 0, inspection.edges()
        part = Part(number, content.digest, edges.size)
        if assembly.leads or not assembly.grows:
            content = looked_at(content, container=inspection.container)
        packed = PACKED in content.notes
        reading, read = await self.reassembly.arrived(place, assembly, part, copy, packed=packed)
        near = self.assemblies.around(place, assembly, RUN)
        if cuts is None:
            piece = placed(number, content, edges, near.here)
            pieces: tuple[Piece, ...] = (piece,)
            after, same = near.after, True
        else:
            piece, mine = Piece(number, content, edges), cuts.cuts(ended=True)
            known = self._known_from(place, assembly, near)
            pieces, same = in_cuts(content, mine, known), again(mine, known)
            after = tuple(other for other in known if other.part >= number + edges.size)
        whole = together([*near.before, piece, *after], self.index, complete=False, found=near.found)
        if not assembly.begins:
            whole = so_far(whole, read, plain=reading is Reading.PLAIN)
        around = bool(near.before or near.after)
        found = (*near.found, content) if assembly.scattered and around else near.found
        unread = reading is Reading.LOST and any(PACKED in other.notes for other in found)
        seen = surely(near) if assembly.scattered else continues(near, assembly)
        if assembly.grows and (unread or not same or not seen):
            whole = union([whole, self.worst_case()])
        return dataclasses.replace(whole, digest=content.digest, size=content.size), pieces

    async def broken_off(self, place: Location, assembly: Assembly, inspection: Inspection, cuts: Cuts) -> None:
        """A piece ended early, of which the store may keep the beginning: another goes on from there. What did not go
        on from bytes that were seen is not remembered: then neither does the next piece.
        """
        mine = cuts.cuts(ended=False)
        near = self.assemblies.around(place, assembly, RUN)
        if not mine or not continues(near, assembly):
            return
        if assembly.leads and inspection.container is False:
            self.reassembly.plain(place, assembly)
        number, content = assembly.part or 0, passed(inspection.so_far(), pending=inspection.pending)
        await self.reassembly.arrived(place, assembly, Part(number, "", cuts.size), None)
        if assembly.leads:
            content = looked_at(dataclasses.replace(content, size=cuts.size), container=inspection.container)
        piece = Piece(number, content, inspection.edges())
        seams = together([*near.before, piece], self.index, complete=False)
        known = self._known_from(place, assembly, near)
        whole = dataclasses.replace(content, state=seams.state, matches=seams.matches)
        self.assemblies.put_all(place, assembly, in_cuts(whole, mine, known))

    def refused(self, place: Location, assembly: Assembly, content: Content) -> None:
        """A piece was refused of which the store may keep what had been released: nothing goes on in that object, and
        nothing ends it, without being judged with what was recognised there.
        """
        kept = dataclasses.replace(content, size=None, digest="")
        self.assemblies.put(place, assembly, Piece(REFUSED, kept, NO_EDGES))

    def without_body(self, place: Location | None, assembly: Assembly | None) -> Content:
        """What a request carries that has no body. Where a store keeps parts of pieces it may end the object."""
        nothing = Content(ContentState.CLEAN, size=0)
        if place is None or assembly is None or not assembly.grid:
            return nothing
        found = union(self.assemblies.around(place, assembly, 1).found)
        return dataclasses.replace(found, size=0, digest="") if found.state is not ContentState.CLEAN else nothing

    def _known_from(self, place: Location, assembly: Assembly, near: Around) -> tuple[Piece, ...]:
        """What was seen of the object from this piece on."""
        if near.here is None and not near.after:
            return ()
        start = assembly.part or 0
        return tuple(piece for piece in self.assemblies.pieces(place, assembly) if piece.part >= start)

    async def whole(self, action: Action, place: Location, assembly: Assembly) -> tuple[Content | None, str]:
        """What the object holds that a completion makes; None where that is not known. Parts that are those of a
        permitted file make that file: then the whole has its digest. Also the id of the assembly that all of them are
        of; empty where there is no such one.
        """
        if assembly.alone:
            return await self._named(action, place, assembly)
        return await self._numbered(action, place, assembly), assembly.id

    async def _numbered(self, action: Action, place: Location, assembly: Assembly) -> Content | None:
        seen = {piece.part: piece for piece in self.assemblies.pieces(place, assembly)}
        known = joined(assembly.parts, tuple(seen.values()), self.index)
        if known is None:
            return None
        listed = assembly.parts or ()
        numbers = tuple(dict.fromkeys(listed))
        parts = [Part(number, seen[number].content.digest, seen[number].edges.size) for number in numbers]
        read = await self.reassembly.completed(place, assembly, parts)
        # As it is listed: a store may join a part twice that is named twice.
        digest = self.file_of([(number, seen[number].content.digest) for number in listed])
        if read is not None:
            return dataclasses.replace(as_read(known, read), digest=digest)
        codings = action.body.content_encodings
        unread = UNSETTLED in codings or (codings and numbers[0] != 1)  # only the first part is decoded by itself
        if unread or opaque_alone(numbers, tuple(seen.values())):
            return None
        return dataclasses.replace(known, digest=digest)

    async def _named(self, action: Action, place: Location, assembly: Assembly) -> tuple[Content | None, str]:
        """The same where a list calls the pieces by their names. They lie in the list's order; which of two versions of
        a name the store takes is told by the newest alone. A permitted file is made of pieces of one assembly, under
        names of which there is one version.
        """
        codings = action.body.content_encodings
        listed = self.assemblies.named(place, assembly) if assembly.names is not None else None
        if codings or not listed:  # the blocks were read without the codings that their list names
            return None, ""
        order = range(1, len(listed) + 1)
        seen = tuple(dataclasses.replace(one.piece, part=at) for at, one in zip(order, listed, strict=True))
        known = joined(tuple(order), seen, self.index)
        if known is None:
            return None, ""
        within = {one.assembly.id: one.assembly for one in listed}
        shared = next(iter(within)) if len(within) == 1 else ""
        if shared and all(one.only for one in listed):
            digest = self.file_of([(piece.part, piece.content.digest) for piece in seen])
            known = dataclasses.replace(known, digest=digest)
        if PACKED not in seen[0].content.notes:  # what its pieces tell is all
            for one in within.values():
                self.reassembly.anew(place, one)
        elif shared:
            parts = [Part(one.piece.part, one.piece.content.digest, one.piece.edges.size) for one in listed]
            read = await self.reassembly.completed(place, within[shared], parts)
            if read is not None:
                return dataclasses.replace(as_read(known, read), digest=known.digest), shared
        return None if opaque_alone(tuple(order), seen) else known, shared
