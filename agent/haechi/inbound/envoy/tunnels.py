"""Envoy's questions about doubtful tunnels (ext_authz on a connection), and its count of those that passed unseen.

Theory. Which tunnels are in doubt Envoy finds out by itself (``listeners``) and asks about these alone, so an honest
tunnel costs nothing and outlives the agent. The question comes with the first bytes and holds them back; no answer
closes the connection. What Envoy knows of it comes as gRPC metadata, because the request's own fields name the
internal hop. Envoy's counters begin anew with each Envoy: what matters is their growth.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

import grpc
import structlog
from envoy.service.auth.v3 import external_auth_pb2 as external_auth

from haechi.domain.errors import HaechiError
from haechi.domain.names import host_name, is_address
from haechi.inbound.envoy.doubts import AGREED, ASKED, NAME, TOWARD_PROVIDER
from haechi.inbound.envoy.pressure import AdminSocket
from haechi.inbound.envoy.told import connection_of
from haechi.ports.judge import Connection
from haechi.ports.tunnels import Doubt, Tunnels

SERVICE: Final = "envoy.service.auth.v3.Authorization"
EVERY_S: Final = 5.0
_OK, _DENIED = 0, 7


class TunnelQuestions:
    """The ext_authz service. ``tunnels`` answers; nothing is let through that it did not."""

    def __init__(self, tunnels: Tunnels, log: structlog.typing.FilteringBoundLogger) -> None:
        self._tunnels = tunnels
        self._log = log

    def handler(self) -> grpc.GenericRpcHandler:
        """For ``server.add_generic_rpc_handlers``."""
        check = grpc.unary_unary_rpc_method_handler(
            self._check, response_serializer=external_auth.CheckResponse.SerializeToString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Check": check})

    async def _check(self, _: bytes, context: Any) -> external_auth.CheckResponse:
        said = {key: value for key, value in context.invocation_metadata() if key in ASKED}
        answer = external_auth.CheckResponse()
        answer.status.code = _DENIED
        try:
            source, connect, sni, local, way, doubt = (said.get(name, "") for name in ASKED)
            connection = connection_of(way=way, source=source, connect=connect, sni=sni, local=local)
            if await self._tunnels.doubtful(connection, doubt_of(connection, doubt)):
                answer.status.code = _OK
        except HaechiError as error:
            self._log.error("datapath.tunnel-unjudged", cause=error.code)
        return answer


def doubt_of(connection: Connection, told: str) -> Doubt:
    """What is wrong. ``told`` is the word of the place in Envoy that asked, where that alone knows."""
    if told in (Doubt.PROVIDER, Doubt.RAW):
        return Doubt(told)
    if not connection.sni:
        return Doubt.NO_NAME
    if not re.fullmatch(NAME, connection.sni):
        return Doubt.SPELLING
    named = host_name(connection.connect)
    return Doubt.ADDRESS if is_address(named) else Doubt.NAMES


class PassedTunnels:
    """Reads Envoy's counter of honest tunnels and hands on by how much it grew."""

    def __init__(self, admin: AdminSocket, tunnels: Tunnels) -> None:
        self._admin = admin
        self._tunnels = tunnels
        self._agreed = 0
        self._handed_on = 0
        self._envoy: int | None = None

    async def run(self, envoy: Callable[[], int | None]) -> None:
        """Until cancelled. ``envoy`` tells the pid of the Envoy that counts."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.look(envoy())
            await self._tunnels.settle()

    async def look(self, envoy: int | None) -> None:
        """Read once; an Envoy that does not answer is asked again later."""
        try:
            counted = await self._admin.figures(f"^({re.escape(AGREED)}|{re.escape(TOWARD_PROVIDER)})$")
        except OSError:
            return
        agreed = counted.get(AGREED, 0)
        if envoy != self._envoy or agreed < self._agreed:
            self._envoy, self._handed_on = envoy, 0
        self._agreed = agreed
        # The two are not counted in one moment: under one and the same Envoy their difference may fall and grow again.
        passed = max(agreed - counted.get(TOWARD_PROVIDER, 0), self._handed_on)
        self._tunnels.passed(passed - self._handed_on)
        self._handed_on = passed


class ClosedTunnels:
    """``Tunnels`` where nobody judges them: what is in doubt is closed, and counted."""

    def __init__(self) -> None:
        self._counts = {"passed": 0, "refused": 0, "observed": 0}

    async def doubtful(self, connection: Connection, doubt: Doubt) -> bool:
        """As ``Tunnels``."""
        self._counts["refused"] += 1
        return False

    def passed(self, count: int) -> None:
        """As ``Tunnels``."""
        self._counts["passed"] += count

    async def settle(self, *, ending: bool = False) -> None:
        """As ``Tunnels``."""

    def totals(self) -> dict[str, int]:
        """As ``Tunnels``."""
        return dict(self._counts)
