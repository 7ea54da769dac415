"""Watch the containers that hold tagged content: read their settings again, and raise what turned worse.

Theory. Each container has a *baseline*: its facts when tagged content first went there. What was read now is held
against it (``haechi.domain.drift_aspects``), and the policies are asked about each change. A change is a *finding*
where it is worse by itself, where sight was lost, or where a rule speaks that did not speak before. What is no finding
moves the baseline on; a finding leaves it, so that it stays open until the facts are good again, or an officer accepts
it, which moves the baseline too. One finding a kind is open at a time::

    ──change──▶ OPEN ──facts as good as before──▶ MENDED
                 │ └──another change of the kind─▶ FOLLOWED (and a new one OPEN)
                 └────an officer, with a reason──▶ ACCEPTED

Each step is on record before it counts: a step whose record fails is taken at the next look. A failure that passes
(time-out, throttling) says nothing until it came ``PATIENCE`` times in a row. Must not know: how facts are read, where
state is kept, words but for the notice.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from haechi.app.asking import reason_of
from haechi.app.assessing import Assessor
from haechi.app.drift_findings import Findings, accepted, drift_event, findings
from haechi.app.drift_rules import JudgeChange, Rules
from haechi.app.lanes import side_by_side
from haechi.domain.actor import Actor
from haechi.domain.destination import Destination
from haechi.domain.drift import Aspect, Comparison, Drift, State
from haechi.domain.drift_aspects import causes, compare
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON, Unknown
from haechi.domain.upload import Location
from haechi.ports.audit import AuditLog
from haechi.ports.clock import Clock
from haechi.ports.cloud import NAMELESS, Finds
from haechi.ports.destinations import PASSING
from haechi.ports.drift import DriftLedger, Watched
from haechi.ports.engine import PolicyEngine
from haechi.ports.metrics import Metrics
from haechi.ports.objects import START, Holding, StoredObjects

PATIENCE: Final = 3
"""Looks in a row that may fail for a passing cause before what was known counts as lost. This project's choice."""
PAGE: Final = 256
FILES: Final = 8
MOST_NAMED: Final = 100
"""Objects that a finding's record names; it tells how many there are. All of them: ``haechi objects``."""
FIRST_S: Final = 30.0
"""Seconds after the start until the first look: whoever starts the agent has other things to do."""

