"""What commands may ask over the control socket, and which use case answers."""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

import structlog
from haechi_connectors.clouds import clouds

from haechi.app.appealing import KIND, AnswerAppeal, AskForRelease, Examine, listed
from haechi.app.asking import JustifyUpload, RequestException
from haechi.app.checking import CheckFile
from haechi.app.complying import FindRemedy
from haechi.app.drift_told import DriftTold
from haechi.app.drifting import WatchDrift
from haechi.app.explaining import ExplainDecision
from haechi.app.guarding import JudgeGuarded
from haechi.app.permitting import Permits
from haechi.app.proving import ProveTools
from haechi.app.recording import Recorder, release_event, release_refused_event, tag_event
from haechi.app.sealing import SealFile
from haechi.app.status import ReportStatus
from haechi.app.tagging import Released, TagReport
from haechi.app.unsealing import UnsealFile
from haechi.domain.errors import HaechiError
from haechi.domain.upload import Location
from haechi.inbound.control.appeals import register_appeals
from haechi.inbound.control.calls import HOUR, register_answers, register_sealing
from haechi.inbound.control.drift import register_drift, register_objects
from haechi.inbound.control.guards import register_guards
from haechi.inbound.control.peer import Authorise, Peer, Role, authorisation
from haechi.inbound.control.permits import register_permits
from haechi.inbound.control.records import register_records
from haechi.inbound.control.server import Access, ControlServer, Progress
from haechi.inbound.control.survey import register_survey
from haechi.inbound.control.turns import Turns
from haechi.inbound.watch.calls import TagCalls
from haechi.outbound.actors.peers import PeerActors
from haechi.outbound.audit.reading import of_kinds
from haechi.outbound.audit.records import FolderRecords
from haechi.outbound.audit.sharing import SharedFiles
from haechi.outbound.seal.age import AgeCipher
from haechi.outbound.self_tests import FileSelfTests
from haechi.outbound.trust.releases import SignedReleases
from haechi.settings import Layout
from haechi.wiring.drift import sealed_copies
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.judge import Judging
from haechi.wiring.marking import Marking
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores
from haechi.wiring.surveying import make_survey
from haechi.wiring.way_in import WayIn

AGAIN_S = 30.0
"""Until it is looked anew for answers that came back, where index or audit could not be read."""
RECORDED_WITHIN_S = 10.0
"""Seconds for a record that a thread waits for: longer than the audit itself takes to say that it is late."""

log = structlog.get_logger(__name__)


