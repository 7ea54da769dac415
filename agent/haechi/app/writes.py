"""What is remembered of writes to objects under assembly: at once, or when the store has said whether it took them.

Theory. Most pieces need no answer: a part that the store rejected is missing when the object is completed, and the
store says so. Where each piece belongs to the object at once, or a name stands for several versions, it is different:
whoever sends, between two pieces, one that the store will reject has the agent believe in other neighbours than lie
there. So such a piece is *awaited* until the answer came (``ports.objects.Piece``), and an object that is made anew is
what it was until then. Where no answer came, or one that does not tell, nobody knows: that is never the better case.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from haechi.app.reassembling import Reading, Reassembly
from haechi.domain.upload import Action, ActionKind, Assembly, Location
from haechi.ports.objects import Assemblies, Piece

Answered = Callable[[bool], None]
"""Called with whether the store took what went. Raises ``HaechiError('ledger.…')``: then it counts as not answered."""
_WRITES = (ActionKind.UPLOAD, ActionKind.COPY, ActionKind.PREPARE)


def taken(status: int) -> bool | None:
    """Whether a store that answered so took the request; None where that does not tell."""
    if 200 <= status < 300:
        return True
    return False if 400 <= status < 500 and status != 408 else None


@dataclass(frozen=True, slots=True)
class Writes:
    """Remembers what went. Where nobody ``hears`` what stores answer, all of it counts as taken."""

    assemblies: Assemblies
    reassembly: Reassembly
    hears: bool = True

    def awaited(self, action: Action) -> bool:
        """Whether the store's answer to this request matters. Raises ``HaechiError('ledger.…')``."""
        place, assembly = action.destination, action.assembly
        if not self.hears or place is None or assembly is None or action.kind not in _WRITES:
            return False
        if assembly.begins and action.kind is not ActionKind.PREPARE:
            return self.assemblies.remembers(place, assembly)  # else there is nothing that could still lie there
        return _told_apart(assembly)

    def went(self, place: Location, assembly: Assembly, pieces: Sequence[Piece]) -> Answered | None:
        """These pieces were let through."""
        if self.hears and assembly.begins and self.assemblies.remembers(place, assembly):
            return self.anew(place, assembly, pieces)
        if not self.hears or assembly.begins or not _told_apart(assembly):
            self.assemblies.put_all(place, assembly, pieces)
            return None
        (piece,) = pieces
        before = self.assemblies.around(place, assembly, 1).here
        self.assemblies.put(place, assembly, dataclasses.replace(piece, awaited=True))
        if before is not None and before.awaited:  # of two at once nobody knows which came last
            return None

        def answered(took: bool) -> None:
            self.assemblies.answered(place, assembly, piece, before, taken=took)
            reading, _ = self.reassembly.so_far(place, assembly)
            if not took and (assembly.leads or reading is not Reading.PLAIN):  # it was read as if it lay there
                self.reassembly.anew(place, assembly)

        return answered

    def anew(self, place: Location, assembly: Assembly, pieces: Sequence[Piece] = ()) -> Answered | None:
        """A request was let through that makes the object anew, with these pieces or with none."""
        since = self.assemblies.renewing(place, assembly)

        def answered(took: bool) -> None:
            known = self.assemblies.renewed(place, assembly, since, taken=took)
            if not took or not pieces:
                self.reassembly.anew(place, assembly)
            if took and known and pieces:
                self.assemblies.put_all(place, assembly, pieces)

        if not self.hears:
            answered(True)
            return None
        return answered


def _told_apart(assembly: Assembly) -> bool:
    """Whether what is asked of the object later depends on which of its pieces the store took. On a grid each piece
    says where it goes, and one that is sent again shows whether its bytes are the same (``app.joining``).
    """
    return bool(assembly.name) or (assembly.grows and not assembly.grid)
