"""The policy engine as the institution's own OPA server: the same port, the same policies, the same guarantees.

Theory. Whoever answers decides, so the server is doubted. An answer counts only where it says that the policies in
force gave it (``opa_policies.Proof``), and only while the last look found their very texts and data there, on a server
that is not too old. Of a server that we publish to it counts only once the server said, after it, that nobody wrote
there since that look. A look is taken regularly, and sooner after any doubt; what it does not find is a cause, and the
fail mode decides. Policies are looked through by the embedded interpreter first, as for the worker.

=====================  ==============================================
the server             every question gets
=====================  ==============================================
as it has to be        its answer, within the deadline
silent, gone           ``engine-late``, ``engine-crashed``
other policies, old    ``engine-other``, until a look finds it mended
written to by others   the same, where we publish
=====================  ==============================================

Must not know: how policies are written, what becomes of a decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
import structlog

from haechi.domain.decision import NO_POLICIES, Cause
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.policy import findings_from
from haechi.outbound.engine.folder import PolicyFolder, read
from haechi.outbound.engine.frames import MAX_BODY
from haechi.outbound.engine.loaded import Engine
from haechi.outbound.engine.loading import load
from haechi.outbound.engine.opa_policies import Proof, proof_by_bundle, proof_by_seal, publish
from haechi.outbound.engine.opa_server import OpaAddress, OpaServer, unreachable, version_of
from haechi.outbound.engine.opa_writes import Writes
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.process import WorkerProcess
from haechi.ports.engine import Answered
from haechi.tasks import background, ended

CHECK_EVERY_S: Final = 2.0
"""Seconds between two looks at what the server holds. A look costs the server about 40 ms."""
DOUBTED_EVERY_S: Final = 0.5
MAX_PENDING: Final = 1024
_FAILED: Final = (aiohttp.ClientError, OSError, TimeoutError, RuntimeError)
"""The last one is aiohttp's for a session that a look has closed meanwhile."""
_log = structlog.get_logger(__name__)


