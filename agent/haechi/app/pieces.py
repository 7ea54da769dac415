"""What the pieces of one object make together: a part that has just arrived with its neighbours, and the whole.

Knows nothing of decisions: contents in, content out. Raises ``HaechiError`` (``ledger.…``, ``index.…``) where our own
stores cannot answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from haechi.app.inspection import Inspection
from haechi.app.joining import continues
from haechi.app.preparations import UNSETTLED
from haechi.app.reassembling import Copy, Part, Reading, Reassembly
from haechi.app.stored import PACKED, as_read, joined, looked_at, opaque_alone, placed, so_far, together
from haechi.domain.content import Content, union
from haechi.domain.upload import Action, Assembly, Location
from haechi.payload.anchors import RUN
from haechi.ports.index import ContentIndex
from haechi.ports.objects import Assemblies, Piece


@dataclass(frozen=True, slots=True)
class Pieces:
    """``file_of`` gives the digest of the permitted file that parts make, by their numbers and digests."""

    index: ContentIndex
    assemblies: Assemblies
    reassembly: Reassembly
    worst_case: Callable[[], Content]
    file_of: Callable[[Sequence[tuple[int, str]]], str]

    async def arrived(
        self, place: Location, assembly: Assembly, content: Content, inspection: Inspection, copy: Copy | None
    ) -> tuple[Content, Piece]:
        """What a complete piece is judged with: its own digest and size, and what it carries together with what was
        sent of the same object before. Also how it is to be remembered, if it goes.
        """
        number = assembly.part or 0
        part = Part(number, content.digest, inspection.edges().size)
        if assembly.leads or not assembly.grows:
            content = looked_at(content, container=inspection.container)
        packed = PACKED in content.notes
        reading, read = await self.reassembly.arrived(place, assembly, part, copy, packed=packed)
        near = self.assemblies.around(place, assembly, RUN)
        piece = placed(number, content, inspection.edges(), near.here)
        whole = together([*near.before, piece, *near.after], self.index, complete=False, found=near.found)
        if not assembly.begins:
            whole = so_far(whole, read, plain=reading is Reading.PLAIN)
        around = bool(near.before or near.after)
        found = (*near.found, content) if assembly.scattered and around else near.found
        unread = reading is Reading.LOST and any(PACKED in other.notes for other in found)
        if assembly.grows and (unread or not (assembly.scattered or continues(near, assembly))):
            whole = union([whole, self.worst_case()])
        return dataclasses.replace(whole, digest=content.digest, size=content.size), piece

    async def whole(self, action: Action, place: Location, assembly: Assembly) -> Content | None:
        """What the object holds that a completion makes; None where that is not known. Parts that are those of a
        permitted file make that file: then the whole has its digest.
        """
        if assembly.alone:
            return await self._named(action, place, assembly)
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

    async def _named(self, action: Action, place: Location, assembly: Assembly) -> Content | None:
        """The same where a list calls the pieces by their names. They lie in the list's order; which of two versions of
        a name the store takes is told by the newest alone. No permit covers them: their numbers say nothing.
        """
        codings = action.body.content_encodings
        listed = self.assemblies.named(place, assembly) if assembly.names is not None else None
        if codings or not listed:  # the blocks were read without the codings that their list names
            return None
        order = range(1, len(listed) + 1)
        seen = tuple(dataclasses.replace(piece, part=at) for at, (_, piece) in zip(order, listed, strict=True))
        known = joined(tuple(order), seen, self.index)
        if known is None:
            return None
        within = {one.id: one for one, _ in listed}
        if PACKED not in seen[0].content.notes:  # what its pieces tell is all
            for one in within.values():
                self.reassembly.anew(place, one)
        elif len(within) == 1:
            parts = [Part(piece.part, piece.content.digest, piece.edges.size) for _, piece in listed]
            read = await self.reassembly.completed(place, next(iter(within.values())), parts)
            if read is not None:
                return as_read(known, read)
        return None if opaque_alone(tuple(order), seen) else known
