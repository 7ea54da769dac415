"""The agent: every part is made here, once, and handed what it needs. The only place that knows them all.

Order of starting: what others ask first (policy, registry, audit, index), then the judge, then the ways in. Stopping is
the reverse, so nothing asks a part that is gone. A part that cannot start ends the agent with a named error: half an
agent would look like protection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import os
import secrets
import signal
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from haechi_connectors.generic.connector import GenericConnector
from haechi_connectors.s3.connector import S3Connector
from haechi_connectors.s3.posture import S3Posture
from haechi_connectors.s3.posture_clients import Access as StoreAccess
from haechi_connectors.s3.posture_clients import Clients

from haechi import __version__
from haechi.app.assessing import Assessor
from haechi.app.checking import CheckFile
from haechi.app.everywhere import Everywhere
from haechi.app.explaining import ExplainDecision
from haechi.app.indexing import Indexing
from haechi.app.indexing import Progress as ScanProgress
from haechi.app.judging import Holds, JudgeUploads
from haechi.app.preparations import Preparations
from haechi.app.proving import ProveTools, RecentDecisions
from haechi.app.recording import Recorder, release_event
from haechi.app.refusing import RefusalWriter, SpokenRule
from haechi.app.sealing import SealFile
from haechi.app.status import Part, ReportStatus
from haechi.app.tagging import Released, Tagging
from haechi.app.unsealing import UnsealFile
from haechi.domain.facts import JSON
from haechi.domain.names import host_name
from haechi.domain.scope import Scope
from haechi.domain.tags import Funding, Grade, Tag
from haechi.inbound.control.calls import HOUR, register_answers, register_sealing
from haechi.inbound.control.peer import Peer, Role, authorisation
from haechi.inbound.control.server import Access, ControlServer, Progress
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.datapath import DataPath
from haechi.inbound.envoy.settings import DataPathSettings, HostOverride, UpstreamProxy
from haechi.inbound.envoy.trust import system_roots, write_bundle
from haechi.inbound.watch.calls import TagCalls
from haechi.inbound.watch.watcher import Watcher
from haechi.outbound.actors.attribution import SocketActors
from haechi.outbound.audit.limits import AuditSettings
from haechi.outbound.audit.log import SegmentedAuditLog
from haechi.outbound.audit.records import FolderRecords
from haechi.outbound.clock import SystemClock
from haechi.outbound.destinations.cache import CachedDestinations
from haechi.outbound.engine.folder import in_force
from haechi.outbound.engine.signature import SignedPolicies
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.index.excluding import excluding
from haechi.outbound.index.reading import FileReader
from haechi.outbound.index.sqlite import SqliteContentIndex
from haechi.outbound.ledger.assemblies import SqliteAssemblies
from haechi.outbound.ledger.objects import SqliteObjectLedger
from haechi.outbound.notify.desktop import DesktopNotices, notifier
from haechi.outbound.places import prepare_folders
from haechi.outbound.registry.file import FileRegistry
from haechi.outbound.seal.age import AgeCipher
from haechi.outbound.self_tests import FileSelfTests
from haechi.outbound.system.anchors import trusts
from haechi.outbound.tags.attribute import ATTRIBUTE, AttributeTags, attribute_text
from haechi.outbound.tags.catalogue import load_catalogue
from haechi.outbound.tags.folder import FolderTags
from haechi.outbound.tags.policy import PolicyTags
from haechi.outbound.tags.sources import FileTagSources
from haechi.outbound.telemetry import logs
from haechi.outbound.telemetry.prometheus import PrometheusMetrics, serve, write_regularly
from haechi.outbound.trust.keys import SigningKey
from haechi.outbound.trust.releases import SignedReleases
from haechi.outbound.trust.store import TrustStore
from haechi.ports.engine import RuleInfo
from haechi.ports.judge import Hold
from haechi.ports.protection import Observed
from haechi.ports.system import FORWARDED_V4, FORWARDED_V6
from haechi.settings import Layout, Settings
from haechi.words import language, say

REGISTRY_EVERY_S = 3.0
"""How often the signed files are looked at: an order must take effect within 30 s."""
HOME_REGION = "ap-northeast-2"
"""Where most uploads go: its clients are made at the start, because loading the SDK takes a second."""
ID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read as a digit."""

