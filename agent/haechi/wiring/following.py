"""What was signed anew takes effect while the agent runs: trust list, registry, policies, and what follows from them.

Everything is looked at every ``LOOK_EVERY_S``, in the order in which one can void the next. What cannot be put in force
leaves what was in force, and the part says so in ``haechi status``, in the log and in a counter. A step that fails in a
way that nobody foresaw says so too, and keeps no other from being taken: a registry that breaks the looking must not
keep a revoked policy in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from haechi.app.recording import change_event
from haechi.domain.errors import HaechiError
from haechi.domain.registry import CloudAccount, Site
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.judge import Judging
from haechi.wiring.marking import Marking
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores
from haechi.wiring.way_in import WayIn

LOOK_EVERY_S = 2.0
"""An order must take effect within 30 s; a revoked key's signatures as soon as can be."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Following:
    """Looks for changes, for ever."""

    ground: Ground
    rules: Rules
    stores: Stores
    marking: Marking
    judging: Judging
    way_in: WayIn
    failed: dict[str, HaechiError] = field(default_factory=dict)
    """Steps that cannot be taken now (``trust``, ``registry``, ``policy``, ``scope``), and why."""
    _named: tuple[tuple[Site, ...], tuple[CloudAccount, ...]] = field(init=False)
    _told: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._named = self._names()

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Look once, and put in force what changed."""
        await self._step("trust", self._trust)
        await self._step("registry", self._registry)
        await self._step("policy", self._policies)
        await self._step("scope", self._scope)

    async def _step(self, what: str, take: Callable[[], Awaitable[HaechiError | None]]) -> None:
        """One step, which says what is refused. What it raises is kept from the others."""
        try:
            problem = await take()
        except Exception as error:
            problem = HaechiError("change.look-failed", what=what, why=f"{type(error).__name__}: {error}")
            if what not in self.failed:
                log.exception("change.look-failed", what=what)
            self.failed[what] = problem
        else:
            self.failed.pop(what, None)
        self._tell(what, problem)

    async def _scope(self) -> HaechiError | None:
        if self._names() != self._named and self.rules.registry.data is not None:
            self._named = self._names()
            self.judging.follow()
        await self.way_in.follow(self.judging.scope, self.rules.engine.choices.networks, void=self.rules.policies.void)
        return self.way_in.problem

    async def _trust(self) -> HaechiError | None:
        trust = self.rules.trust
        before = trust.revision
        if await asyncio.to_thread(trust.refresh):
            self._changed("trust", before, trust.revision)
        return trust.problem

    async def _registry(self) -> HaechiError | None:
        registry = self.rules.registry
        before = registry.revision
        if await asyncio.to_thread(registry.refresh):
            self._changed("registry", before, registry.revision, registry.problem if registry.data is None else None)
        return registry.problem

    async def _policies(self) -> HaechiError | None:
        earlier = self.rules.engine.in_force
        if await self.rules.policies.look():
            self.ground.metrics.count("haechi_changes_total", what="policy")
            self.marking.follow(earlier, self.rules.engine.in_force)
        return self.rules.policies.problem

    def _changed(self, what: str, before: str, after: str, cause: HaechiError | None = None) -> None:
        """Count and record what is in force already: it was signed, or what signed it is void."""
        self.ground.metrics.count("haechi_changes_total", what=what)
        log.warning("change.in-force", what=what, before=before, after=after)
        self.stores.audit.later(change_event(what, before, after, decision_id(), self.ground.clock.now(), cause))

    def _tell(self, what: str, problem: HaechiError | None) -> None:
        """Count a refusal once, not with every look."""
        code = problem.code if problem else ""
        if code and code != self._told.get(what):
            self.ground.metrics.count("haechi_changes_refused_total", what=what, cause=code)
            log.error("change.refused", what=what, cause=code)
        self._told[what] = code

    def _names(self) -> tuple[tuple[Site, ...], tuple[CloudAccount, ...]]:
        data = self.rules.registry.data
        return (data.watched, data.accounts) if data else ((), ())
