"""Where the judgement of one request stands: its state, what is known of the request, and the verdicts that move it.

The table of states is at the top of ``judging``, which moves a judgement by the data path's questions; here it is moved
by verdicts alone. Must not know: heads, framings, documents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import Enum, auto

from haechi.app.assessing import Assessment, Assessor, Circumstances
from haechi.app.looking import Looking
from haechi.app.matters import Matter, Matters
from haechi.app.pronouncing import Pronounce, Verdict
from haechi.app.writes import Answered
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Cause, Effect
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Action
from haechi.ports.judge import Forward

NOT_INSPECTED = Content(ContentState.NOT_INSPECTED)


class State(Enum):
    """See the table of ``judging``."""

    NEW = auto()
    PASSING = auto()
    INSPECTING = auto()
    DOCUMENT = auto()
    OBSERVING = auto()
    TRAILING = auto()
    DECIDED = auto()
    REFUSED = auto()


@dataclass(slots=True)
class Standing:
    """``circumstances`` are None before the head was read, ``body`` where nobody looks at it."""

    assessor: Assessor
    matters: Matters
    pronounce: Pronounce
    state: State = State.NEW
    circumstances: Circumstances | None = None
    body: Looking | None = None
    answered: Answered | None = None
    """What the store's answer to what went is told to."""

    @property
    def about(self) -> Circumstances:
        """What is asked about."""
        if self.circumstances is None:
            raise RuntimeError("asked before the head was judged")
        return self.circumstances

    @property
    def looking(self) -> Looking:
        """The body under inspection."""
        if self.body is None:
            raise RuntimeError("a body that nobody was to look at was offered")
        return self.body

    def does(self, action: Action) -> Action:
        """It turned out what the request does."""
        self.circumstances = dataclasses.replace(self.about, action=action)
        return action

    def so_far(self) -> Content:
        """What was recognised by now."""
        return self.body.inspection.so_far() if self.body else NOT_INSPECTED

    def keep_nothing(self) -> None:
        """Nobody will ask for this body again: its copy goes at once."""
        if self.body is not None:
            self.body.free()

    def passing(self) -> Forward:
        """There is nothing to judge."""
        self.state = State.PASSING
        return Forward()

    async def judge(self, matter: Matter) -> Verdict:
        """Decide, and remember what went."""
        verdict = await self.decide(matter.content, matter.joined)
        if isinstance(verdict, Forward):
            self.answered = matter.went()
        return verdict

    async def decide(self, content: Content, joined: str = "") -> Verdict:
        """Decide about a content."""
        return await self.conclude(await self.assessor.assess(self.about, content), joined)

    async def fail(self, cause: Cause, content: Content) -> Verdict:
        """Decide where ``cause`` kept us from seeing more than ``content``."""
        return await self.conclude(await self.assessor.unseen(self.about, content, cause))

    async def guarded(self, step: Coroutine[None, None, Verdict]) -> Verdict:
        """Run a step that reads or writes our own stores; their failure is a cause, never an allow."""
        try:
            return await step
        except HaechiError as error:
            return await self.fail(Cause.of(error), self.so_far())

    async def conclude(self, made: Assessment, joined: str = "", *, early: bool = False) -> Verdict:
        """Pronounce the verdict, and stand where it leads. ``joined`` and ``early`` as of ``Pronounce``."""
        about = self.about
        effect, verdict = await self.pronounce(about, made, joined, early=early)
        match effect:
            case Effect.BLOCK:
                self.matters.refused(about.action, self.body, made.content)
                self.state = State.REFUSED
                self.keep_nothing()
            case Effect.WOULD_BLOCK:
                self.state = State.OBSERVING
            case _:
                self.state = State.DECIDED
        return verdict
