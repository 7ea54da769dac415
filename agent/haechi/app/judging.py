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
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from haechi.app.assessing import Assessment, Assessor, Circumstances
from haechi.app.browsers import answered
from haechi.app.concluding import Conclude
from haechi.app.holding import BY_PLACE, Holds
from haechi.app.inspection import Inspection
from haechi.app.looking import Looking
from haechi.app.pieces import Pieces
from haechi.app.preparations import applied, noted, numbered
from haechi.app.reassembling import Reassembly
from haechi.app.stored import NO_EDGES, beside, held
from haechi.app.unpacking import Unpacking
from haechi.domain.bound import use_of
from haechi.domain.content import Content, ContentState, union
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
from haechi.ports.objects import Assemblies, ObjectLedger, Piece

DOCUMENT_LIMIT = 8 << 20
"""Bytes of a control document that are read for what they say: room for a completion of 10,000 parts with all their
checksums. S3's limits for the others are far below.
"""


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

    @property
    def pieces(self) -> Pieces:
        """What the pieces of objects make together."""
        file_of = self.conclude.permits.file_of
        return Pieces(self.index, self.assemblies, self.reassembly, self.assessor.worst_case, file_of)

    def open(self, connection: Connection, request: Request) -> Judging:
        """Begin to judge a request."""
        return Judgement(self, connection, request)


Verdict = Forward | Refuse


class State(Enum):
    """Where a judgement stands; see the module's table."""

    NEW = auto()
    PASSING = auto()
    INSPECTING = auto()
    DOCUMENT = auto()
    OBSERVING = auto()
    TRAILING = auto()
    DECIDED = auto()
    REFUSED = auto()


