"""The policy engine as an OPA server, spoken to through opa-python-client: the same port, the same policies.

For institutions that run OPA anyway, and as the reference that the worker's answers are held against. The server has
to be the institution's own: whoever answers here decides. Must not know: how policies are written, what becomes of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from opa_client.opa_async import AsyncOpaClient  # type: ignore[import-untyped]

from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.policy import findings_from
from haechi.outbound.engine.folder import PolicyFolder, read
from haechi.outbound.engine.loaded import LoadedPolicies
from haechi.outbound.engine.probe import probe_input
from haechi.ports.engine import Answered

PACKAGE, RULE = "haechi.decision", "decision"


class OpaEngine(LoadedPolicies):
    """``haechi.ports.engine.PolicyEngine`` over an OPA server.

    ``publish`` puts the policies of ``policy_dir`` on the server at start (a server without bundles); without it the
    server is expected to have them from its own bundle, and ``policy_dir`` tells only what the rules are.
    """

    def __init__(
        self,
        policy_dir: Path,
        host: str = "127.0.0.1",
        port: int = 8181,
        *,
        token: str | None = None,
        deadline_ms: float = 250.0,
        publish: bool = False,
    ) -> None:
        self._folder = policy_dir
        self._address = (host, port)
        self._token = token
        self._deadline = deadline_ms / 1000
        self._publish = publish
        self._client: AsyncOpaClient | None = None

    async def start(self) -> None:
        """Connect, publish where asked, and try the probe. Raises ``HaechiError('policy.…')``."""
        policies = await asyncio.to_thread(read, self._folder)
        host, port = self._address
        client = AsyncOpaClient(host=host, port=port, token=self._token, retries=0, timeout=5.0)
        await client._init_session()
        try:
            if self._publish:
                await _put(client, policies)
            kind = await client.query_rule({**probe_input()}, PACKAGE, RULE)
        except Exception as error:
            await client.close_connection()
            raise HaechiError("policy.opa-unreachable", host=host, port=port, why=_why(error)) from error
        answer = kind.get("result")
        if not isinstance(answer, dict) or not answer.get("findings"):
            await client.close_connection()
            raise HaechiError("policy.probe", got=str(answer))
        self._policies, self._client = policies, client

    async def stop(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.close_connection()

    async def evaluate(self, facts: Mapping[str, JSON]) -> Answered | Cause:
        """Judge one input within the deadline; the seconds include the way to the server."""
        client, policies = self._client, self._policies
        if client is None or policies is None:
            return Cause("engine-crashed", {"detail": "not started"})
        started = time.perf_counter()
        try:
            msgspec.json.encode(facts)
            said: Any = await asyncio.wait_for(client.query_rule({**facts}, PACKAGE, RULE), self._deadline)
        except TimeoutError:
            return Cause("engine-late", {"deadline_ms": self._deadline * 1000})
        except (TypeError, msgspec.MsgspecError) as error:
            return Cause("engine-invalid", {"detail": f"input: {error}"})
        except aiohttp.ClientResponseError as error:
            return Cause("engine-invalid", {"detail": _why(error)})
        except (aiohttp.ClientError, OSError) as error:
            return Cause("engine-crashed", {"detail": _why(error)})
        if not isinstance(said, Mapping) or "result" not in said:
            return Cause("engine-undefined", {})
        try:
            findings = findings_from(said["result"], policies.rules)
        except ValueError as error:
            return Cause("engine-invalid", {"detail": str(error)})
        return Answered(findings, time.perf_counter() - started)


async def _put(client: AsyncOpaClient, policies: PolicyFolder) -> None:
    for name, value in policies.data.items():
        await client.update_or_create_data(value, name)
    for name, text in policies.modules:
        await client.update_policy_from_string(text, name, rego_compat=False)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
