"""What judges: the connectors, the live facts about destinations, who acts, and the use case over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from haechi_connectors.clouds import clouds
from haechi_connectors.generic.connector import GenericConnector
from haechi_connectors.generic.elsewhere import ElsewhereConnector

from haechi.app.assessing import Assessor
from haechi.app.concluding import Conclude
from haechi.app.elsewhere import Elsewhere
from haechi.app.holding import Holds
from haechi.app.judging import JudgeUploads
from haechi.app.permitting import Permits
from haechi.app.reassembling import Reassembly
from haechi.app.recording import Recorder
from haechi.app.refusing import RefusalWriter
from haechi.app.unpacking import Unpacking
from haechi.domain.names import host_name
from haechi.domain.registry import Site
from haechi.domain.scope import Scope, valid_pattern
from haechi.inbound.envoy.spool import Spool, SpoolBudget
from haechi.inbound.envoy.trust import system_roots, write_bundle
from haechi.outbound.actors.attribution import SocketActors
from haechi.outbound.destinations.cache import CachedDestinations
from haechi.outbound.notify.desktop import DesktopNotices
from haechi.outbound.registry.file import FileRegistry
from haechi.ports.cloud import Ask, Facts, Institution, Way
from haechi.ports.connector import Connector
from haechi.ports.judge import Hold, Judge
from haechi.ports.reads import Reads
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores
from haechi.words import say


class Connectors(Sequence[Connector]):
    """The connectors in force, asked in order. Other sites make others; a request keeps the one that it began with."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self.follow(sites)

    def follow(self, sites: Sequence[Site]) -> None:
        """The registry names these sites now."""
        known = tuple(cloud.connector(sites) for cloud in clouds())
        other = GenericConnector([site.host for site in sites])  # watched too where no cloud speaks its API
        self._now: tuple[Connector, ...] = (ElsewhereConnector(), *known, other)
        # Without their ports; a site that is an address needs no pattern: literal addresses are judged anyway.
        named = dict.fromkeys(host_name(pattern) for connector in (*known, other) for pattern in connector.scope)
        self.cloud = tuple(pattern for pattern in named if valid_pattern(pattern))

    @overload
    def __getitem__(self, at: int) -> Connector: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Connector]: ...
    def __getitem__(self, at: int | slice) -> Connector | Sequence[Connector]:
        return self._now[at]

    def __len__(self) -> int:
        return len(self._now)


@dataclass(slots=True)
class Judging:
    """The judge, and what others ask too."""

    ground: Ground
    rules: Rules
    connectors: Connectors
    asks: Mapping[str, Ask]
    """What asks each cloud, by the cloud's name."""
    facts: Mapping[str, Facts]
    destinations: CachedDestinations
    assessor: Assessor
    judge: JudgeUploads
    asked: Judge
    """The judge as the data path asks it: before it stands what self-tests of the tools are answered by."""

    @property
    def scope(self) -> Scope:
        """What is to be intercepted, by the policies and the registry that are in force and this machine's settings."""
        local = self.ground.settings.scope
        return self.rules.engine.choices.scope(self.connectors.cloud, local.patterns, local.add)

    def follow(self) -> None:
        """The registry names other sites or accounts: recognise the ones, read the facts anew."""
        sites = self.rules.registry.sites
        self.connectors.follow(sites)
        self.destinations.follow(readers(self.facts, sites))


def readers(facts: Mapping[str, Facts], sites: Sequence[Site]) -> dict[str, Facts]:
    """Who reads each provider's facts. The clouds of one provider (its own, and a site's) share it in their order."""
    found: dict[str, Facts] = {}
    for cloud in clouds():
        if cloud.name in facts:
            for provider in sorted(cloud.providers(sites)):
                found.setdefault(provider, facts[cloud.name])
    return found


def make_judge(
    ground: Ground,
    rules: Rules,
    stores: Stores,
    notices: DesktopNotices,
    permits: Permits,
    reads: Reads,
    listeners: Callable[[], list[tuple[str, int]]],
) -> Judging:
    """``listeners``: where clients connect, once that is known."""
    settings, registry = ground.settings, rules.registry
    connectors = Connectors(registry.sites)

    def notify(message: str) -> None:
        notices.show(say("notice.refused", ground.lang), message)

    asks = _asks(ground, registry)
    facts = {name: ask.facts() for name, ask in asks.items()}
    for reader in facts.values():
        ground.stack.callback(reader.close)
    ground.background(asyncio.to_thread(_warm, tuple(facts.values())), "warming")
    wanted = settings.destinations
    destinations = CachedDestinations(
        readers(facts, registry.sites),
        ground.clock,
        ground.metrics,
        ttl=wanted.ttl,
        unknown_ttl=wanted.unknown_ttl,
    )
    ground.stack.push_async_callback(destinations.close)
    actors = SocketActors(ground.clock, ground.metrics, listeners=listeners)
    ground.stack.callback(actors.close)
    assessor = Assessor(
        rules.engine,
        destinations,
        destinations,
        registry,
        stores.index,
        ground.clock,
        stores.sent,
        rules.policies.facts,
        reads,
    )
    unpacking = Unpacking(settings.datapath.unpack_threads)
    ground.stack.callback(unpacking.close)
    room = SpoolBudget(settings.datapath.parts_limit)
    reassembly = Reassembly(
        stores.index,
        stores.assemblies,
        unpacking,
        lambda: Spool(settings.spool_folder, room),
        objects=settings.datapath.parts_objects,
    )
    conclude = Conclude(
        assessor,
        stores.ledger,
        Recorder(stores.audit, decision_id, ground.metrics),
        permits,
        RefusalWriter(rules.rule_words, ground.lang),
        ground.clock,
        notify,
    )
    judge = JudgeUploads(
        connectors,
        assessor,
        stores.index,
        actors,
        stores.assemblies,
        stores.ledger,
        conclude,
        ground.clock,
        ground.metrics,
        unpacking,
        reassembly,
        Holds(Hold(settings.datapath.hold_home), Hold(settings.datapath.hold_abroad)),
    )
    asked = Elsewhere(judge, ElsewhereConnector(), stores.audit.proofs)
    return Judging(ground, rules, connectors, asks, facts, destinations, assessor, judge, asked)


def _warm(facts: Sequence[Facts]) -> None:
    for reader in facts:
        reader.warm()


def _asks(ground: Ground, registry: FileRegistry) -> dict[str, Ask]:
    """What asks each cloud, each with its own part of the settings' credentials."""
    wanted, path = ground.settings.destinations, ground.settings.datapath
    bundle = ground.paths.private_runtime / "store-roots.pem"
    write_bundle(bundle, system_roots(), path.extra_roots)
    institution = Institution(registry.accounts, lambda: registry.sites)
    found: dict[str, Ask] = {}
    for cloud in clouds():
        way = Way(
            bundle,
            path.hosts,
            wanted.endpoints,
            path.upstream_proxy,
            wanted.connect_timeout,
            wanted.read_timeout,
            wanted.credentials_of(cloud.name),
        )
        ask = cloud.ask(way, institution, ground.clock)
        if ask is not None:
            found[cloud.name] = ask
    return found
