"""The way in for uploads: the authority that mints certificates, and Envoy with its judge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from haechi.app.judging import JudgeUploads
from haechi.app.tunnelling import JudgeTunnels
from haechi.domain.errors import HaechiError
from haechi.domain.scope import Classification, Scope
from haechi.domain.upload import Request
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.datapath import DataPath
from haechi.inbound.envoy.settings import DataPathSettings, HostOverride, UpstreamProxy
from haechi.outbound.engine.following import InForce
from haechi.outbound.system.anchors import trusts
from haechi.ports.system import FORWARDED_V4, FORWARDED_V6
from haechi.settings import Layout, Settings
from haechi.wiring.ground import Ground
from haechi.wiring.judge import Judging
from haechi.wiring.rules import Rules

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class WayIn:
    """The data path, started. ``problem`` says why it does not have the scope that it should have."""

    ground: Ground
    authority: Authority
    data_path: DataPath
    problem: HaechiError | None = None
    _refused: tuple[Scope, tuple[str, ...]] | None = None

    @property
    def told(self) -> bool:
        """Whether clients trust the root because the machine was told of it (enforced mode)."""
        return self.ground.paths.layout is Layout.SERVICE and trusts(self.authority.root_pem)

    def takes(self, request: Request, proxy: str) -> bool:
        """Whether a request that goes by ``proxy`` (a URL; empty: by none) comes by this data path and is judged here.

        Redirected are the usual ports alone. TLS to a name that is out of scope passes unjudged.
        """
        if not proxy and self.ground.paths.layout is not Layout.SERVICE:
            return False  # the usual case of a guard without a data path: nothing more needs to be looked at
        at, host = urlsplit(proxy), urlsplit(f"//{request.host}")
        try:
            ours = at.port == self.data_path.proxy_port and at.hostname in ("127.0.0.1", "localhost", "::1")
            usual = host.port in (None, 443 if request.scheme == "https" else 80)
        except ValueError:  # a port that is none
            return False
        if not ours and (proxy or not usual):
            return False
        return request.scheme != "https" or (
            self.authority.scope.classify("", request.host) is not Classification.TUNNEL
        )

    async def follow(self, scope: Scope, networks: Sequence[str], *, void: HaechiError | None = None) -> None:
        """Take up the scope that policies and registry ask for. While policies are ``void``, what stands in for them
        takes nothing out of it.
        """
        if void is not None:
            scope = scope.joined(self.authority.scope)
        wanted = (scope, tuple(networks))
        if wanted == self._refused:
            return
        try:
            # Where this machine was told of the root, another one would break every name until root acts: keep it.
            await self.data_path.follow(*wanted, keep_root=self.told)
            self.problem = self._refused = None
        except HaechiError as error:
            self.problem = HaechiError("datapath.scope-refused", why=error.code, **error.params)
            # A disk that takes no new certificates is no answer about the scope: it is asked for again.
            self._refused = wanted if error.code != "datapath.authority-unwritable" else None
        except OSError as error:
            self.problem = HaechiError("datapath.scope-refused", why=error.strerror or type(error).__name__)


async def start_way_in(ground: Ground, rules: Rules, judging: Judging) -> WayIn:
    """Raises ``HaechiError('datapath.…')``."""
    paths = ground.paths
    # While there are no policies, the scope is not the institution's: no reason to make another root for it.
    none = rules.policies.state is InForce.NONE
    authority = await asyncio.to_thread(Authority.open, paths.keys / "authority", judging.scope, keep=none)
    data_path = DataPath(
        data_path_settings(ground.settings, judging.scope, rules.engine.choices.networks),
        judging.asked,
        authority,
        paths.private_runtime,
        log,
        public_dir=paths.public,
        tunnels=_tunnels(judging.judge),
        count=ground.metrics.count,
    )
    _count(ground, data_path)
    await data_path.start()
    ground.stack.push_async_callback(data_path.stop)
    return WayIn(ground, authority, data_path)


def _count(ground: Ground, data_path: DataPath) -> None:
    """The data path's own counters, where metrics are read."""
    metrics, tally, secrets = ground.metrics, data_path.processor.tally, data_path.secrets
    metrics.total("haechi_requests_failed_total", lambda: tally.failed)
    metrics.total("haechi_requests_abandoned_total", lambda: tally.abandoned)
    metrics.total("haechi_spool_full_total", lambda: tally.spool_full)
    metrics.total("haechi_names_refused_total", lambda: secrets.refused)
    metrics.total("haechi_envoy_restarts_total", lambda: data_path.restarts)


def _tunnels(judge: JudgeUploads) -> JudgeTunnels:
    """Judged by what judges the uploads."""
    end = judge.conclude
    return JudgeTunnels(judge.assessor, judge.actors, end.recorder, end.compose, judge.clock, judge.metrics, end.notify)


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