log = structlog.get_logger(__name__)


def decision_id() -> str:
    """A fresh id that a person can read out: 60 random bits in base 32."""
    bits = secrets.randbits(60)
    return "hd-" + "".join(ID_ALPHABET[bits >> shift & 31] for shift in range(0, 60, 5))


async def run_agent(settings: Settings) -> int:
    """Run until told to stop (SIGTERM, SIGINT). Raises ``HaechiError`` where a part cannot start."""
    logs.configure(settings.telemetry.log_level, settings.telemetry.log)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        agent = Agent(settings, stack)
        await agent.start()
        gc.collect()
        gc.freeze()  # what lives as long as the agent need not be gone through again in the middle of an upload
        log.info(
            "agent ready", version=__version__, layout=settings.paths.layout.value, proxy=agent.data_path.proxy_port
        )
        await stopping.wait()
        log.info("agent stopping")
    return 0


class Agent:
    """The parts of one agent, made in ``start`` and taken down in reverse order by ``stack``."""

    data_path: DataPath
    _scanning: dict[str, Any] | None = None

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._stack = stack
        self._clock = SystemClock()
        self._metrics = PrometheusMetrics()
        self._lang = language() if settings.language == "auto" else settings.language

    async def start(self) -> None:
        """Make and start every part."""
        prepare_folders(self._paths)
        self._start_telemetry()
        await self._start_rules()
        self._start_stores()
        self._start_judge()
        await self._start_data_path()
        await self._start_control()
        self._start_watching()

    def _start_telemetry(self) -> None:
        """Numbers and notices: of use to people, never to a verdict."""
        wanted, notices = self._settings.telemetry, self._settings.notify
        if wanted.metrics == "http":
            _, stop = serve(self._metrics, wanted.metrics_port)
            self._stack.callback(stop)
        elif wanted.metrics == "textfile":
            file = wanted.textfile or self._paths.state / "haechi.prom"
            self._background(write_regularly(self._metrics, file, wanted.textfile_interval, log))
        program = notifier() if notices.desktop and self._paths.layout is Layout.USER else ""
        self._notices = DesktopNotices(program, notices.per_minute, self._clock, self._metrics)
        self._stack.push_async_callback(self._notices.close)

    # --- what decides ---------------------------------------------------------------------------------------------

    async def _start_rules(self) -> None:
        """Trust, registry and policy engine."""
        settings, paths = self._settings, self._paths
        self._trust = TrustStore.load(settings.trust_path, self._clock)
        self._registry = await asyncio.to_thread(
            FileRegistry, settings.registry_path, self._trust, paths.state / "registry"
        )
        self._background(self._keep_registry_fresh())
        self._engine = WorkerEngine(
            in_force(settings),
            settings.engine.deadline_ms,
            count=self._metrics.count,
            accept=SignedPolicies(self._trust),
        )
        await self._engine.start()
        self._stack.push_async_callback(self._engine.stop)

    async def _keep_registry_fresh(self) -> None:
        while True:
            await asyncio.sleep(REGISTRY_EVERY_S)
            if await asyncio.to_thread(self._registry.refresh):
                log.info("registry changed", revision=self._registry.revision)

    def _rule_words(self, rule_id: str, lang: str, params: Mapping[str, JSON]) -> SpokenRule:
        return self._engine.words(rule_id, lang, params)

    # --- what remembers -------------------------------------------------------------------------------------------

    def _start_stores(self) -> None:
        """Audit, index, ledgers."""
        settings, paths = self._settings, self._paths
        limits = AuditSettings(
            flush_seconds=settings.audit.flush_ms / 1000,
            segment_bytes=settings.audit.segment_size,
            checkpoint_seconds=settings.audit.checkpoint_interval,
        )
        log_file = SegmentedAuditLog(
            settings.audit_folder,
            SigningKey.load_or_make(paths.keys / "checkpoint.pem"),
            self._clock,
            limits,
            metrics=self._metrics,
            about={"version": __version__, "layout": paths.layout.value},
        )
        self._audit_log = log_file.start()
        self._stack.callback(log_file.close)
        self._audit = RecentDecisions(log_file)
        self._index, damaged = SqliteContentIndex.recover(paths.index)
        self._stack.callback(self._index.close)
        if damaged is not None:
            log.error("the index was damaged and is made anew", kept=str(damaged))
        self._start_index()
        self._assemblies = SqliteAssemblies(paths.ledger, self._clock)
        self._stack.callback(self._assemblies.close)
        self._ledger = SqliteObjectLedger(paths.state / "objects.sqlite", self._clock)
        self._stack.callback(self._ledger.close)

    # --- what judges ----------------------------------------------------------------------------------------------

    def _start_judge(self) -> None:
        """Connectors, live facts, the use case."""
        sites = self._registry.sites
        s3 = S3Connector(sites)
        self._connectors = (s3, GenericConnector())
        local = self._settings.scope
        self._scope = self._engine.choices.scope(
            (*s3.scope, *(host_name(site.host) for site in sites)), local.patterns, local.add
        )
        posture = S3Posture(Clients(self._store_access()), self._accounts, self._clock, sites=sites)
        self._stack.callback(posture.close)
        self._background(asyncio.to_thread(posture.warm, HOME_REGION))
        wanted = self._settings.destinations
        readers = dict.fromkeys({"aws", *(site.provider for site in sites)}, posture)
        self._destinations = CachedDestinations(
            readers, self._clock, self._metrics, ttl=wanted.ttl, unknown_ttl=wanted.unknown_ttl
        )
        self._stack.push_async_callback(self._destinations.close)
        self._actors = SocketActors(self._clock, self._metrics, listeners=self._listeners)
        self._stack.callback(self._actors.close)
        self._assessor = Assessor(
            self._engine, self._destinations, self._destinations, self._registry, self._index, self._clock
        )
        self._judge = JudgeUploads(
            self._connectors,
            self._assessor,
            self._index,
            self._actors,
            self._assemblies,
            self._ledger,
            Recorder(self._audit, decision_id),
            RefusalWriter(self._rule_words, self._lang),
            self._clock,
            self._metrics,
            Preparations(),
            Holds(Hold(self._settings.datapath.hold_home), Hold(self._settings.datapath.hold_abroad)),
            self._notify,
        )

    def _notify(self, message: str) -> None:
        self._notices.show(say("notice.refused", self._lang), message)

    def _accounts(self, provider: str) -> tuple[str, ...]:
        data = self._registry.data
        return tuple(account.id for account in data.accounts if account.provider == provider) if data else ()

    def _store_access(self) -> StoreAccess:
        wanted, path = self._settings.destinations, self._settings.datapath
        bundle = self._paths.private_runtime / "store-roots.pem"
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

    def _listeners(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", self.data_path.proxy_port)]

    # --- ways in --------------------------------------------------------------------------------------------------

    async def _start_data_path(self) -> None:
        paths = self._paths
        self._authority = await asyncio.to_thread(Authority.open, paths.keys / "authority", self._scope)
        self.data_path = DataPath(
            data_path_settings(self._settings, self._scope, self._engine.choices.networks),
            self._judge,
            self._authority,
            paths.private_runtime,
            log,
            public_dir=paths.public,
        )
        await self.data_path.start()
        self._stack.push_async_callback(self.data_path.stop)

    async def _start_control(self) -> None:
        authorise = authorisation(self._settings.control.officer_group)
        access = Access.MACHINE if self._paths.layout is Layout.SERVICE else Access.PRIVATE
        server = ControlServer(self._paths.control_socket, authorise, log, access=access, metrics=self._metrics)
        register_sealing(server, self._seal(), self._unseal())
        register_answers(
            server,
            check=CheckFile(self._connectors, self._assessor, self._index, self._engine, self._rule_words),
            explain=ExplainDecision(
                FolderRecords(self._settings.audit_folder), self._engine, self._rule_words, self._rule_text
            ),
            status=ReportStatus(self._about, self._parts()),
            prove=ProveTools(
                self._audit,
                self._protect_synthetic,
                self._release_synthetic,
                secrets.token_bytes,
                FileSelfTests(self._paths.state / "self-test.json"),
            ),
            authorise=authorise,
        )

        async def describe(args: dict[str, Any], peer: Peer, progress: Progress) -> dict[str, Any]:
            return self.data_path.describe()

        server.register("datapath.describe", describe, Role.ANYONE)
        self._register_tagging(server)
        await server.start()
        self._stack.push_async_callback(server.stop)

    # --- tags and watching ----------------------------------------------------------------------------------------

    def _start_index(self) -> None:
        """What is tagged, and how it is found."""
        policies = in_force(self._settings)
        catalogue = load_catalogue(policies / "catalogue.yaml")
        self._attributes = AttributeTags(catalogue)
        by_policy = PolicyTags.from_data(self._engine.choices.tag_rules, catalogue)
        sources = FileTagSources(self._attributes, FolderTags(catalogue), by_policy)
        self._reader = FileReader(self._index.seed)
        self._indexing = Indexing(self._index, sources, self._reader, exclude=excluding(self._settings.watch.exclude))
        self._tagging = Tagging(
            self._index,
            self._indexing,
            catalogue,
            SignedReleases(self._trust, self._clock),
            Everywhere(lambda path: self._reader.read(path)[1].digest),
            self._clock.now,
        )

    def _start_watching(self) -> None:
        """Go through the watched folders at once, then follow the events."""
        roots = [str(root) for root in self._settings.watch_roots]
        self._watcher = Watcher(self._indexing, roots, rescan=self._settings.watch.rescan, progress=self._note_scan)
        self._watcher.start()
        self._stack.callback(self._watcher.stop)

    def _note_scan(self, progress: ScanProgress) -> None:
        """Called a few times a second while folders are gone through; an empty folder says that it is done."""
        self._scanning = dataclasses.asdict(progress) if progress.folder else None

    async def _protect(self, plain: int, path: str, tags: Sequence[Tag]) -> Mapping[str, str]:
        """Protect the content of an open file that will be called ``path``."""
        stamp, body = await asyncio.to_thread(self._reader.read, f"/proc/self/fd/{plain}")
        await asyncio.to_thread(self._index.observe, [Observed(path, stamp, tuple(tags), body)])
        return {ATTRIBUTE: attribute_text(tuple(tags))}

    async def _protect_synthetic(self, name: str, content: bytes) -> None:
        path = self._paths.state / "private" / name
        path.write_bytes(content)
        tag = Tag("SEM-01", Grade.A, Funding.GOVERNMENT, "haechi doctor", self._clock.now())
        await asyncio.to_thread(self._indexing.examine, [str(path)], (tag,))

    async def _release_synthetic(self, name: str) -> None:
        path = str(self._paths.state / "private" / name)
        known = self._index.file(path)
        await asyncio.to_thread(Path(path).unlink, missing_ok=True)
        if known is not None and known.digest:
            # Made by the agent for this purpose alone, so that no release of anyone's is needed.
            await asyncio.to_thread(self._index.release, known.digest, ())

    # --- sealing --------------------------------------------------------------------------------------------------

    def _seal(self) -> SealFile:
        return SealFile(
            self._index,
            lambda: [recipient.key for recipient in self._registry.recipients],
            AgeCipher(),
            self._audit,
            self._clock,
            decision_id,
            self._marked,
        )

    def _marked(self, descriptor: int, path: str) -> Sequence[Tag]:
        return self._attributes.read(f"/proc/self/fd/{descriptor}").tags

    def _unseal(self) -> UnsealFile:
        return UnsealFile(self._index, self._protect, self._audit, self._clock, decision_id)

    # --- status ---------------------------------------------------------------------------------------------------

    def _about(self) -> dict[str, Any]:
        mode = "enforced" if self._paths.layout is Layout.SERVICE else "cooperative"
        return {"version": __version__, "mode": mode, "pid": os.getpid()}

    def _parts(self) -> dict[str, Part]:
        return {
            "data_path": self._data_path_part,
            "authority": self._authority_part,
            "engine": self._engine_part,
            "index": self._index_part,
            "registry": self._registry_part,
            "audit": self._audit_part,
        }

    def _data_path_part(self) -> dict[str, Any]:
        said = self.data_path.describe()
        return {"state": "ok" if said["healthy"] else "failed", **said}

    def _authority_part(self) -> dict[str, Any]:
        """A changed scope makes a new root, which this machine has to be told about: clients break until then."""
        known = self._paths.layout is not Layout.SERVICE or trusts(self._authority.root_pem)
        return {
            "state": "ok" if known else "degraded",
            "not_after": self._authority.not_after.isoformat(),
            "problem": None if known else "install.root-not-trusted",
        }

    def _engine_part(self) -> dict[str, Any]:
        modes = self._engine.modes
        return {
            "state": "ok" if self._engine.ready else "failed",
            "revision": self._engine.revision,
            "rules": len(self._engine.rules),
            "mode": modes.default.value,
            "fail": modes.fail.value,
        }

    def _index_part(self) -> dict[str, Any]:
        unreadable, watched = self._index.unreadable(), self._watcher.status()
        problem = self._index.problem
        state = "ok"
        if problem is not None:
            state = "failed"
        elif not self._index.ready:
            state = "starting"
        elif unreadable or watched["unwatched"]:
            state = "degraded"
        return {
            "state": state,
            "cause": problem.code if problem else None,
            "files": len(self._index.files()),
            "unreadable": len(unreadable),
            "revision": self._index.revision,
            "scanning": self._scanning,
            **watched,
        }

    def _registry_part(self) -> dict[str, Any]:
        data, problem = self._registry.data, self._registry.problem
        return {
            "state": "ok" if data and problem is None else "degraded",
            "sequence": data.sequence if data else None,
            "issued_at": data.issued_at.isoformat() if data else None,
            "problem": problem.code if problem else None,
        }

    def _audit_part(self) -> dict[str, Any]:
        problem = self._audit_log.health
        counters = dataclasses.asdict(self._audit_log.counters)
        return {"state": "failed" if problem else "ok", "problem": problem.code if problem else None, **counters}

    def _rule_text(self, rule: RuleInfo) -> str:
        path = in_force(self._settings) / rule.file
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def _register_tagging(self, server: ControlServer) -> None:
        loop = asyncio.get_running_loop()

        def record(released: Released, peer: Peer) -> None:
            """Called in a worker thread: a loosening is carried out only once it is durable."""
            event = release_event(released, decision_id(), self._clock.now(), peer.user)
            asyncio.run_coroutine_threadsafe(self._audit.durable(event), loop).result()

        calls = TagCalls(self._tagging, record)
        server.register("tags.index", calls.index, Role.ENGINEER, timeout=HOUR)
        server.register("tags.list", calls.list, Role.ENGINEER)
        server.register("tags.release", calls.release, Role.ENGINEER)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)

        async def end() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        self._stack.push_async_callback(end)


