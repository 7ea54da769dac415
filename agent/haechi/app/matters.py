"""What is judged of a request: the content that it brings about at the store, and what is remembered once it may go.

Theory. Few requests are judged by their body alone. A part is judged with what was sent of the same object before, a
completion on the union of its pieces, a copy by its source, a change of settings by what the place holds. All that is
asked of the ledgers for it is asked here, before the verdict, and all that is written to them of pieces is written
here, behind it: what was refused must not stand there as if it had gone.

Knows nothing of verdicts, nor of the states of a judgement. Raises ``HaechiError`` (``ledger.…``, ``index.…``) where
our own stores cannot answer, or not remember.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from haechi.app.looking import Looking
from haechi.app.pieces import Pieces
from haechi.app.preparations import noted, numbered
from haechi.app.stored import NO_EDGES, beside, held
from haechi.app.writes import Answered, Writes
from haechi.domain.content import Content, ContentState, union
from haechi.domain.disclosure import SensitiveWord
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Action, ActionKind
from haechi.ports.index import ContentIndex
from haechi.ports.objects import Assemblies, ObjectLedger, Piece


def _nothing() -> Answered | None:
    """Nothing is remembered."""
    return None


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing to judge. ``joined`` is the assembly of the pieces that a list of names joins, where there is one;
    ``went`` is called once it may go, and gives what is to be called with the store's answer, where that matters.
    """

    content: Content
    joined: str = ""
    went: Callable[[], Answered | None] = _nothing


@dataclass(frozen=True, slots=True)
class Matters:
    """``worst_case`` gives what a body that nobody saw may carry, ``words_in`` the sensitive words that a request says
    in the clear.
    """

    pieces: Pieces
    assemblies: Assemblies
    ledger: ObjectLedger
    index: ContentIndex
    worst_case: Callable[[], Content]
    words_in: Callable[[Action], tuple[SensitiveWord, ...]]
    writes: Writes

    async def of(self, action: Action, carried: Content | None = None) -> Matter:
        """What a request is judged with that brings its content from elsewhere, or none; ``carried`` is what was
        recognised in its document, None where it has none.
        """
        match action.kind:
            case ActionKind.ASSEMBLE:
                return await self._assembled(action, carried)
            case ActionKind.COPY:
                return self._copied(action, carried)
            case ActionKind.EXPOSE:
                return self._exposed(action, carried)
            case ActionKind.PREPARE:
                return self._prepared(action, carried)
            case ActionKind.UPLOAD | ActionKind.READ if carried is not None:
                return Matter(carried)
            case _:  # by what its head or its document says
                return Matter(beside(self.worst_case(), carried))

    async def of_body(self, action: Action, content: Content, looking: Looking) -> Matter:
        """What a body is judged with that was looked through whole: together with what was sent of the same object
        before.
        """
        place, assembly = action.destination, action.assembly
        if assembly is not None and assembly.grows and assembly.part is None:  # behind what nobody saw
            return Matter(union([content, self.worst_case()]))
        if place is None or assembly is None or assembly.part is None:
            return Matter(content)
        copy = looking.hand_over()
        whole, pieces = await self.pieces.arrived(place, assembly, content, looking.inspection, copy, looking.cuts)
        return Matter(whole, went=lambda: self.writes.went(place, assembly, pieces))

    def of_no_body(self, action: Action) -> Matter:
        """What an upload is judged with that sends no byte."""
        return Matter(self.pieces.without_body(action.destination, action.assembly))

    # --- what did not go ------------------------------------------------------------------------------------------

    async def broken_off(self, action: Action, looking: Looking) -> None:
        """A store that keeps parts of pieces may have kept one. Where it cannot be remembered it counts as not seen."""
        place, assembly = action.destination, action.assembly
        if place is None or assembly is None or looking.cuts is None:
            return
        with contextlib.suppress(HaechiError):
            await self.pieces.broken_off(place, assembly, looking.inspection, looking.cuts)

    def refused(self, action: Action, looking: Looking | None, content: Content) -> None:
        """The same for a piece that is refused: what was released of it may be kept."""
        place, assembly = action.destination, action.assembly
        if place is not None and assembly is not None and looking is not None and looking.cuts is not None:
            with contextlib.suppress(HaechiError):
                self.pieces.refused(place, assembly, content)

    def given_up(self, action: Action) -> None:
        """The client gives an object under assembly up, if that is what it asks for. What stays too long in the ledger
        goes by age.
        """
        if action.assembly is not None and action.assembly.abandons and action.destination is not None:
            with contextlib.suppress(HaechiError):
                self.assemblies.forget(action.destination, action.assembly)

    # --- content that is already at the store ---------------------------------------------------------------------

    async def _assembled(self, action: Action, carried: Content | None) -> Matter:
        """Complete an object: judged on the union of the pieces that are joined."""
        place, assembly = action.destination, action.assembly
        if place is None or assembly is None:
            return Matter(self.worst_case())
        content, joined = await self.pieces.whole(action, place, assembly)

        def went() -> None:
            self.assemblies.finished(place, assembly)

        return Matter(beside(content or self.worst_case(), carried), joined, went)

    def _copied(self, action: Action, carried: Content | None) -> Matter:
        """Copy on the server's side: what the source is known to hold, or the worst where it may hold something."""
        action = numbered(action, self.assemblies)
        source, place, assembly = action.source, action.destination, action.assembly
        content = self.worst_case() if source is None else held(source, self.ledger, self.index)
        if place is None or assembly is None or assembly.part is None:
            return Matter(beside(content, carried))
        piece = Piece(assembly.part, content, NO_EDGES)
        return Matter(beside(content, carried), went=lambda: self.writes.went(place, assembly, (piece,)))

    def _exposed(self, action: Action, carried: Content | None) -> Matter:
        """Change who can read a place: judged with what the place is known to hold."""
        place, content = action.destination, Content(ContentState.NOT_INSPECTED)
        if place is not None and place.container:
            content = held(place, self.ledger, self.index)
        return Matter(beside(content, carried))

    def _prepared(self, action: Action, carried: Content | None) -> Matter:
        """Begin an object: what it asks for is remembered whatever the verdict, for the requests that fill it. One that
        is made anew at once holds nothing of what was there.
        """
        noted(action, self.assemblies, self.words_in(action))
        if carried is not None:
            return Matter(carried)
        place, assembly, nothing = action.destination, action.assembly, Content(ContentState.CLEAN)
        if place is None or assembly is None or not assembly.begins:
            return Matter(nothing)
        return Matter(nothing, went=lambda: self.writes.anew(place, assembly))
