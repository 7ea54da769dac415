"""What judges: the connectors, the live facts about destinations, who acts, and the use case over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from haechi_connectors.generic.connector import GenericConnector
from haechi_connectors.s3.connector import S3Connector
from haechi_connectors.s3.posture import S3Posture
from haechi_connectors.s3.posture_clients import Access as StoreAccess
from haechi_connectors.s3.posture_clients import Clients

from haechi.app.assessing import Assessor
from haechi.app.judging import Holds, JudgeUploads
from haechi.app.recording import Recorder
from haechi.app.refusing import RefusalWriter
from haechi.domain.names import host_name
from haechi.domain.scope import Scope
from haechi.inbound.envoy.trust import system_roots, write_bundle
from haechi.outbound.actors.attribution import SocketActors
from haechi.outbound.destinations.cache import CachedDestinations
from haechi.outbound.notify.desktop import DesktopNotices
from haechi.ports.connector import Connector
from haechi.ports.judge import Hold
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores
from haechi.words import say

HOME_REGION = "ap-northeast-2"
"""Where most uploads go: its clients are made at the start, because loading the SDK takes a second."""


@dataclass(frozen=True, slots=True)
class Judging:
    """The judge, and what others ask too."""

    connectors: Sequence[Connector]
    scope: Scope
    assessor: Assessor
    judge: JudgeUploads


def make_judge(
    ground: Ground,
    rules: Rules,
    stores: Stores,
    notices: DesktopNotices,
    listeners: Callable[[], list[tuple[str, int]]],
) -> Judging:
    """``listeners``: where clients connect, once that is known."""
    settings, registry = ground.settings, rules.registry
    sites = registry.sites
    s3 = S3Connector(sites)
    connectors = (s3, GenericConnector())
    scope = rules.engine.choices.scope(
        (*s3.scope, *(host_name(site.host) for site in sites)), settings.scope.patterns, settings.scope.add
    )

    def accounts(provider: str) -> tuple[str, ...]:
        data = registry.data
        return tuple(account.id for account in data.accounts if account.provider == provider) if data else ()

    def notify(message: str) -> None:
        notices.show(say("notice.refused", ground.lang), message)

    posture = S3Posture(Clients(_store_access(ground)), accounts, ground.clock, sites=sites)
    ground.stack.callback(posture.close)
    ground.background(asyncio.to_thread(posture.warm, HOME_REGION))
    wanted = settings.destinations
    destinations = CachedDestinations(
        dict.fromkeys({"aws", *(site.provider for site in sites)}, posture),
        ground.clock,
        ground.metrics,
        ttl=wanted.ttl,
        unknown_ttl=wanted.unknown_ttl,
    )
    ground.stack.push_async_callback(destinations.close)
    actors = SocketActors(ground.clock, ground.metrics, listeners=listeners)
    ground.stack.callback(actors.close)
    assessor = Assessor(rules.engine, destinations, destinations, registry, stores.index, ground.clock)
    judge = JudgeUploads(
        connectors,
        assessor,
        stores.index,
        actors,
        stores.assemblies,
        stores.ledger,
        Recorder(stores.audit, decision_id),
        RefusalWriter(rules.rule_words, ground.lang),
        ground.clock,
        ground.metrics,
        Holds(Hold(settings.datapath.hold_home), Hold(settings.datapath.hold_abroad)),
        notify,
    )
    return Judging(connectors, scope, assessor, judge)


def _store_access(ground: Ground) -> StoreAccess:
    wanted, path = ground.settings.destinations, ground.settings.datapath
    bundle = ground.paths.private_runtime / "store-roots.pem"
    write_bundle(bundle, system_roots(), path.extra_roots)
    return StoreAccess(
        profile=wanted.aws_profile,
        credentials_file=wanted.aws_credentials_file,
        bundle=bundle,
        hosts=path.hosts,
        endpoints=wanted.endpoints,
        proxy=path.upstream_proxy,
        connect_timeout=wanted.connect_timeout,
        read_timeout=wanted.read_timeout,
    )
