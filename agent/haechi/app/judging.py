"""Judge one request of a data path: the use case that everything else serves.

Theory. A judgement is a small state machine::

    NEW ──head──▶ PASSING                (nothing to look at: forwarded)
     │  └───────▶ REFUSED                (decided on the head alone)
     └──────────▶ INSPECTING ──piece──▶ DECIDED   (the completing piece: recorded, then released)
                       │        └─────▶ REFUSED   (recorded, then refused)
                       ├──piece──▶ TRAILING       (decided and released, but the framing goes on: nothing may follow)
                       └──piece──▶ OBSERVING      (would have been refused; monitor mode forwards the rest)
    NEW ──head──▶ DOCUMENT ──last piece──▶ as above

A control document is held whole, whatever its request does, and looked through like an upload: nothing leaves in a
body that nobody read. Where nothing is enforced it passes piece by piece: a full spool must not become a block.

A piece is answered only after every chunk completed in it was looked up; the answer to the piece with which a store
could call the object complete waits for the final decision and its record. A record that cannot be made refuses,
whatever the fail mode: that one answers for the engine. Monitor mode never blocks: there the record follows when it can
(docs/adr/0006).

This module is what moves a judgement alone: the data path's questions. The rest has modules of its own, of which none
knows this one:

================  ==============================================================================================
``standing``      the state, what is known of the request, and where a verdict leads
``looking``       what is recognised in the body as it passes
``documents``     what a control document asks for
``matters``       what is judged: the content together with what the ledgers know
``writes``        what is remembered once it went, and once the store answered (docs/adr/0018)
``assessing``     the decision: facts, policy input, engine
``pronouncing``   the verdict: permit, record, answer
================  ==============================================================================================
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from haechi.app.assessing import Assessor, Circumstances
from haechi.app.concluding import Conclude
from haechi.app.documents import Document
from haechi.app.holding import BY_PLACE, Holds
from haechi.app.inspection import Inspection
from haechi.app.looking import Looking
from haechi.app.matters import Matter, Matters
from haechi.app.pieces import Pieces
from haechi.app.preparations import applied, numbered
from haechi.app.pronouncing import Pronounce, Verdict
from haechi.app.reassembling import Reassembly
from haechi.app.standing import NOT_INSPECTED, Standing, State
from haechi.app.unpacking import Unpacking
from haechi.app.writes import Writes, taken
from haechi.domain.content import Content, ContentState
from haechi.domain.decision import Cause, Effect
from haechi.domain.errors import HaechiError
from haechi.domain.names import names_agree
from haechi.domain.upload import Action, ActionKind, Framing, Request
from haechi.ports.actors import Actors
from haechi.ports.clock import Clock
from haechi.ports.connector import Connector
from haechi.ports.index import ContentIndex
from haechi.ports.judge import Connection, Forward, Hold, Inspect, Judging, Refuse
from haechi.ports.metrics import Metrics
from haechi.ports.objects import Assemblies, ObjectLedger


@dataclass(frozen=True, slots=True)
class JudgeUploads:
    """Opens a judgement for each request. ``connectors`` are asked in order, the last one claims every host."""

    connectors: Sequence[Connector]
    assessor: Assessor
    index: ContentIndex
    actors: Actors
    assemblies: Assemblies
    ledger: ObjectLedger
    conclude: Conclude
    clock: Clock
    metrics: Metrics
    unpacking: Unpacking
    reassembly: Reassembly
    holds: Holds = BY_PLACE
    hears: bool = True
    """Whether the data path tells what stores answer."""
    matters: Matters = field(init=False, repr=False)
    """What the requests are judged with; made of the other parts."""

    def __post_init__(self) -> None:
        assessor, file_of = self.assessor, self.conclude.permits.file_of
        pieces = Pieces(self.index, self.assemblies, self.reassembly, assessor.worst_case, file_of)
        writes = Writes(self.assemblies, self.reassembly, self.hears)
        made = Matters(pieces, self.assemblies, self.ledger, self.index, assessor.worst_case, assessor.words_in, writes)
        object.__setattr__(self, "matters", made)

    def open(self, connection: Connection, request: Request) -> Judging:
        """Begin to judge a request."""
        return Judgement(self, connection, request)


class Judgement:
    """The judgement of one request."""

    def __init__(self, case: JudgeUploads, connection: Connection, request: Request) -> None:
        self._case = case
        self._connection = connection
        self._request = request
        self._connector = next(c for c in case.connectors if c.claims(request.host))
        pronounce = Pronounce(case.conclude, self._connector, connection, request)
        self._standing = Standing(case.assessor, case.matters, pronounce)
        self._document: Document | None = None
        self._action = self._connector.action(request)
        self.heeds = self._awaited()
        """Whether the store's answer tells what lies where later requests go on; as the ledger was before this one."""
        self._patient = False
        """A permit may let it go: nothing is decided, and nothing let go, before all was seen."""

    # --- the data path's questions --------------------------------------------------------------------------------

    async def head(self) -> Forward | Inspect | Refuse:
        """Judge the head."""
        standing = self._standing
        case, request, since = self._case, self._request, self._case.clock.monotonic()
        action = self._action
        consistent = names_agree(self._connection.connect, self._connection.sni, request.host)
        case.matters.given_up(action)
        ordinary = not action.judged and consistent
        if ordinary and action.body.framing is Framing.NONE:
            return standing.passing()
        actor = case.actors.of(self._connection.address, self._connection.port)
        standing.circumstances = Circumstances(action, actor, request.scheme, request.host, consistent, since)
        try:
            if ordinary and case.index.empty:
                return standing.passing()
            if not consistent:
                # Nobody looks into the body, so it may be anything: also where that rule alone is only monitored.
                carries = action.judged or action.body.framing is not Framing.NONE
                return await standing.decide(case.assessor.worst_case() if carries else NOT_INSPECTED)
            return await self._judge_head(action)
        except HaechiError as error:
            return await standing.fail(Cause.of(error), NOT_INSPECTED)

    async def piece(self, data: bytes | memoryview, last: bool) -> Verdict:
        """Judge the next bytes of the body."""
        match self._standing.state:
            case State.INSPECTING | State.TRAILING:
                return await self._inspect(data, last)
            case State.DOCUMENT:
                return await self._read_document(data, last)
            case State.REFUSED:
                raise RuntimeError("a refused request was asked about again")
            case _:
                return Forward()

    async def overflow(self) -> Refuse:
        """The spool is full."""
        standing = self._standing
        made = await self._case.assessor.unseen(standing.about, standing.so_far(), Cause("spool-full"))
        blocked = dataclasses.replace(made.decision, effect=Effect.BLOCK)
        verdict = await standing.conclude(dataclasses.replace(made, decision=blocked))
        match verdict:
            case Refuse():
                return verdict
            case Forward():
                raise RuntimeError("a decision that blocks was not carried out")

    async def answered(self, status: int) -> None:
        """The store said whether it took what went. Where that cannot be remembered it counts as not said."""
        took, answered = taken(status), self._standing.answered
        if took is not None and answered is not None:
            with contextlib.suppress(HaechiError):
                answered(took)

    async def abandoned(self, cause: str) -> None:
        """The request ended early. What had been recognised in the released pieces is worth a record, and so is that a
        verdict on record, to let it pass, reached nobody.
        """
        standing = self._standing
        about, looking = standing.circumstances, standing.body
        standing.keep_nothing()
        if standing.state is State.INSPECTING:
            await self._case.matters.broken_off(standing.about.action, standing.looking)
        judging = standing.state in (State.INSPECTING, State.DOCUMENT)
        recognised = judging and looking is not None and bool(looking.inspection.matches)
        if about and (recognised or standing.pronounce.unheard):
            standing.state = State.DECIDED
            await standing.pronounce.broken_off(about, cause)

    # --- the head -------------------------------------------------------------------------------------------------

    async def _judge_head(self, action: Action) -> Forward | Inspect | Refuse:
        standing = self._standing
        case = self._case
        if action.body.framing is Framing.DOCUMENT and action.body.wire_length != 0:
            standing.body = Looking.into(action.body, case.index, case.unpacking, case.reassembly)
            self._document = Document(action)
            standing.state = State.DOCUMENT
            return Inspect(Hold.WHOLE if case.assessor.engine.modes.enforces else Hold.PIECES)
        match action.kind:
            case ActionKind.READ:
                return standing.passing()
            case ActionKind.UPLOAD:
                return await self._head_of_upload(action)
            case _:
                return await standing.judge(await self._matter(action))

    async def _head_of_upload(self, action: Action) -> Forward | Inspect | Refuse:
        standing = self._standing
        case = self._case
        action = numbered(action, case.assemblies)
        standing.does(applied(action, case.assemblies))
        about = standing.about
        if action.body.framing is Framing.NONE or action.body.wire_length == 0:
            return await standing.judge(case.matters.of_no_body(action))
        worst = await case.assessor.assess(about, case.assessor.worst_case())
        if case.index.ready and worst.decision.effect is Effect.ALLOW and not worst.decision.causes:
            # Even the strictest protected content may go there (or nothing is protected): nobody needs to look.
            return await standing.conclude(dataclasses.replace(worst, content=NOT_INSPECTED))
        standing.body = Looking.into_object(about.action, case.index, case.unpacking, case.reassembly)
        standing.state = State.INSPECTING
        self._patient = case.conclude.awaits(about)
        if self._patient:
            return Inspect(Hold.WHOLE)
        return Inspect(case.holds.of(worst, action, self._request.scheme, self._connector.provider))

    # --- the body -------------------------------------------------------------------------------------------------

    async def _inspect(self, data: bytes | memoryview, last: bool) -> Verdict:
        standing = self._standing
        looking = standing.looking
        inspection, grew = looking.inspection, await looking.at(data, last, self._understood)
        if isinstance(grew, Cause):
            return await standing.fail(grew, standing.so_far())
        if standing.state is State.TRAILING:
            return await standing.guarded(self._decide_again(inspection)) if grew else Forward()
        if last or inspection.complete:
            verdict = await standing.guarded(self._completed(looking))
            if standing.state is State.DECIDED and not last:
                standing.state = State.TRAILING
            return verdict
        if grew and not self._patient:
            return await standing.guarded(self._refuse_early(inspection))
        return Forward()

    async def _refuse_early(self, inspection: Inspection) -> Verdict:
        """Refuse as soon as what was recognised suffices; an allow waits for the whole body."""
        made = await self._case.assessor.assess(self._standing.about, inspection.so_far())
        if made.decision.effect is not Effect.BLOCK:
            return Forward()
        return await self._standing.conclude(made, early=True)

    async def _decide_again(self, inspection: Inspection) -> Verdict:
        """Something was recognised behind what was decided: a decision of its own, on record whatever it is."""
        standing = self._standing
        verdict = await standing.decide(inspection.so_far())
        if standing.state is State.DECIDED:
            standing.state = State.TRAILING
        return verdict

    async def _completed(self, looking: Looking) -> Verdict:
        """The whole body is known: judge it, together with what was sent of the same object before."""
        standing = self._standing
        case, content = self._case, looking.inspection.result()
        if content.state is not ContentState.MATCHED and not case.index.ready:
            # Nothing was found, but not all protected files are known yet: that is not the same as nothing there.
            return await standing.fail(Cause("index-not-ready"), content)
        return await standing.judge(await case.matters.of_body(standing.about.action, content, looking))

    async def _read_document(self, data: bytes | memoryview, last: bool) -> Verdict:
        standing = self._standing
        looking, document = standing.looking, self._document
        looked = await looking.at(data, last, self._understood)
        if isinstance(looked, Cause):
            return await standing.fail(looked, standing.so_far())
        too_large = document.take(data) if document is not None else None
        if too_large is not None:
            return await standing.fail(too_large, NOT_INSPECTED)
        if not last:
            return Forward()
        if document is not None:
            standing.does(document.read(self._connector))
        return await standing.guarded(self._documented(looking.inspection.result()))

    async def _documented(self, found: Content) -> Verdict:
        """The document was read: ``found`` is what it carries itself, beside what it says."""
        standing = self._standing
        action = standing.about.action
        if action.kind is ActionKind.READ and found.state is ContentState.CLEAN:
            return standing.passing()
        return await standing.judge(await self._matter(action, found))

    def _understood(self) -> Action:
        """What the request does. A form names its object and its wishes in fields that come before the file, and so
        does the document before a related object.
        """
        standing = self._standing
        action, fields = standing.about.action, standing.looking.inspection.fields
        if fields and action.body.framing in (Framing.FORM, Framing.RELATED):
            return standing.does(self._connector.with_form(action, fields))
        return action

    def _awaited(self) -> bool:
        try:
            return not self._case.index.empty and self._case.matters.writes.awaited(self._action)
        except HaechiError:  # judging meets the same, and says so
            return True

    # --- the verdict ----------------------------------------------------------------------------------------------

    async def _matter(self, action: Action, carried: Content | None = None) -> Matter:
        """What is judged where the content is not, or not only, in the request's own body."""
        if action.kind is ActionKind.ASSEMBLE:
            action = self._standing.does(applied(action, self._case.assemblies))
        return await self._case.matters.of(action, carried)
