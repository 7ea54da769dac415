"""The data path as one thing: certificates, judge's service and Envoy, started and stopped together."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import structlog

from haechi.domain.errors import HaechiError
from haechi.domain.scope import Scope
from haechi.durable import replace_file
from haechi.inbound.envoy import trust
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.bootstrap import as_text, bootstrap
from haechi.inbound.envoy.checks import CheckServer
from haechi.inbound.envoy.environment import boto_configuration
from haechi.inbound.envoy.pressure import AdminSocket, UnderWay, UpstreamPressure
from haechi.inbound.envoy.processor import Processor
from haechi.inbound.envoy.secrets import LeafSecrets
from haechi.inbound.envoy.settings import DataPathSettings
from haechi.inbound.envoy.supervisor import EnvoySupervisor, State, envoy_binary
from haechi.inbound.envoy.tunnels import ClosedTunnels, PassedTunnels, TunnelQuestions
from haechi.ports.judge import Judge
from haechi.ports.tunnels import Tunnels
from haechi.tasks import background, ended

_MAX_SOCKET_PATH = 100
_ROOT_WATCH_S = 300.0
_BEFORE_ENVOY_GIVES_UP = 0.9
"""The part of Envoy's patience that a judge may take for a check."""
_FINISH_S = 5.0
"""How long uploads that are on their way may take to end, before another scope cuts them off."""


