"""Hands Envoy the certificate of a host when it asks for one (SDS, delta), and a fresh one before it ends.

Only names in scope, only so many at a time. Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import structlog
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2

from haechi.domain.errors import HaechiError
from haechi.inbound.envoy.authority import Authority, LeafPair, utc_now

SERVICE = "envoy.service.secret.v3.SecretDiscoveryService"
_SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - a type's name
_LOOK_AGAIN_S = 2.0
"""Timers stand still while a machine sleeps, and know nothing of a clock that was set: the time of day is looked at
this often, so that an ended leaf is replaced within 5 s of either.
"""


class LeafSecrets:
    """The SDS service. ``refused`` counts names that were asked for and not given."""

    def __init__(
        self,
        authority: Authority,
        *,
        max_names: int,
        log: structlog.typing.FilteringBoundLogger,
        now: Callable[[], dt.datetime] = utc_now,
        look_again_s: float = _LOOK_AGAIN_S,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        """``publish`` hands out the authority's root where it is another one than before: clients must be able to trust
        a certificate before the first of them is shown it.
        """
        self._authority = authority
        self._max_names = max_names
        self._log = log
        self._now = now
        self._look_again_s = look_again_s
        self._publish = publish
        self._intermediate = authority.intermediate_pem
        self._renewed = asyncio.Event()
        self._told: set[str] = set()
        self.refused = 0

    def handler(self) -> grpc.GenericRpcHandler:
        """For ``server.add_generic_rpc_handlers``."""
        method = grpc.stream_stream_rpc_method_handler(
            self._delta,
            request_deserializer=discovery_pb2.DeltaDiscoveryRequest.FromString,
            response_serializer=discovery_pb2.DeltaDiscoveryResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"DeltaSecrets": method})

    async def _delta(self, requests: Any, context: Any) -> AsyncIterator[discovery_pb2.DeltaDiscoveryResponse]:
        held: dict[str, LeafPair] = {}
        version = 0
        reading = asyncio.ensure_future(context.read())
        try:
            while True:
                renewed = asyncio.ensure_future(self._renewed.wait())
                try:
                    done, _ = await asyncio.wait(
                        {reading, renewed}, timeout=self._pause(held), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    renewed.cancel()
                if reading in done:
                    request = reading.result()
                    if request is grpc.aio.EOF:
                        return
                    reading = asyncio.ensure_future(context.read())
                    for name in request.resource_names_unsubscribe:
                        held.pop(name, None)
                    wanted = list(request.resource_names_subscribe)
                else:
                    now = self._now()
                    wanted = [name for name, leaf in held.items() if leaf.renew_at <= now or self._outlived(leaf)]
                if wanted:
                    version += 1
                    yield self._answer(wanted, held, str(version))
        finally:
            reading.cancel()

    def _pause(self, held: dict[str, LeafPair]) -> float:
        if not held:
            return self._look_again_s
        first = min(leaf.renew_at for leaf in held.values())
        return min(self._look_again_s, max(0.2, (first - self._now()).total_seconds()))

    def _answer(
        self, wanted: list[str], held: dict[str, LeafPair], version: str
    ) -> discovery_pb2.DeltaDiscoveryResponse:
        response = discovery_pb2.DeltaDiscoveryResponse(nonce=version, type_url=_SECRET, system_version_info=version)
        for name in wanted:
            leaf = self._leaf(name, held)
            if leaf is None:
                response.removed_resources.append(name)
                continue
            held[name] = leaf
            secret = secret_pb2.Secret(name=name)
            secret.tls_certificate.certificate_chain.inline_bytes = leaf.chain
            secret.tls_certificate.private_key.inline_bytes = leaf.key
            response.resources.add(name=name, version=version).resource.Pack(secret)
        return response

    def _leaf(self, name: str, held: dict[str, LeafPair]) -> LeafPair | None:
        if name not in held and len(held) >= self._max_names:
            self.refused += 1
            self._log.warning("datapath.too-many-names", bound=self._max_names)
            return None
        try:
            leaf = self._authority.leaf(name)
        except HaechiError as error:
            self.refused += 1
            self._log.warning("datapath.certificate-refused", cause=error.code, host=name[:253])
            return None
        self._tell("datapath.authority-not-renewed", self._authority.problem)
        # One whose root nobody can trust yet is shown to nobody; who has an earlier one keeps it.
        return leaf if self._follow_authority() else held.get(name)

    def _outlived(self, leaf: LeafPair) -> bool:
        """Signed by an intermediate that is no longer in use."""
        return not leaf.chain.endswith(self._intermediate)

    def _follow_authority(self) -> bool:
        """A renewed authority: publish its root, and have every stream replace what the earlier one signed. False where
        the root could not be published; it is tried again with the next certificate that is asked for.
        """
        current = self._authority.intermediate_pem
        if current == self._intermediate:
            return True
        try:
            self._publish()
        except (HaechiError, OSError) as error:
            self._tell("datapath.roots-unpublished", error)
            return False
        self._tell("datapath.roots-unpublished", None)
        self._intermediate = current
        self._log.warning("datapath.authority-renewed", not_after=self._authority.not_after.isoformat())
        self._renewed.set()
        self._renewed = asyncio.Event()
        return True

    def _tell(self, event: str, problem: HaechiError | OSError | None) -> None:
        """Once for as long as it lasts: certificates are asked for many times a second."""
        if problem is None:
            self._told.discard(event)
        elif event not in self._told:
            self._told.add(event)
            cause = problem.code if isinstance(problem, HaechiError) else type(problem).__name__
            self._log.error(event, cause=cause, error=str(problem))