class OpaEngine(Engine):
    """``haechi.ports.engine.PolicyEngine`` over an OPA server.

    ``publish`` puts the policies on the server (one without bundles, and this agent's alone); without it the server is
    expected to have them from a bundle (``haechi policy build|sign``). ``accept`` and ``check`` are as for the
    worker. Start before use; what puts policies in force raises ``HaechiError('policy.…')``.
    """

    def __init__(
        self,
        policy_dir: Path,
        address: OpaAddress,
        deadline_ms: float = 250.0,
        *,
        publish: bool = False,
        count: Callable[[str], None] = lambda name: None,
        accept: Callable[[PolicyFolder], None] = lambda policies: None,
        check: Callable[[PolicyFolder], object] = lambda policies: None,
    ) -> None:
        self._folder = policy_dir
        self._address = address
        self._deadline = deadline_ms / 1000
        self._publish = publish
        self._count, self._accept, self._check = count, accept, check
        self._server: OpaServer | None = None
        self._writes: Writes | None = None
        self._proof: Proof | None = None
        self._watching: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._doubtful = asyncio.Event()
        self._withdrawn: Cause | None = None
        self._pending = 0
        self._version = ""
        self.problem: HaechiError | None = None
        """Why the server's answers do not count now; None while they do."""

    @property
    def ready(self) -> bool:
        """Whether the last look found the server as it has to be."""
        return self._server is not None and self.problem is None and self._withdrawn is None

    @property
    def interpreted(self) -> str:
        """Nothing: the server has its own way."""
        return ""

    def describe(self) -> Mapping[str, JSON]:
        """For ``haechi status``: which server, and its version."""
        return {"kind": "opa", "server": self._address.url, "version": self._version, "publish": self._publish}

    async def start(self) -> None:
        """Put the folder's policies in force and stand by."""
        policies = await asyncio.to_thread(read, self._folder)
        await asyncio.to_thread(self._accept, policies)
        await self.put_in_force(policies)

    async def stop(self) -> None:
        """Disconnect. What was asked and not answered fails as ``engine-crashed``."""
        if self._watching is not None:
            await ended(self._watching)
            self._watching = None
        async with self._changing:
            await self._disconnect()

    async def put_in_force(self, policies: PolicyFolder, confirm: Callable[[], Awaitable[None]] | None = None) -> None:
        """See ``Engine``. Without ``publish`` the server has to hold them already: ``policy.opa-other`` else."""
        worker = await WorkerProcess.start()
        await load(worker, policies, None)
        await worker.end()
        await asyncio.to_thread(self._check, policies)
        async with self._changing:
            try:
                proof = await self._established(policies)
                if confirm is not None:
                    await confirm()
            except BaseException:
                self._doubtful.set()  # the server may hold the new ones now, and those in force have to come back
                if self._policies is None:
                    await self._disconnect()
                raise
            self._policies, self._proof, self._withdrawn, self.problem = policies, proof, None, None
            if self._watching is None:
                self._watching = background(self._watch(), "opa-watch", self._count)
        _log.info("policies-in-force", revision=policies.revision, rules=len(policies.rules), opa=self._address.url)

    async def withdraw(self, none: PolicyFolder, problem: HaechiError) -> None:
        """See ``Engine``."""
        async with self._changing:
            self._policies = none
            about: dict[str, JSON] = {name: str(value) for name, value in problem.params.items()}
            self._withdrawn = Cause(NO_POLICIES, {"problem": problem.code, "about": about})
        _log.error("policies-withdrawn", cause=problem.code)

    async def evaluate(self, facts: Mapping[str, JSON]) -> Answered | Cause:
        """Judge one input within the deadline; the seconds include the way to the server."""
        policies, proof = self._policies, self._proof
        if self._withdrawn is not None:
            return self._withdrawn
        if self._server is None or policies is None or proof is None:
            return Cause("engine-crashed", {"detail": "not started"})
        if self.problem is not None:
            return _cause(self.problem)
        if self._pending >= MAX_PENDING:
            return Cause("engine-late", {"detail": "too many questions", "deadline_ms": self._deadline * 1000})
        try:
            asked = msgspec.json.encode(facts)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            return Cause("engine-invalid", {"detail": f"input: {error}"})
        if len(asked) > MAX_BODY:
            return Cause("engine-invalid", {"detail": "the input is too large"})
        started = time.perf_counter()
        self._pending += 1
        try:
            answer = await asyncio.wait_for(self._answer(asked, policies, proof, started), self._deadline)
        except TimeoutError:
            return self._late()
        finally:
            self._pending -= 1
        # The answer and the end of the waiting may come in one turn of the event loop.
        return self._late() if time.perf_counter() - started > self._deadline else answer

    def _late(self) -> Cause:
        return Cause("engine-late", {"deadline_ms": self._deadline * 1000})

    async def _answer(self, facts: bytes, policies: PolicyFolder, proof: Proof, started: float) -> Answered | Cause:
        server, writes = self._server, self._writes
        if server is None or writes is None:
            return Cause("engine-crashed", {"detail": "not connected"})
        try:
            said = await server.ask(facts, proof.asked)
            self._version = version_of(said)
            found = proof.decision(said)
            await _still(proof, writes)
        except TimeoutError:
            raise
        except HaechiError as error:
            # Policies that changed meanwhile are no doubt: those that were asked are gone.
            return self._doubts(error) if proof is self._proof else _cause(error)
        except aiohttp.ClientResponseError as error:
            self._doubtful.set()
            return Cause("engine-invalid", {"detail": f"HTTP {error.status}"})
        except ValueError as error:
            return Cause("engine-invalid", {"detail": str(error)})
        except _FAILED as error:
            return self._doubts(unreachable(self._address, error))
        if found is None:
            self._doubtful.set()
            return Cause("engine-undefined", {})
        seconds = time.perf_counter() - started
        try:
            return Answered(findings_from(dict(found), policies.rules), seconds)  # type: ignore[call-overload]
        except (TypeError, ValueError) as error:
            return Cause("engine-invalid", {"detail": str(error)})

    def _doubts(self, problem: HaechiError) -> Cause:
        self._told(problem)
        self._doubtful.set()
        return _cause(problem)

    def _told(self, problem: HaechiError) -> None:
        if self.problem is None:
            self._count("haechi_engine_doubts_total")
        if str(self.problem) != str(problem):
            _log.warning("opa-doubted", cause=problem.code, **problem.params)
        self.problem = problem

    async def _watch(self) -> None:
        """Look at what the server holds, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_EVERY_S if self.problem is None else DOUBTED_EVERY_S):
                    await self._doubtful.wait()
            self._doubtful.clear()
            async with self._changing:
                if self._withdrawn is None:
                    await self._look()
            if self.problem is not None:
                await asyncio.sleep(DOUBTED_EVERY_S)

    async def _look(self) -> None:
        try:
            self._proof = await self._established(self.in_force)
        except HaechiError as error:
            self._told(error)
            return
        if self.problem is not None:
            _log.info("opa-as-it-has-to-be", version=self._version)
        self.problem = None

    async def _established(self, policies: PolicyFolder) -> Proof:
        """By what the server shows that it holds these policies; it answered the probe by them.

        Raises ``HaechiError('policy.…')``.
        """
        try:
            server = await self._connected()
            try:
                return await self._proven(server, policies)
            except HaechiError as error:
                if not self._publish or error.code not in ("policy.opa-other", "policy.probe"):
                    raise
                await publish(server, policies)
                return await self._proven(server, policies)
        except HaechiError:
            raise
        except Exception as error:  # the client raises many kinds; an answer of another form is none either
            await self._disconnect()  # the next connection reads the token and the certificates anew
            raise unreachable(self._address, error) from error

    async def _proven(self, server: OpaServer, policies: PolicyFolder) -> Proof:
        probe = msgspec.json.encode(probe_input())
        self._version = version_of(await server.ask(probe, "haechi/decision/decision"))
        proof = await (proof_by_seal if self._publish else proof_by_bundle)(server, policies)
        found = proof.decision(await server.ask(probe, proof.asked))
        if not isinstance(found, Mapping) or not found.get("findings"):
            raise HaechiError("policy.probe", got=str(found)[:200])
        return proof

    async def _connected(self) -> OpaServer:
        if self._server is None:
            server = await asyncio.to_thread(OpaServer, self._address)
            await server.open()
            self._server, self._writes = server, Writes(server.writes)
        return self._server

    async def _disconnect(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.close_connection()


async def _still(proof: Proof, writes: Writes) -> None:
    """Raises ``HaechiError('policy.opa-written')`` where somebody wrote to a server that we publish to."""
    if not proof.bundle and await writes.now() != proof.writes:
        raise HaechiError("policy.opa-written")


def _cause(problem: HaechiError) -> Cause:
    gone = problem.code in ("policy.opa-unreachable", "policy.opa-token", "policy.opa-certificate")
    about: dict[str, JSON] = {"detail": str(problem.params.get("why", problem.code))}
    return Cause("engine-crashed", about) if gone else Cause("engine-other", about)
