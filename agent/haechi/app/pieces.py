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
        reading, read = await self.reassembly.arrived(place, assembly, part, copy)
        if assembly.leads or not assembly.grows:
            content = looked_at(content, container=inspection.container)
        near = self.assemblies.around(place, assembly, RUN)
        piece = placed(number, content, inspection.edges(), near.here)
        whole = together([*near.before, piece, *near.after], self.index, complete=False, found=near.found)
        if not assembly.begins:
            whole = so_far(whole, read, plain=reading is Reading.PLAIN)
        unread = reading is Reading.LOST and any(PACKED in other.notes for other in near.found)
        if assembly.grows and (unread or not continues(near, assembly)):
            whole = union([whole, self.worst_case()])
        return dataclasses.replace(whole, digest=content.digest, size=content.size), piece

    async def whole(self, action: Action, place: Location, assembly: Assembly) -> Content | None:
        """What the object holds that a completion makes; None where that is not known. Parts that are those of a
        permitted file make that file: then the whole has its digest.
        """
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