async def start_control(
    ground: Ground,
    rules: Rules,
    stores: Stores,
    marking: Marking,
    judging: Judging,
    way_in: WayIn,
    permits: Permits,
    status: ReportStatus,
    drift: WatchDrift,
) -> ControlServer:
    """Register every call, and listen."""
    settings, paths = ground.settings, ground.paths
    authorise = authorisation(settings.control.officer_group)
    access = Access.MACHINE if paths.layout is Layout.SERVICE else Access.PRIVATE
    server = ControlServer(paths.control_socket, authorise, log, access=access, metrics=ground.metrics)
    register_sealing(server, _seal(ground, rules, stores, marking), _unseal(ground, stores, marking))
    check = CheckFile(
        judging.connectors,
        clouds(),
        judging.assessor,
        stores.index,
        rules.engine,
        rules.rule_words,
        lambda: way_in.authority.scope,
    )
    records = FolderRecords(settings.audit_folder, stores.log.unwritten)
    turns = Turns()
    register_permits(
        server,
        RequestException(check, permits, stores.log.key, decision_id),
        JustifyUpload(records, permits, rules.engine, ground.clock),
        permits,
        authorise,
        turns,
    )
    _register_appeals(server, authorise, turns, ground, rules, stores, marking, records)
    register_answers(
        server,
        check=check,
        explain=ExplainDecision(records, rules.engine, rules.rule_words, rules.rule_text),
        status=status,
        prove=ProveTools(
            stores.audit,
            marking.protect_synthetic,
            marking.release_synthetic,
            secrets.token_bytes,
            FileSelfTests(paths.state / "self-test.json"),
        ),
        authorise=authorise,
    )

    async def describe(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
        return way_in.data_path.describe()

    server.register("datapath.describe", describe, Role.ANYONE)
    _register_guards(server, ground, rules, stores, marking, judging, way_in)
    shared = SharedFiles(settings.audit_folder)
    register_records(server, shared.listed, shared.read)
    register_survey(server, make_survey(ground, rules, stores, judging))
    register_objects(server, stores.ledger, functools.partial(sealed_copies, ground), authorise, Turns())
    told = DriftTold(stores.drift, stores.ledger, rules.engine, rules.rule_words)
    register_drift(server, drift, told, authorise, Turns())
    _register_tagging(server, authorise, ground, stores, marking)
    await server.start()
    ground.stack.push_async_callback(server.stop)
    return server


def _register_guards(
    server: ControlServer,
    ground: Ground,
    rules: Rules,
    stores: Stores,
    marking: Marking,
    judging: Judging,
    way_in: WayIn,
) -> None:
    async def keys(place: Location) -> Sequence[str]:
        data = rules.registry.data
        ours = [key.id for key in data.keys if key.provider == place.provider] if data is not None else []
        return await judging.destinations.named(place, ours)

    guarded = JudgeGuarded(judging.judge, PeerActors(ground.clock), way_in.takes)
    remedies = FindRemedy(judging.connectors, judging.assessor, stores.index, keys, marking.marked)
    register_guards(server, guarded, remedies)


def _seal(ground: Ground, rules: Rules, stores: Stores, marking: Marking) -> SealFile:
    return SealFile(
        stores.index,
        lambda: [recipient.key for recipient in rules.registry.recipients],
        AgeCipher(),
        stores.audit,
        ground.clock,
        decision_id,
        marking.marked,
    )


def _unseal(ground: Ground, stores: Stores, marking: Marking) -> UnsealFile:
    return UnsealFile(stores.index, marking.protect, stores.audit, ground.clock, decision_id)


def _register_appeals(
    server: ControlServer,
    authorise: Authorise,
    turns: Turns,
    ground: Ground,
    rules: Rules,
    stores: Stores,
    marking: Marking,
    records: FolderRecords,
) -> None:
    index, audit, clock = stores.index, stores.audit, ground.clock
    examine = Examine(index, marking.reader, index)

    def told() -> Iterator[Mapping[str, Any]]:
        return (record.decoded() for record in of_kinds(ground.settings.audit_folder, (KIND,)))

    def appeals(user: str | None) -> list[dict[str, Any]]:
        return listed(told(), index.cleared(), user)

    answer = AnswerAppeal(examine, index, SignedReleases(rules.trust, clock), audit, clock, decision_id, told)
    ground.background(_settled(answer), "appeals")
    register_appeals(
        server,
        AskForRelease(records, examine, audit, clock, decision_id, stores.log.key),
        answer,
        appeals,
        authorise,
        turns,
    )


async def _settled(answer: AnswerAppeal) -> None:
    """Once; an index or an audit that cannot be read is asked anew."""
    while True:
        try:
            over = await answer.settle()
        except HaechiError as error:
            log.error("appeals-not-settled", cause=error.code)  # noqa: TRY400 - its code says it; it is tried again
            await asyncio.sleep(AGAIN_S)
            continue
        if over:
            log.error("appeals-came-back", contents=over)
        return


def _register_tagging(
    server: ControlServer, authorise: Authorise, ground: Ground, stores: Stores, marking: Marking
) -> None:
    loop = asyncio.get_running_loop()

    def record(released: Released, peer: Peer) -> None:
        """Called in a worker thread: a loosening is carried out only once it is durable."""
        event = release_event(released, decision_id(), ground.clock.now(), peer.user)
        wait_for(stores.audit.durable(event), loop, RECORDED_WITHIN_S)

    async def tagged(report: TagReport, peer: Peer) -> None:
        if report.files:
            event = tag_event(report.files, decision_id(), ground.clock.now(), peer.user)
            await Recorder(stores.audit, decision_id, ground.metrics).certainly(event)

    async def refused(path: str, error: HaechiError, peer: Peer) -> None:
        event = release_refused_event(path, error, decision_id(), ground.clock.now(), peer.user)
        await stores.audit.durable(event)

    calls = TagCalls(marking.tagging, record, tagged, refused, authorise, marking.cover, marking.misunderstood)
    server.register("tags.index", calls.index, Role.ENGINEER, timeout=HOUR)
    server.register("tags.list", calls.list, Role.ENGINEER)
    server.register("tags.release", calls.release, Role.ENGINEER)
    server.register("tags.catalogue", calls.catalogue, Role.ENGINEER)


def wait_for(recording: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Wait in a thread for what the loop does. Raises its error, or ``HaechiError('audit.late')``: a loop that is busy
    or ends must not keep the thread.
    """
    waiting = asyncio.run_coroutine_threadsafe(recording, loop)
    try:
        waiting.result(seconds)
    except TimeoutError as error:
        waiting.cancel()
        raise HaechiError("audit.late", seconds=seconds) from error
