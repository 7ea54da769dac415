"""The last step of a judgement: what a permit lifts, what is remembered of the object, the record, then the answer.

Everything that lets tagged content go comes through here, so that none goes without its record. Must not know: bodies,
HTTP framing, how a decision is found.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from haechi.app.assessing import Assessment, Assessor, Circumstances
from haechi.app.inspection import merge_matches
from haechi.app.permitting import Permits
from haechi.app.recording import Judged, Recorder, Settled
from haechi.domain.bound import Place, Travels
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Cause, Decision, Effect, Finding, Modes, decide
from haechi.domain.errors import HaechiError
from haechi.domain.facts import Unknown
from haechi.domain.permit import Held
from haechi.domain.upload import Action, ActionKind, Assembly, Request
from haechi.ports.clock import Clock
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Connection
from haechi.ports.objects import LetThrough, ObjectLedger

STORING = (ActionKind.UPLOAD, ActionKind.ASSEMBLE, ActionKind.COPY)
"""What puts an object somewhere: all that a permit can let go."""


@dataclass(frozen=True, slots=True)
class Conclude:
    """The use case. ``compose`` writes refusals, ``notify`` is told of every one and must not wait. ``ahead`` tells
    that the data path concludes the same request again, and remembers and spends what is to be.
    """

    assessor: Assessor
    ledger: ObjectLedger
    recorder: Recorder
    permits: Permits
    compose: Callable[[Decision, Action, str], RefusalText]
    clock: Clock
    notify: Callable[[str], object] = lambda message: None
    ahead: bool = False

    def awaits(self, about: Circumstances) -> bool:
        """Whether a permit may let this upload go: it is to be held whole then, and judged when all of it was seen."""
        action, user = about.action, about.actor.user
        if isinstance(user, Unknown) or action.destination is None or action.kind not in STORING:
            return False
        return self.permits.awaited(user, action.destination)

    async def __call__(
        self, connection: Connection, request: Request, about: Circumstances, made: Assessment, use: str
    ) -> Settled:
        """Settle a decision. ``use`` names the object that a permit is spent on; with none, no permit counts: a refusal
        before all was seen is one whatever somebody permitted. Never raises ``HaechiError``.
        """
        permitted = self._permitted(about, made, use) if use else self._named(about, made)
        goes = permitted.decision.effect is not Effect.BLOCK
        counted, decision_id = False, self.recorder.new_id()
        if goes and not self.ahead:
            permitted, counted = await self._prepared(about, permitted, made, use, decision_id)
        judged = Judged(connection, request, about, permitted, self.clock.now(), decision_id)
        settled = await self.recorder.settle(judged, made.modes)
        if counted and settled.decision.effect is Effect.BLOCK:
            self._take_back(about, permitted)
        return settled

    async def _prepared(
        self, about: Circumstances, permitted: Assessment, made: Assessment, use: str, decision_id: str
    ) -> tuple[Assessment, bool]:
        """What goes is remembered first, and its permit spent last: a ledger that fails costs no permit. Also whether
        it was counted as sent: whoever refuses it then takes that back.
        """
        counted = False
        try:
            counted = self._remember_stored(about, permitted, decision_id)
            if permitted.permit is None or await self.permits.take(permitted.permit, use):
                return permitted, counted
        except HaechiError as error:
            return self.assessor.hindered(made, Cause.of(error)), counted
        return self._named(about, made), counted

    def _take_back(self, about: Circumstances, made: Assessment) -> None:
        """Nothing went: it was refused after all. Where that cannot be noted the sum stays too high, which only
        tightens.
        """
        place = about.action.destination
        with contextlib.suppress(HaechiError):
            if place is not None:
                self.assessor.sent.take_back(_user(about), place, made.content.matches)

    def refusal(self, settled: Settled, action: Action) -> RefusalText:
        """The words of a refusal."""
        text = self.compose(settled.decision, action, settled.id)
        self.notify(text.message)
        return text

    def _permitted(self, about: Circumstances, made: Assessment, use: str) -> Assessment:
        """The same, without the force of what a permit lifts that would let it go."""
        held = self._held(about, made)
        if held is None:
            return made
        permit = self.permits.fitting(held, use)
        if permit is not None:
            decision = self._lifted(made, permit.lifts)
            if not decision.blocks:
                return dataclasses.replace(made, decision=decision, permit=permit)
        return dataclasses.replace(made, unfit=self.permits.unfit(held))

    def _named(self, about: Circumstances, made: Assessment) -> Assessment:
        """A refusal, with the user's permits that did not let it go."""
        held = self._held(about, made)
        return dataclasses.replace(made, unfit=self.permits.unfit(held)) if held else made

    def _lifted(self, made: Assessment, lifts: Callable[..., bool]) -> Decision:
        decision = made.decision
        return decide(decision.findings, made.modes, decision.causes, lifts=lifts)

    def _held(self, about: Circumstances, made: Assessment) -> Held | None:
        """What a permit is held against; None for what goes without one, or what none can let go."""
        action, user = about.action, about.actor.user
        if made.decision.effect is not Effect.BLOCK:
            return None
        if action.kind not in STORING or action.destination is None or not action.destination.key:
            return None
        if isinstance(user, Unknown) or made.decision.causes:
            return None
        enforced = enforcing(made.decision.findings, made.modes)
        owner = made.destination.account if made.destination else Unknown("not-read")
        place = Place.of(action.destination, owner)
        return Held(user, place, made.content, enforced, self.clock.now(), Travels.of(action))

    def _remember_stored(self, about: Circumstances, made: Assessment, decision_id: str) -> bool:
        """Note what goes to which object, before it goes: a ledger that cannot be written refuses. Whether it counts as
        sent now.

        An entry only grows. Whether the store accepts the request is not known here, so an upload that may yet fail
        never clears what the object is known to hold.
        """
        action, content, place = about.action, made.content, about.action.destination
        whole = action.assembly is None or action.assembly.part is None or action.assembly.grows
        if place is not None and not place.key and action.assembly is not None and action.assembly.grows:
            place = dataclasses.replace(place, key=action.assembly.id)  # all that names the object here
        if place is None or not place.key or not (whole and action.kind in STORING):
            return False
        if content.state is not ContentState.MATCHED:
            return False
        earlier = self.ledger.holds(place)
        how = LetThrough(_user(about), decision_id, content.digest, made.destination)
        self.ledger.stored(place, held(earlier, content, action.assembly), how)
        self.assessor.sent.add(_user(about), place, content.matches)
        return True


