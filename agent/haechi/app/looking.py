"""Look into the body of one request as it passes: what is recognised, and a copy for whoever has to read the whole.

Knows nothing of verdicts: what could not be looked into is a cause, and what follows from it is the judgement's matter.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

from haechi.app.inspection import Inspection
from haechi.app.joining import Cuts
from haechi.app.reassembling import Copy, Reassembly
from haechi.app.unpacking import Unpacking
from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Action, BodyShape
from haechi.payload.body import decoder
from haechi.payload.events import MalformedError
from haechi.ports.index import ContentIndex

LOOK_WITHIN_S = 10.0
"""Seconds for looking into one piece of a body: others' archives may be read at the same time. Below the time that
Envoy gives for an answer, so that what was too slow is decided here, and recorded.
"""


@dataclasses.dataclass(slots=True)
class Looking:
    """A body under inspection. ``copy`` is kept of a piece of an object, until it is free or handed over.
    ``cuts`` are made of a piece of which the store may keep a part.
    """

    inspection: Inspection
    unpacking: Unpacking
    reassembly: Reassembly
    copy: Copy | None = None
    cuts: Cuts | None = None

    @classmethod
    def into(cls, shape: BodyShape, index: ContentIndex, unpacking: Unpacking, reassembly: Reassembly) -> Looking:
        """A body that is what it carries, whatever becomes of it."""
        return cls(Inspection(decoder(shape, deferred=True), index), unpacking, reassembly)

    @classmethod
    def into_object(cls, action: Action, index: ContentIndex, unpacking: Unpacking, reassembly: Reassembly) -> Looking:
        """An object's body, or that of a piece of one; pieces are kept for whoever reads the whole."""
        place, assembly, shape = action.destination, action.assembly, action.body
        if place is None or assembly is None or assembly.part is None:
            return cls.into(shape, index, unpacking, reassembly)
        copy = reassembly.copy(place, assembly, shape.content_encodings)
        if not assembly.leads:
            shape = dataclasses.replace(shape, content_encodings=())  # they belong to the object, not to its pieces
        cuts = Cuts(assembly.part, assembly.grid) if assembly.grid else None
        takers = [taker.take for taker in (copy, cuts) if taker is not None]

        def take(data: memoryview) -> None:
            for taker in takers:
                taker(data)

        inspection = Inspection(
            decoder(shape, deferred=True), index, piece=not assembly.begins, copy=take if takers else None
        )
        return cls(inspection, unpacking, reassembly, copy, cuts)

    async def at(self, data: bytes | memoryview, last: bool, action: Callable[[], Action]) -> bool | Cause:
        """Look at the next bytes: whether something new was recognised, or why that cannot be said. ``action`` gives
        what the request does as far as its body says so: it is asked once these bytes were read.
        """
        inspection = self.inspection
        try:
            grew = inspection.feed(data)
            asked = action()
            if last:
                grew = inspection.close() or grew
            if self.copy is not None:
                await self._keep(self.copy, asked)
            if inspection.pending:
                async with asyncio.timeout(LOOK_WITHIN_S):
                    grew = await self.unpacking.all_of(inspection) or grew
        except MalformedError as broken:
            return Cause("body-malformed", {"code": broken.code, "offset": broken.offset})
        except HaechiError as error:
            return Cause.of(error)
        except TimeoutError:
            return Cause("inspection-late")
        return grew

    async def _keep(self, copy: Copy, action: Action) -> None:
        place, assembly = action.destination, action.assembly
        # An object that grows is told plain by its complete pieces alone: a first one may be short, or never arrive.
        if self.inspection.container is False and place and assembly and assembly.leads and not assembly.grows:
            self.reassembly.plain(place, assembly)
            copy.free()
        if copy.waiting:
            await asyncio.to_thread(copy.flush)

    def hand_over(self) -> Copy | None:
        """The copy, which is the caller's from now on."""
        copy, self.copy = self.copy, None
        return copy

    def free(self) -> None:
        """Nobody will ask for this piece again: its room is free at once, whoever still holds it."""
        copy = self.hand_over()
        if copy is not None:
            copy.free()