Report = Callable[[Mapping[str, Any], int, int], Awaitable[None]]
"""Told of each container as it was looked at: what was found, how many are done, how many there are."""
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class WatchDrift:
    """The use case. ``assessors`` opens an assessor with a cache of its own, so that no upload's facts are displaced;
    ``changed`` is told of a container whose facts are no longer those that uploads may still be judged by.
    """

    objects: StoredObjects
    ledger: DriftLedger
    assessors: Callable[[str], AbstractAsyncContextManager[Assessor]]
    engine: PolicyEngine
    audit: AuditLog
    clock: Clock
    new_id: Callable[[], str]
    metrics: Metrics
    someone: Callable[[], Actor]
    changed: Callable[[Location], None] = lambda place: None
    notify: Callable[[Drift, int], object] = lambda drift, objects: None
    at_once: int = 4
    confirm: int = 16
    """Objects of each container that the store is asked for at each look: the next ones, round and round."""
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _awaited: bool = False
    _looked_at: float | None = None

    async def run(self, seconds: float) -> None:
        """For ever, every ``seconds``, a tenth sooner or later so that a fleet does not ask at once."""
        await asyncio.sleep(min(FIRST_S, seconds) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        while True:
            try:
                if not self._one.locked():  # somebody asked for a look: it is as good
                    await self()
            except HaechiError as error:
                log.error("drift.look-failed", cause=error.code)  # noqa: TRY400 - its code says it
            except Exception:  # what nobody foresaw must not end the watch: it would be silent from then on
                log.exception("drift.look-failed")
                self.metrics.count("haechi_drift_looks_total", outcome="failed")
            await asyncio.sleep(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - no secret

    @property
    def age(self) -> float | None:
        """Seconds since every container was last looked at; None before that."""
        return None if self._looked_at is None else self.clock.monotonic() - self._looked_at

    async def __call__(self, report: Report | None = None) -> dict[str, Any]:
        """Look at every container once: at most one read each. One look at a time: the next waits for it, and a third
        is told so.

        Raises ``HaechiError``: ``drift.busy``, ``ledger.…``, and what ``report`` raises.
        """
        if self._awaited:
            raise HaechiError("drift.busy")
        self._awaited = True
        try:
            await self._one.acquire()
        finally:
            self._awaited = False
        try:
            return await self._all(report)
        finally:
            self._one.release()

    async def _all(self, report: Report | None) -> dict[str, Any]:
        async with self.assessors("") as assessor:
            total, done, failed = await asyncio.to_thread(lambda: self.objects.containers), 0, 0
            telling = asyncio.Lock()

            async def lane(waiting: Iterator[Holding]) -> None:
                nonlocal done, failed
                for holding in waiting:
                    told = await self._looked(assessor, holding)
                    async with telling:  # one message after another
                        done, failed = done + 1, failed + bool(told["failed"])
                        if report is not None:
                            await report(told, done, max(total, done))

            async for page in self._pages():
                waiting = iter(page)
                await side_by_side(lane(waiting) for _ in range(min(self.at_once, len(page))))
            if not failed:
                self._looked_at = self.clock.monotonic()
            counts = await asyncio.to_thread(self.ledger.counts)
            return {"containers": done, "failed": failed, "open": sum(counts.values()), "kinds": dict(counts)}

    async def accept(self, drift_id: str, user: str, reason: str) -> Drift:
        """An officer knows of it, and it is to stay so: the baseline follows.

        Raises ``HaechiError``: ``drift.unknown``, ``drift.ended``, ``permit.reason``, ``audit.…``, ``ledger.…``.
        """
        async with self._one:  # no look in between may raise it anew
            drift = await asyncio.to_thread(self.ledger.find, drift_id)
            if drift is None:
                raise HaechiError("drift.unknown", id=drift_id)
            if drift.state is not State.OPEN:
                raise HaechiError("drift.ended", id=drift_id, state=drift.state.value)
            said = reason_of(reason)
            watched = await asyncio.to_thread(self.ledger.watched, drift.provider, drift.container)
            ended = dataclasses.replace(drift, state=State.ACCEPTED, ended=self.clock.now(), by=user, reason=said)
            await self._record(ended)
            if watched is not None:
                await asyncio.to_thread(self.ledger.keep, accepted(watched, ended))
            await asyncio.to_thread(self.ledger.put, ended)
            return ended

    # --- one container ----------------------------------------------------------------------------------------------

    async def _pages(self) -> AsyncIterator[Sequence[Holding]]:
        after = ("", "")
        while page := await asyncio.to_thread(self.objects.holdings, after, PAGE):
            yield page
            after = (page[-1].place.provider, page[-1].name)

    async def _looked(self, assessor: Assessor, holding: Holding) -> dict[str, Any]:
        """Look at one. What fails in our own stores keeps no other container from being looked at."""
        told: dict[str, Any] = {"provider": holding.place.provider, "container": holding.name, "failed": ""}
        try:
            return told | await self._look(assessor, holding)
        except HaechiError as error:
            log.error("drift.container-failed", provider=holding.place.provider, cause=error.code)  # noqa: TRY400
            self.metrics.count("haechi_drift_looks_total", outcome="failed")
            return told | {"failed": error.code, "open": 0}

    async def _look(self, assessor: Assessor, holding: Holding) -> dict[str, Any]:
        provider, name = holding.place.provider, holding.name
        facts = await assessor.destinations.facts(holding.place)
        known = await asyncio.to_thread(self.ledger.watched, provider, name)
        was = known.baseline if known else holding.facts or _nothing(holding)
        passing = sorted(PASSING & causes(facts))
        misses = (known.misses if known else 0) + 1 if passing else 0
        compared = compare(was, facts, PASSING, patient=misses < PATIENCE)
        rules = await self._judged(assessor, holding, was, facts, compared)
        made = findings(compared, rules, was, facts)
        opened = await self._settled(holding, made)
        read_at = known.read_at if passing and known else facts.read_at
        cause = passing[0] if passing else ""
        asked = known.asked if known else ""
        if not passing and facts.exists is True:
            asked = await self._confirmed(assessor, holding, asked)
        kept = Watched(provider, name, made.baseline, facts, read_at, misses, cause, asked)
        await asyncio.to_thread(self.ledger.keep, kept)
        if compared.changes:
            self.changed(holding.place)
        outcome = "passing-failure" if passing else "changed" if compared.changes else "same"
        self.metrics.count("haechi_drift_looks_total", outcome=outcome)
        return {"open": opened, "cause": cause}

    async def _confirmed(self, assessor: Assessor, holding: Holding, after: str) -> str:
        """Ask the store whether the next objects are there; up to which key it was asked, empty at the end."""
        finds, provider, name = assessor.destinations, holding.place.provider, holding.name
        if not isinstance(finds, Finds) or not self.confirm:
            return ""
        page = await asyncio.to_thread(
            self.objects.objects, (provider, name, after), self.confirm, provider=provider, container=name
        )
        for one in page:
            there = await finds.there(dataclasses.replace(holding.place, key=one.key))
            if there == Unknown(NAMELESS):
                continue
            if isinstance(there, Unknown):
                return after if there.cause in PASSING else ""  # one that may not be listed tells of the others too
            await asyncio.to_thread(self.objects.seen, one.position, one.since, there=there)
        return page[-1].key if len(page) == self.confirm else ""

    async def _judged(
        self, assessor: Assessor, holding: Holding, was: Destination, facts: Destination, compared: Comparison
    ) -> Mapping[Aspect, Rules | None]:
        if not compared.changes:
            return {}
        content = await asyncio.to_thread(self.objects.carried, holding.place.provider, holding.name)
        judge = JudgeChange(self.engine, assessor, self.someone())
        return await judge(holding.place, content, was, facts, [change.aspect for change in compared.changes])

    async def _settled(self, holding: Holding, made: Findings) -> int:
        """Raise what is new, end what is over. How many are open then."""
        provider, name = holding.place.provider, holding.name
        earlier = {one.kind: one for one in await asyncio.to_thread(self.ledger.open_in, provider, name)}
        for kind, found in made.found.items():
            before = earlier.pop(kind, None)
            if before is not None and found.is_of(before):
                continue  # raised once
            if before is not None:
                await self._end(before, State.FOLLOWED)
            told = (self.new_id(), provider, name, kind, found.was, found.now, self.clock.now(), found.rules)
            await self._raise(Drift(*told), holding)
        stay = [before for kind, before in earlier.items() if kind in made.open_still]
        for kind, before in earlier.items():
            if kind not in made.open_still:
                await self._end(before, State.MENDED)
        return len(made.found) + len(stay)

    async def _raise(self, drift: Drift, holding: Holding) -> None:
        """On record, then remembered, then told."""
        named = await asyncio.to_thread(
            self.objects.objects, START, MOST_NAMED, provider=drift.provider, container=drift.container
        )
        objects: list[Mapping[str, JSON]] = []
        for one in named:
            files: list[JSON] = [match.name for match in one.content.matches[:FILES]]
            objects.append({"key": one.key, "files": files, "decision": one.decision})
        await self._record(drift, objects, holding.objects)
        await asyncio.to_thread(self.ledger.put, drift)
        log.warning("drift.raised", id=drift.id, kind=drift.kind, provider=drift.provider, objects=holding.objects)
        self.notify(drift, holding.objects)

    async def _end(self, drift: Drift, state: State) -> None:
        ended = dataclasses.replace(drift, state=state, ended=self.clock.now())
        await self._record(ended)
        await asyncio.to_thread(self.ledger.put, ended)
        log.info("drift.ended", id=drift.id, kind=drift.kind, state=state.value)

    async def _record(self, drift: Drift, objects: Sequence[Mapping[str, JSON]] = (), total: int = 0) -> None:
        event = drift_event(drift, self.engine.revision, self.clock.now(), objects, total)
        await self.audit.durable(event)
        self.metrics.count("haechi_drift_findings_total", kind=drift.kind, state=drift.state.value)


def _nothing(holding: Holding) -> Destination:
    """Of a container whose facts nobody kept, nothing was known."""
    return Destination.unread(holding.place.provider, holding.place.container, Unknown("not-kept"))
