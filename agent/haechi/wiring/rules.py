"""What decides: whose signatures count, the institution's registry, the policies and their engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from haechi.app.refusing import SpokenRule
from haechi.domain.facts import JSON
from haechi.outbound.engine.folder import in_force
from haechi.outbound.engine.signature import SignedPolicies
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.registry.file import FileRegistry
from haechi.outbound.trust.store import TrustStore
from haechi.ports.engine import RuleInfo
from haechi.wiring.ground import Ground

REGISTRY_EVERY_S = 3.0
"""How often the signed files are looked at: an order must take effect within 30 s."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """Trust, registry and policy engine, started."""

    ground: Ground
    trust: TrustStore
    registry: FileRegistry
    engine: WorkerEngine

    def rule_words(self, rule_id: str, lang: str, params: Mapping[str, JSON]) -> SpokenRule:
        """A rule's words, as the policies in force have them."""
        return self.engine.words(rule_id, lang, params)

    def rule_text(self, rule: RuleInfo) -> str:
        """The Rego of a rule in force."""
        return self.engine.in_force.text(rule)

    async def keep_registry_fresh(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(REGISTRY_EVERY_S)
            if await asyncio.to_thread(self.registry.refresh):
                log.info("registry changed", revision=self.registry.revision)


async def start_rules(ground: Ground) -> Rules:
    """Raises ``HaechiError`` where the trust list or the policies may not be put in force."""
    settings, paths = ground.settings, ground.paths
    trust = TrustStore.load(settings.trust_path, ground.clock)
    registry = await asyncio.to_thread(FileRegistry, settings.registry_path, trust, paths.state / "registry")
    engine = WorkerEngine(
        in_force(settings), settings.engine.deadline_ms, count=ground.metrics.count, accept=SignedPolicies(trust)
    )
    await engine.start()
    ground.stack.push_async_callback(engine.stop)
    made = Rules(ground, trust, registry, engine)
    ground.background(made.keep_registry_fresh())
    return made
