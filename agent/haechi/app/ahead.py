"""Judge a request ahead of the data path, which will judge it again and keeps the books.

Theory. A program's guard asks before its SDK sends, and where the SDK's way leads through the data path the very same
request is judged a second time. Both judgements see the same state, so what a judgement leaves behind for later ones
must be left behind once: by the data path, past which the bytes go. Ahead of it nothing is counted as sent, no permit
is spent, no piece is remembered, and an assembly stays open. The record is made: somebody was told yes or no.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from haechi.app.judging import JudgeUploads
from haechi.app.reassembling import Copy, Part, Reading, Reassembly
from haechi.domain.content import Content, Match
from haechi.domain.upload import Assembly, Location
from haechi.ports.objects import Around, Assemblies, Called, Piece, Wish


def ahead(judge: JudgeUploads) -> JudgeUploads:
    """The same judge, leaving nothing behind but its records."""
    return dataclasses.replace(
        judge,
        assemblies=_Read(judge.assemblies),
        reassembly=_Looked(judge.reassembly),
        conclude=dataclasses.replace(judge.conclude, ahead=True),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Read:
    """``Assemblies`` that are read and never written."""

    known: Assemblies

    def begun(self, place: Location, wish: Wish) -> None:
        """The data path's to remember."""

    def put(self, place: Location, assembly: Assembly, piece: Piece) -> None:
        """The data path's to remember."""

    def put_all(self, place: Location, assembly: Assembly, pieces: Sequence[Piece]) -> None:
        """The data path's to remember."""

    def remembers(self, place: Location, assembly: Assembly) -> bool:
        """See the port."""
        return self.known.remembers(place, assembly)

    def answered(self, place: Location, assembly: Assembly, piece: Piece, before: Piece | None, *, taken: bool) -> None:
        """The data path's to hear."""

    def renewing(self, place: Location, assembly: Assembly) -> float:
        """The data path's to remember."""
        return 0.0

    def renewed(self, place: Location, assembly: Assembly, since: float, *, taken: bool) -> bool:
        """The data path's to hear."""
        return True

    def finished(self, place: Location, assembly: Assembly) -> None:
        """The pieces are needed once more: by the data path."""

    def forget(self, place: Location, assembly: Assembly) -> None:
        """The data path's to forget."""

    def wishes(self, place: Location) -> frozenset[Wish]:
        """See the port."""
        return self.known.wishes(place)

    def numbered(self, place: Location, assembly: Assembly) -> Assembly:
        """See the port. A name's number is given here already: without its piece it says nothing."""
        return self.known.numbered(place, assembly)

    def named(self, place: Location, assembly: Assembly) -> Sequence[Called] | None:
        """See the port."""
        return self.known.named(place, assembly)

    def pieces(self, place: Location, assembly: Assembly) -> tuple[Piece, ...]:
        """See the port."""
        return self.known.pieces(place, assembly)

    def around(self, place: Location, assembly: Assembly, reach: int) -> Around:
        """See the port."""
        return self.known.around(place, assembly, reach)


class _Looked(Reassembly):
    """What is read of objects under assembly, without the part at hand: its bytes come again on the data path."""

    def __init__(self, known: Reassembly) -> None:
        self._known_there = known

    def copy(self, place: Location, assembly: Assembly, codings: tuple[str, ...]) -> Copy | None:
        """Nothing is kept."""
        return None

    def plain(self, place: Location, assembly: Assembly) -> None:
        """The data path's to note."""

    def anew(self, place: Location, assembly: Assembly) -> None:
        """The data path's to note."""

    async def arrived(
        self, place: Location, assembly: Assembly, part: Part, copy: Copy | None, *, packed: bool = False
    ) -> tuple[Reading, tuple[Match, ...]]:
        """What was found in the parts before."""
        return self._known_there.so_far(place, assembly)

    async def completed(self, place: Location, assembly: Assembly, parts: Sequence[Part]) -> Content | None:
        """As it is for the data path, which asks the same a moment later and gets the same answer."""
        return await self._known_there.completed(place, assembly, parts)
