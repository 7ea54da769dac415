"""The verdicts on one request: each is made, put on record and worded, in this order.

A request has several where something is recognised behind what was decided. A verdict on its way into the record is
*unheard*: whoever breaks off then leaves a verdict on record that reached nobody, and that is worth a record, too.
Must not know: bodies, the states of a judgement.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from haechi.app.assessing import Assessment, Circumstances
from haechi.app.browsers import answered
from haechi.app.concluding import Conclude
from haechi.domain.bound import use_of
from haechi.domain.decision import Effect
from haechi.domain.upload import Action, ActionKind, Request
from haechi.ports.connector import Connector
from haechi.ports.judge import Connection, Forward, Refuse

Verdict = Forward | Refuse


@dataclass(slots=True)
class Pronounce:
    """Pronounces the verdicts on one request."""

    conclude: Conclude
    connector: Connector
    connection: Connection
    request: Request
    unheard: bool = False
    """A verdict that lets pass is being recorded: nobody has it yet."""
    _own: str = field(default="", repr=False)

    async def __call__(
        self, about: Circumstances, made: Assessment, joined: str = "", *, early: bool = False
    ) -> tuple[Effect, Verdict]:
        """Record, then act. ``joined`` as of ``Matter``; ``early``: what is refused before all was seen, which no
        permit lets go. The effect is the one that was recorded.
        """
        self.unheard = made.decision.effect is not Effect.BLOCK or not early
        use = "" if early else self._use(about.action, joined)
        settled = await self.conclude(self.connection, self.request, about, made, use)
        self.unheard = False
        if settled.decision.effect is Effect.BLOCK:
            text = self.conclude.refusal(settled, about.action)
            return Effect.BLOCK, Refuse(answered(self.connector.refusal, text, self.request))
        place, kind = about.action.destination, about.action.kind
        if place is not None and (kind is ActionKind.EXPOSE or (kind is ActionKind.PREPARE and not place.key)):
            # Its settings change, or it is another of the same name.
            self.conclude.assessor.destinations.forget(place)
        return settled.decision.effect, Forward()

    async def broken_off(self, about: Circumstances, cause: str) -> None:
        """The request ended before anybody had a verdict on it."""
        self.unheard = False
        recorder = self.conclude.recorder
        await recorder.broken_off(recorder.new_id(), about, cause, self.conclude.clock.now())

    def _use(self, action: Action, joined: str) -> str:
        """What a permit is spent on: the object under assembly, else this request."""
        place, assembly = action.destination, action.assembly
        if place is not None and assembly is not None and not assembly.grows:
            id_ = joined if assembly.alone and not assembly.name else assembly.id
            if id_:
                return use_of(place, id_)
        if not self._own:
            self._own = secrets.token_hex(8)
        return self._own