def _user(about: Circumstances) -> str:
    user = about.actor.user
    return "" if isinstance(user, Unknown) else user


def held(earlier: Content | None, content: Content, assembly: Assembly | None) -> Content:
    """What an object is known to hold once ``content`` was let through to it. Both may lie there now, the one or the
    other: nothing that was recognised is forgotten, nothing is counted twice, and a size or digest in which they differ
    is not known. An object that grows holds what was there, and ends with its newest piece where that has a place.
    """
    if assembly is not None and assembly.grows and not assembly.begins:
        end = None if assembly.scattered or assembly.part is None or content.size is None else assembly.part
        content = dataclasses.replace(
            content, size=None if end is None else end + (content.size or 0), digest=content.digest if end == 0 else ""
        )
        earlier = dataclasses.replace(earlier, size=content.size, digest=content.digest) if earlier else None
    if earlier is None:
        return content
    return Content(
        ContentState.MATCHED,
        merge_matches([*earlier.matches, *content.matches]),
        content.size if content.size == earlier.size else None,
        content.digest if content.digest == earlier.digest else "",
        tuple(dict.fromkeys((*earlier.notes, *content.notes))),
    )


def enforcing(findings: Iterable[Finding], modes: Modes) -> tuple[Finding, ...]:
    """The findings that keep an upload from going under these modes."""
    return tuple(one for one in findings if one.forbids and decide((one,), modes).blocks)