def data_path_settings(settings: Settings, scope: Scope, networks: Sequence[str]) -> DataPathSettings:
    """The data path's part of the settings, in its own terms."""
    path = settings.datapath
    redirected = settings.paths.layout is Layout.SERVICE
    return DataPathSettings(
        scope=scope,
        envoy=path.envoy,
        proxy_port=path.proxy_port,
        redirect_tls_port=path.redirect_https_port if redirected else 0,
        redirect_plain_port=path.redirect_http_port if redirected else 0,
        redirect_addresses=(FORWARDED_V4, FORWARDED_V6) if redirected else (),
        hosts=tuple(_override(pattern, to) for pattern, to in path.hosts.items()),
        upstream_proxy=_upstream(path.upstream_proxy, path.no_proxy),
        extra_roots=path.extra_roots,
        concurrency=path.concurrency,
        buffer_bytes=path.buffer,
        spool_bytes=path.spool_limit,
        spool_dir=settings.spool_folder,
        provider_networks=tuple(networks),
    )


def _override(pattern: str, to: str) -> HostOverride:
    address, _, port = to.rpartition(":")
    return HostOverride(pattern, address.strip("[]"), int(port))


def _upstream(url: str, bypass: Sequence[str]) -> UpstreamProxy | None:
    if not url:
        return None
    at = urlsplit(url)
    return UpstreamProxy(at.hostname or "", at.port or 3128, tuple(bypass))
