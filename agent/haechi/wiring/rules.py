"""What decides: whose signatures count, the institution's registry, the policies and their engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from haechi.app.recording import change_event
from haechi.app.refusing import SpokenRule
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.outbound.engine.archive import MAX_PACKED
from haechi.outbound.engine.compilations import KeptCompilations
from haechi.outbound.engine.compiler import Compiler, located, swept
from haechi.outbound.engine.folder import in_force, locate
from haechi.outbound.engine.following import FollowedPolicies
from haechi.outbound.engine.kept import KeptPolicies
from haechi.outbound.engine.loaded import Engine
from haechi.outbound.engine.signature import SignedPolicies
from haechi.outbound.engine.succession import Succession
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.fetching.http import HttpSource, Terms, proxy_for
from haechi.outbound.fetching.mirror import Mirror
from haechi.outbound.registry.file import FileRegistry
from haechi.outbound.system.program import trusted
from haechi.outbound.trust.file import TrustFile
from haechi.ports.audit import AuditLog
from haechi.ports.engine import RuleInfo
from haechi.settings.paths import Layout
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.registry import Registered, start_registry


@dataclass(frozen=True, slots=True)
class Rules:
    """Trust, registry and policy engine, started. ``policies`` keeps the engine to what is signed."""

    trust: TrustFile
    registry: FileRegistry
    engine: Engine
    policies: FollowedPolicies
    registered: Registered
    """Where the registry comes from, and how long ago that was asked."""
    mirror: Mirror | None = None
    """Keeps the copy of the policies' bundle, where it is fetched."""

    def rule_words(self, rule_id: str, lang: str, params: Mapping[str, JSON]) -> SpokenRule:
        """A rule's words, as the policies in force have them."""
        return self.engine.words(rule_id, lang, params)

    def rule_text(self, rule: RuleInfo) -> str:
        """The Rego of a rule in force."""
        return self.engine.in_force.text(rule)


async def start_rules(ground: Ground, audit: AuditLog) -> Rules:
    """Policies that may not be put in force are no reason not to start: what asks is refused, and told why.

    Raises ``HaechiError`` where the trust list cannot be read, or the program is not whole.
    """
    settings, paths = ground.settings, ground.paths
    trust = await asyncio.to_thread(TrustFile, settings.trust_path, ground.clock)
    registered = await start_registry(ground, trust)
    accept = SignedPolicies(trust)
    await asyncio.to_thread(swept, paths.private_runtime)
    compiler = KeptCompilations(await asyncio.to_thread(_compiler, ground), paths.state / "private" / "compiled")
    engine = _engine(ground, accept, compiler)

    async def record(before: str, after: str, void: HaechiError | None) -> None:
        """A loosening is carried out only once it is durable; what is void ends whatever the disk says."""
        event = change_event("policy", before, after, decision_id(), ground.clock.now(), void)
        if void is not None:
            audit.later(event)
        else:
            await audit.durable(event)

    mirror = await _mirror(ground)
    policies = FollowedPolicies(
        engine,
        accept,
        lambda: in_force(settings),
        record,
        KeptPolicies(paths.state / "policies"),
        Succession(paths.state / "policy-sequence.json", trust),
        own=settings.policy_folder,
        unconfirmed=mirror.unconfirmed if mirror else lambda now: None,
    )
    ground.stack.push_async_callback(engine.stop)
    await policies.start()
    if mirror is not None:
        ground.background(mirror.run(), "policy-mirror")
    _measure(ground, policies)
    return Rules(trust, registered.registry, engine, policies, registered, mirror)


async def _mirror(ground: Ground) -> Mirror | None:
    """The bundle's copy, asked for at once where there is none yet. Raises ``HaechiError('fetch.url')``."""
    settings, fetch = ground.settings, ground.settings.fetch
    file = settings.policy_bundle
    if not settings.policy_url or file is None:
        return None
    proxy = proxy_for(settings.policy_url, settings.datapath.upstream_proxy, settings.datapath.no_proxy)
    terms = Terms(MAX_PACKED, fetch.timeout, fetch.roots, settings.policy.token_file, proxy)
    source = HttpSource(settings.policy_url, terms)
    memory = file.with_name("policies.json")
    mirror = Mirror("policy", {file: source}, memory, settings.policy_url, fetch.interval, ground.clock, ground.metrics)
    if not file.is_file():
        await mirror.look()
    return mirror


def _measure(ground: Ground, policies: FollowedPolicies) -> None:
    """The issue in force as numbers; nothing where there is none."""

    def read(name: str) -> Callable[[], float | None]:
        def value() -> float | None:
            said = policies.facts(ground.clock.now())[name]
            return said if isinstance(said, int | float) else None

        return value

    for name in ("sequence", "age_seconds", "unconfirmed_seconds"):
        ground.metrics.gauge(f"haechi_policy_{name}", read(name))


def _engine(ground: Ground, accept: SignedPolicies, compiler: KeptCompilations) -> Engine:
    wanted, count = ground.settings.engine, ground.metrics.count
    if wanted.kind == "opa":
        from haechi.wiring.opa import opa_engine  # its client brings two HTTP libraries with it

        return opa_engine(wanted, count, accept, compiler)
    return WorkerEngine(
        locate(), wanted.deadline_ms, count=count, accept=accept, compiler=compiler, check=compiler.check
    )


def _compiler(ground: Ground) -> Compiler:
    """What it makes judges everybody: where the agent is a service, only root may be able to change it."""
    program, folder = located(ground.settings.engine.compiler), ground.paths.private_runtime
    if program is None or ground.paths.layout is not Layout.SERVICE:
        return Compiler(program, folder)
    try:
        sound = trusted(program.resolve(strict=True))
    except OSError as error:
        return Compiler(None, folder, f"{program}: {error.strerror}")
    return Compiler(program if sound else None, folder, f"{program} is not root's alone")