class DataPath:
    """Envoy with its judge. ``runtime_dir`` becomes 0700: whoever reaches its socket gets keys of any host in scope.

    ``public_dir`` is where clients read the trust bundle (``bundle.pem``) and Java's trust store; by default
    ``runtime_dir``, which serves clients of the same user only.
    """

    def __init__(
        self,
        settings: DataPathSettings,
        judge: Judge,
        authority: Authority,
        runtime_dir: Path,
        log: structlog.typing.FilteringBoundLogger,
        *,
        public_dir: Path | None = None,
        tunnels: Tunnels | None = None,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        """``tunnels`` answers for those in doubt; without it they are closed. ``count`` gets the name of a metric."""
        self._count = count
        self._settings = settings
        self._authority = authority
        self._runtime_dir = runtime_dir
        self._public_dir = public_dir or runtime_dir
        self._log = log
        self._server: grpc.aio.Server | None = None
        self._supervisor: EnvoySupervisor | None = None
        self._watches: list[asyncio.Task[None]] = []
        self._tunnels = tunnels or ClosedTunnels()
        self._questions = TunnelQuestions(self._tunnels, log)
        self._admin = admin = AdminSocket(runtime_dir / "admin.sock")
        self._passed = PassedTunnels(admin, self._tunnels)
        self._under_way = UnderWay(admin)
        self._published = b""
        self.proxy_port = settings.proxy_port
        self.processor = Processor(
            judge,
            spool_dir=settings.spool_dir or runtime_dir,
            spool_bytes=settings.spool_bytes,
            log=log,
            answer_s=settings.judge_timeout_s,
            buffered=UpstreamPressure(admin).buffered,
        )
        self._checks = CheckServer(
            judge, self.processor.tally, log, answer_s=settings.judge_timeout_s * _BEFORE_ENVOY_GIVES_UP
        )
        self.secrets = LeafSecrets(
            authority,
            max_names=settings.max_names,
            log=log,
            publish=lambda: self._publish_roots(self._upstream_roots),
        )

    @property
    def healthy(self) -> bool:
        """Whether Envoy takes connections and the judge's service is up."""
        ready = self._supervisor is not None and self._supervisor.state is State.READY
        return ready and self._server is not None and _accepts(self.proxy_port)

    @property
    def bundle(self) -> Path:
        """The system's roots, the company's and ours."""
        return self._public_dir / "bundle.pem"

    @property
    def truststore(self) -> Path:
        """The same for Java."""
        return self._public_dir / "truststore.p12"

    @property
    def envoy_pid(self) -> int | None:
        """Envoy's process, while there is one."""
        return self._supervisor.pid if self._supervisor else None

    @property
    def restarts(self) -> int:
        """How often Envoy had to be started again."""
        return self._supervisor.restarts if self._supervisor else 0

    async def start(self) -> None:
        """Start all, and return when connections are taken.

        Raises ``HaechiError`` (``datapath.*``): what could not start, and why. Nothing is left running then.
        """
        binary = envoy_binary(self._settings.envoy)
        self._prepare_folders()
        system = trust.system_roots()
        upstream = self._upstream_roots
        trust.write_bundle(upstream, system, self._settings.extra_roots)
        settings = self._settings = self._with_ports()
        self._publish_roots(upstream)
        agent_socket = self._runtime_dir / "agent.sock"
        if len(str(agent_socket)) > _MAX_SOCKET_PATH:
            raise HaechiError("datapath.path-too-long", path=str(agent_socket), bound=_MAX_SOCKET_PATH)
        config = self._runtime_dir / "envoy.json"
        replace_file(config, self._configuration(settings))
        self._supervisor = EnvoySupervisor(
            binary,
            config,
            self._runtime_dir,
            lambda: _accepts(self.proxy_port),
            concurrency=settings.concurrency,
            linger_s=settings.linger_s,
            log=self._log,
            count=self._count,
        )
        try:
            await self._serve(agent_socket)
            await self._checks.start(self._runtime_dir / "checks.sock")
            await self._supervisor.start()
        except BaseException:
            await self.stop()
            raise
        self._watches = [
            background(self._watch_roots(upstream), "roots-watch", self._count),
            background(self._passed.run(lambda: self.envoy_pid), "tunnels-watch", self._count),
        ]

    async def follow(self, scope: Scope, networks: Sequence[str], *, keep_root: bool = False) -> bool:
        """Take up another scope; False where it is the one in force.

        Envoy is started anew, so that no connection goes on under the earlier one. The port stays; where the authority
        is not made for the new names, there is another root, which clients read in the bundle; with ``keep_root`` the
        root stays, and names that it is not made for get no certificate. Raises ``HaechiError``
        (``datapath.*``) where Envoy refuses the new configuration: everything stays as it was then.
        """
        settings = dataclasses.replace(self._settings, scope=scope, provider_networks=tuple(networks))
        if settings == self._settings or self._supervisor is None:
            return False
        trial = self._runtime_dir / "envoy-next.json"
        replace_file(trial, self._configuration(settings))
        await self._supervisor.check(trial)
        await self._under_way.ended(_FINISH_S)
        await self._passed.look(self.envoy_pid)
        told = await asyncio.to_thread(self._authority.rescope, scope, keep=keep_root)
        self._publish_roots(self._upstream_roots)
        trial.replace(self._runtime_dir / "envoy.json")
        self._settings = settings
        self._log.warning("datapath.scope-changed", mode=scope.mode.value, hosts=len(scope.patterns), new_root=told)
        try:
            await self._supervisor.restart()
        except HaechiError as error:  # it goes on trying, and until then nothing passes
            self._log.error("datapath.envoy-restart-failed", error=str(error))
        return True

    async def stop(self) -> None:
        """Stop all: Envoy first, so that nothing asks a judge that is gone. Safe to call twice."""
        watches, self._watches = self._watches, []
        for watch in watches:
            await ended(watch)
        if watches:
            await self._passed.look(self.envoy_pid)
        if self._supervisor is not None:
            await self._supervisor.stop()
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None
        if watches:  # nobody asks any more, and the loop that settles has ended
            await self._tunnels.settle(ending=True)
        await self._checks.stop()
        await self._admin.close()

    def describe(self) -> dict[str, Any]:
        """What a command needs to go through this data path (the answer to ``datapath.describe``)."""
        return {
            "proxy_host": "127.0.0.1",
            "proxy_port": self.proxy_port,
            "bundle": str(self.bundle),
            "truststore": str(self.truststore),
            "truststore_password": trust.TRUSTSTORE_PASSWORD,
            "boto": str(self._public_dir / "boto.cfg"),
            "healthy": self.healthy,
            "restarts": self.restarts,
            "redirect_tls_port": self._settings.redirect_tls_port,
            "redirect_plain_port": self._settings.redirect_plain_port,
            "scope": self._settings.scope.mode.value,
            "authority_not_after": self._authority.not_after.isoformat(),
            "refused_names": self.secrets.refused,
            "spool_left": self.processor.spool_left,
            "tunnels": self._tunnels.totals(),
            **dataclasses.asdict(self.processor.tally),
        }

    def _prepare_folders(self) -> None:
        self._runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._runtime_dir.chmod(0o700)
        self._public_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self._settings.spool_dir:
            self._settings.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def _upstream_roots(self) -> Path:
        return self._runtime_dir / "upstream-roots.pem"

    def _configuration(self, settings: DataPathSettings) -> bytes:
        agent, checks, admin = (str(self._runtime_dir / f"{name}.sock") for name in ("agent", "checks", "admin"))
        return as_text(bootstrap(settings, agent, checks, str(self._upstream_roots), admin)).encode()

    def _with_ports(self) -> DataPathSettings:
        if not self.proxy_port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.proxy_port = probe.getsockname()[1]
        return dataclasses.replace(self._settings, proxy_port=self.proxy_port)

    async def _serve(self, path: Path) -> None:
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                # Envoy asks every few seconds whether the agent still lives: that is no attack.
                ("grpc.http2.max_ping_strikes", 0),
                ("grpc.keepalive_permit_without_calls", 1),
            ]
        )
        self._server.add_generic_rpc_handlers(
            (self.secrets.handler(), self.processor.handler(), self._questions.handler(), health_handler())
        )
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - local and instant
        self._server.add_insecure_port(f"unix:{path}")
        await self._server.start()
        path.chmod(0o600)  # noqa: ASYNC240

    def _publish_roots(self, upstream: Path) -> None:
        root = self._authority.root_pem
        if root == self._published:
            return
        trust.write_bundle(self.bundle, upstream, (), root)
        trust.write_java_truststore(self.truststore, self.bundle)
        # What `haechi install` puts into the system's trusted roots.
        replace_file(self._public_dir / "root.pem", root, mode=0o644)
        boto = boto_configuration("127.0.0.1", self.proxy_port, str(self.bundle))
        replace_file(self._public_dir / "boto.cfg", boto.encode(), mode=0o644)
        self._published = root

    async def _watch_roots(self, upstream: Path) -> None:
        """A renewed root reaches the bundle without a restart; where it cannot, it does the next time."""
        while True:
            await asyncio.sleep(_ROOT_WATCH_S)
            try:
                self._publish_roots(upstream)
            except (HaechiError, OSError) as error:
                self._log.error("datapath.roots-unpublished", error=str(error))


def health_handler() -> grpc.GenericRpcHandler:
    """grpc.health.v1: Envoy asks whether the agent still answers. ``status: SERVING``, as its protobuf says."""

    async def check(_: bytes, context: object) -> bytes:
        return b"\x08\x01"

    return grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}
    )


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True