class Judgement:
    """The judgement of one request."""

    def __init__(self, case: JudgeUploads, connection: Connection, request: Request) -> None:
        self._case = case
        self._connection = connection
        self._request = request
        self._state = State.NEW
        self._connector = next(c for c in case.connectors if c.claims(request.host))
        self._about: Circumstances | None = None
        self._looking: Looking | None = None
        self._document = bytearray()
        self._own_use = secrets.token_hex(8)
        self._joined = ""
        """The assembly of the pieces that a list of names joins."""
        self._patient = False
        """A permit may let it go: nothing is decided, and nothing let go, before all was seen."""
        self._unheard = False
        """A verdict that lets pass is being recorded: nobody has it yet."""

    # --- the data path's questions ------------------------------------------------------------------------------

    async def head(self) -> Forward | Inspect | Refuse:
        """Judge the head."""
        case, request, since = self._case, self._request, self._case.clock.monotonic()
        action = self._connector.action(request)
        consistent = names_agree(self._connection.connect, self._connection.sni, request.host)
        if action.assembly is not None and action.assembly.abandons and action.destination is not None:
            with contextlib.suppress(HaechiError):  # what stays too long in the ledger goes by age
                case.assemblies.forget(action.destination, action.assembly)
        ordinary = not action.judged and consistent
        if ordinary and action.body.framing is Framing.NONE:
            self._state = State.PASSING
            return Forward()
        actor = case.actors.of(self._connection.address, self._connection.port)
        self._about = Circumstances(action, actor, request.scheme, request.host, consistent, since)
        try:
            if ordinary and case.index.empty:
                self._state = State.PASSING
                return Forward()
            if not consistent:
                # Nobody looks into the body, so it may be anything: also where that rule alone is only monitored.
                carries = action.judged or action.body.framing is not Framing.NONE
                nothing = Content(ContentState.NOT_INSPECTED)
                return await self._decide_now(case.assessor.worst_case() if carries else nothing)
            return await self._judge_head(action)
        except HaechiError as error:
            return await self._fail(Cause.of(error), Content(ContentState.NOT_INSPECTED))

    async def piece(self, data: bytes | memoryview, last: bool) -> Verdict:
        """Judge the next bytes of the body."""
        match self._state:
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
        made = await self._case.assessor.unseen(self._certain(), self._so_far(), Cause("spool-full"))
        blocked = dataclasses.replace(made.decision, effect=Effect.BLOCK)
        verdict = await self._conclude(dataclasses.replace(made, decision=blocked))
        match verdict:
            case Refuse():
                return verdict
            case Forward():
                raise RuntimeError("a decision that blocks was not carried out")

    async def abandoned(self, cause: str) -> None:
        """The request ended early. What had been recognised in the released pieces is worth a record, and so is that a
        verdict on record, to let it pass, reached nobody.
        """
        about, looking = self._about, self._looking
        self._keep_nothing()
        if self._state is State.INSPECTING:
            await self._remember_passed()
        judging = self._state in (State.INSPECTING, State.DOCUMENT)
        recognised = judging and looking is not None and bool(looking.inspection.matches)
        if about and (recognised or self._unheard):
            self._state, self._unheard = State.DECIDED, False
            recorder = self._case.conclude.recorder
            await recorder.broken_off(recorder.new_id(), about, cause, self._case.clock.now())

    async def _judge_head(self, action: Action) -> Forward | Inspect | Refuse:
        case = self._case
        documented = action.body.framing is Framing.DOCUMENT and action.body.wire_length != 0
        if action.kind is ActionKind.PREPARE and not documented:
            noted(action, case.assemblies, case.assessor.words_in(action))
        if documented:
            self._looking = Looking.into(action.body, case.index, case.unpacking, case.reassembly)
            self._state = State.DOCUMENT
            return Inspect(Hold.WHOLE if case.assessor.engine.modes.enforces else Hold.PIECES)
        match action.kind:
            case ActionKind.READ:
                self._state = State.PASSING
                return Forward()
            case ActionKind.UPLOAD:
                return await self._head_of_upload(action)
            case ActionKind.ASSEMBLE:
                return await self._assembled(action)
            case ActionKind.COPY:
                return await self._copied(action)
            case ActionKind.PREPARE:
                return await self._prepared(action)
            case ActionKind.EXPOSE:
                return await self._exposed(action)
            case _:
                return await self._decide_now(case.assessor.worst_case())

    # --- heads --------------------------------------------------------------------------------------------------

    async def _head_of_upload(self, action: Action) -> Forward | Inspect | Refuse:
        case, about = self._case, self._certain()
        action = numbered(action, case.assemblies)
        self._about = about = dataclasses.replace(about, action=applied(action, case.assemblies))
        if action.body.framing is Framing.NONE or action.body.wire_length == 0:
            return await self._decide_now(case.pieces.without_body(action.destination, action.assembly))
        worst = await case.assessor.assess(about, case.assessor.worst_case())
        if case.index.ready and worst.decision.effect is Effect.ALLOW and not worst.decision.causes:
            # Even the strictest protected content may go there (or nothing is protected): nobody needs to look.
            made = dataclasses.replace(worst, content=Content(ContentState.NOT_INSPECTED))
            return await self._conclude(made)
        self._looking = Looking.into_object(about.action, case.index, case.unpacking, case.reassembly)
        self._state = State.INSPECTING
        self._patient = case.conclude.awaits(about)
        if self._patient:
            return Inspect(Hold.WHOLE)
        return Inspect(case.holds.of(worst, action, self._request.scheme, self._connector.provider))

    # --- bodies -------------------------------------------------------------------------------------------------

    async def _inspect(self, data: bytes | memoryview, last: bool) -> Verdict:
        looking = self._inspecting()
        inspection, grew = looking.inspection, await looking.at(data, last, self._understood)
        if isinstance(grew, Cause):
            return await self._fail(grew, self._so_far())
        if self._state is State.TRAILING:
            return await self._guarded(self._decide_again(inspection)) if grew else Forward()
        if last or inspection.complete:
            verdict = await self._guarded(self._completed(inspection))
            if self._state is State.DECIDED and not last:
                self._state = State.TRAILING
            return verdict
        if grew and not self._patient:
            return await self._guarded(self._refuse_early(inspection))
        return Forward()

    async def _refuse_early(self, inspection: Inspection) -> Verdict:
        """Refuse as soon as what was recognised suffices; an allow waits for the whole body."""
        made = await self._case.assessor.assess(self._certain(), inspection.so_far())
        if made.decision.effect is not Effect.BLOCK:
            return Forward()
        return await self._conclude(made, early=True)

    async def _decide_again(self, inspection: Inspection) -> Verdict:
        """Something was recognised behind what was decided: a decision of its own, on record whatever it is."""
        verdict = await self._decide_now(inspection.so_far())
        if self._state is State.DECIDED:
            self._state = State.TRAILING
        return verdict

    async def _completed(self, inspection: Inspection) -> Verdict:
        """The whole body is known: judge it, together with what was sent of the same object before."""
        about, case = self._certain(), self._case
        content, place, assembly = inspection.result(), about.action.destination, about.action.assembly
        if content.state is not ContentState.MATCHED and not case.index.ready:
            # Nothing was found, but not all protected files are known yet: that is not the same as nothing there.
            return await self._fail(Cause("index-not-ready"), content)
        if assembly is not None and assembly.grows and assembly.part is None:  # behind what nobody saw
            return await self._decide_now(union([content, case.assessor.worst_case()]))
        if place is None or assembly is None or assembly.part is None:
            return await self._decide_now(content)
        looking = self._inspecting()
        copy = looking.hand_over()
        whole, pieces = await case.pieces.arrived(place, assembly, content, inspection, copy, looking.cuts)
        verdict = await self._decide_now(whole)
        if isinstance(verdict, Forward):
            case.assemblies.put_all(place, assembly, pieces)
        return verdict

    async def _read_document(self, data: bytes | memoryview, last: bool) -> Verdict:
        about, looking = self._certain(), self._inspecting()
        says = about.action.kind is not ActionKind.READ
        looked = await looking.at(data, last, self._understood)
        if isinstance(looked, Cause):
            return await self._fail(looked, self._so_far())
        if says:
            self._document += data
        if len(self._document) > DOCUMENT_LIMIT:
            return await self._fail(Cause("document-too-large"), Content(ContentState.NOT_INSPECTED))
        if not last:
            return Forward()
        if says:
            self._about = dataclasses.replace(
                about, action=self._connector.with_document(about.action, bytes(self._document))
            )
        return await self._guarded(self._documented(looking.inspection.result()))

    async def _documented(self, found: Content) -> Verdict:
        """The document was read: ``found`` is what it carries itself, beside what it says."""
        action = self._certain().action
        match action.kind:
            case ActionKind.EXPOSE:
                return await self._exposed(action, found)
            case ActionKind.ASSEMBLE:
                return await self._assembled(action, found)
            case ActionKind.COPY:
                return await self._copied(action, found)
            case ActionKind.UNRECOGNISED:  # by what the document says
                return await self._decide_now(beside(self._case.assessor.worst_case(), found))
            case ActionKind.PREPARE:
                case = self._case
                noted(action, case.assemblies, case.assessor.words_in(action))
                return await self._decide_now(found)
            case ActionKind.READ if found.state is ContentState.CLEAN:
                self._state = State.PASSING
                return Forward()
            case _:
                return await self._decide_now(found)

    # --- requests whose content is already at the store ------------------------------------------------------------

    async def _assembled(self, action: Action, carried: Content | None = None) -> Verdict:
        """Complete an object: judged on the union of the pieces that are joined."""
        case, place, assembly = self._case, action.destination, action.assembly
        if place is None or assembly is None:
            return await self._decide_now(case.assessor.worst_case())
        self._about = dataclasses.replace(self._certain(), action=applied(action, case.assemblies))
        content, self._joined = await case.pieces.whole(self._certain().action, place, assembly)
        verdict = await self._decide_now(beside(content or case.assessor.worst_case(), carried))
        if isinstance(verdict, Forward):
            case.assemblies.finished(place, assembly)
        return verdict

    async def _prepared(self, action: Action) -> Verdict:
        """Begin an object. One that is made anew at once holds nothing of what was there."""
        case, place, assembly = self._case, action.destination, action.assembly
        verdict = await self._decide_now(Content(ContentState.CLEAN))
        if isinstance(verdict, Forward) and place is not None and assembly is not None and assembly.begins:
            case.assemblies.emptied(place, assembly)
            case.reassembly.anew(place, assembly)
        return verdict

    async def _copied(self, action: Action, carried: Content | None = None) -> Verdict:
        """Copy on the server's side: what the source is known to hold, or the worst where it may hold something."""
        case = self._case
        action = numbered(action, case.assemblies)
        source, place, assembly = action.source, action.destination, action.assembly
        content = case.assessor.worst_case() if source is None else held(source, case.ledger, case.index)
        verdict = await self._decide_now(beside(content, carried))
        if isinstance(verdict, Forward) and place and assembly and assembly.part is not None:
            case.assemblies.put(place, assembly, Piece(assembly.part, content, NO_EDGES))
        return verdict

    async def _exposed(self, action: Action, carried: Content | None = None) -> Verdict:
        """Change who can read a place: judged with what the place is known to hold."""
        case, place, content = self._case, action.destination, Content(ContentState.NOT_INSPECTED)
        if place is not None and place.container:
            content = held(place, case.ledger, case.index)
        return await self._decide_now(beside(content, carried))

    # --- deciding -------------------------------------------------------------------------------------------------

    async def _guarded(self, step: Coroutine[None, None, Verdict]) -> Verdict:
        """Run a step that reads or writes our own stores; their failure is a cause, never an allow."""
        try:
            return await step
        except HaechiError as error:
            return await self._fail(Cause.of(error), self._so_far())

    async def _decide_now(self, content: Content) -> Verdict:
        return await self._conclude(await self._case.assessor.assess(self._certain(), content))

    async def _fail(self, cause: Cause, content: Content) -> Verdict:
        return await self._conclude(await self._case.assessor.unseen(self._certain(), content, cause))

    async def _conclude(self, made: Assessment, *, early: bool = False) -> Verdict:
        """Record, then act. ``early``: what is refused before all was seen, which no permit lets go."""
        case, about = self._case, self._certain()
        self._unheard = made.decision.effect is not Effect.BLOCK or not early
        settled = await case.conclude(self._connection, self._request, about, made, "" if early else self._use)
        self._unheard = False
        effect = settled.decision.effect
        if effect is Effect.BLOCK:
            self._remember_refused(made.content)
            self._state = State.REFUSED
            self._keep_nothing()
            text = case.conclude.refusal(settled, about.action)
            return Refuse(answered(self._connector.refusal, text, self._request))
        place, kind = about.action.destination, about.action.kind
        if place is not None and (kind is ActionKind.EXPOSE or (kind is ActionKind.PREPARE and not place.key)):
            case.assessor.destinations.forget(place)  # its settings change, or it is another of the same name
        self._state = State.OBSERVING if effect is Effect.WOULD_BLOCK else State.DECIDED
        return Forward()

    @property
    def _use(self) -> str:
        """What a permit is spent on: the object under assembly, else this request."""
        action = self._certain().action
        place, assembly = action.destination, action.assembly
        if place is None or assembly is None or assembly.grows:
            return self._own_use
        id_ = self._joined if assembly.alone and not assembly.name else assembly.id
        return use_of(place, id_) if id_ else self._own_use

    # --- small things -----------------------------------------------------------------------------------------------

    def _understood(self) -> Action:
        """What the request does. A form names its object and its wishes in fields that come before the file, and so
        does the document before a related object.
        """
        about, fields = self._certain(), self._inspecting().inspection.fields
        if fields and about.action.body.framing in (Framing.FORM, Framing.RELATED):
            self._about = about = dataclasses.replace(about, action=self._connector.with_form(about.action, fields))
        return about.action

    async def _remember_passed(self) -> None:
        """A store that keeps parts of pieces may have kept one. Where it cannot be remembered it counts as not seen."""
        about, looking = self._certain(), self._inspecting()
        place, assembly = about.action.destination, about.action.assembly
        if place is None or assembly is None or looking.cuts is None:
            return
        with contextlib.suppress(HaechiError):
            await self._case.pieces.broken_off(place, assembly, looking.inspection, looking.cuts)

    def _remember_refused(self, content: Content) -> None:
        """The same for a piece that is refused: what was released of it may be kept."""
        about, looking = self._certain(), self._looking
        place, assembly = about.action.destination, about.action.assembly
        if place is not None and assembly is not None and looking is not None and looking.cuts is not None:
            with contextlib.suppress(HaechiError):
                self._case.pieces.refused(place, assembly, content)

    def _keep_nothing(self) -> None:
        if self._looking is not None:
            self._looking.free()

    def _so_far(self) -> Content:
        return self._looking.inspection.so_far() if self._looking else Content(ContentState.NOT_INSPECTED)

    def _certain(self) -> Circumstances:
        if self._about is None:
            raise RuntimeError("asked before the head was judged")
        return self._about

    def _inspecting(self) -> Looking:
        if self._looking is None:
            raise RuntimeError("a body that nobody was to look at was offered")
        return self._looking
