"""The policy engine behind a process boundary: a crash or a hang becomes a cause, never a wrong verdict.

Theory. One worker process at a time. Every question has an id and a deadline; answers come in order. A worker that is
silent for ``hang`` seconds, or whose channel closes, is killed, everything asked of it fails as ``engine-crashed``, and
a new one is started, sooner or later by how often that happened. New policies are loaded into a new worker, and
only when it is ready do questions go there.

Must not know: Rego, the engine itself (only the worker imports it), what a decision is made of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from haechi.domain.decision import NO_POLICIES, Cause
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.policy import RuleInfo, findings_from
from haechi.outbound.engine.compiler import NotCompiledError
from haechi.outbound.engine.folder import PolicyFolder, read
from haechi.outbound.engine.frames import MAX_BODY, SECONDS, Kind
from haechi.outbound.engine.loaded import Engine
from haechi.outbound.engine.loading import load
from haechi.outbound.engine.process import WorkerProcess
from haechi.ports.engine import Answered
from haechi.tasks import background, ended

_log = structlog.get_logger(__name__)

MAX_PENDING = 1024
"""Questions that may wait at once; more are ``engine-late`` at once, because they would be."""
_BACKOFF = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Seconds before the n-th restart in a row; the last repeats. A worker that lived 30 s starts the count anew."""


class WorkerEngine(Engine):
    """``haechi.ports.engine.PolicyEngine`` over a worker process.

    ``deadline_ms`` is how long one evaluation may take before its answer is ``engine-late``; ``hang`` the seconds of
    silence, with questions open, after which the worker is killed. ``count`` is told of every restart and
    of a watch that failed. ``accept`` is asked before policies are put in force, and raises ``HaechiError`` where they
    may not be. ``compiler`` gives their compiled form, or raises ``NotCompiledError``; without, they are interpreted.
    ``check`` is OPA's look at them, and raises ``HaechiError`` for what OPA would not run.
    Start before use; what puts policies in force raises ``HaechiError('policy.…')``.
    """

    def __init__(
        self,
        policy_dir: Path,
        deadline_ms: float = 250.0,
        hang: float = 1.0,
        count: Callable[[str], None] = lambda name: None,
        accept: Callable[[PolicyFolder], None] = lambda policies: None,
        compiler: Callable[[PolicyFolder], bytes] | None = None,
        check: Callable[[PolicyFolder], object] = lambda policies: None,
    ) -> None:
        self._accept = accept
        self._check = check
        self._compiler = compiler
        self._compiled: dict[str, bytes | NotCompiledError] = {}
        self._interpreted = ""
        self._folder = policy_dir
        self._deadline = deadline_ms / 1000
        self._hang = hang
        self._count = count
        self._worker: WorkerProcess | None = None
        self._watching: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._withdrawn: Cause | None = None

    @property
    def interpreted(self) -> str:
        """Why the policies in force are interpreted, though they were to be compiled; else empty."""
        return self._interpreted

    @property
    def ready(self) -> bool:
        """Whether a worker with the policies stands by."""
        return self._worker is not None and not self._worker.gone.is_set()

    def describe(self) -> Mapping[str, JSON]:
        """For ``haechi status``."""
        return {"kind": "embedded"}

    async def start(self) -> None:
        """Load the folder's policies and stand by."""
        await self.reload(self._folder)

    async def stop(self) -> None:
        """End the worker. What was asked and not answered fails as ``engine-crashed``."""
        if self._watching is not None:
            await ended(self._watching)
            self._watching = None
        async with self._changing:
            worker, self._worker = self._worker, None
            if worker is not None:
                await worker.end()

    async def reload(self, policy_dir: Path) -> None:
        """Read a folder and put it in force. On ``HaechiError`` the earlier policies stay in force."""
        policies = await asyncio.to_thread(read, policy_dir)
        await asyncio.to_thread(self._accept, policies)
        await self.put_in_force(policies)

    async def put_in_force(self, policies: PolicyFolder, confirm: Callable[[], Awaitable[None]] | None = None) -> None:
        """Put policies in force, all at once: questions that were asked before are answered by the earlier ones.

        ``confirm`` is awaited when the new ones are ready and before they answer anything. On ``HaechiError``, its own
        included, the earlier policies stay in force. Whether they may be put in force, the caller has found out.
        """
        # Before the lock: it takes time, and a worker may have to be replaced. Side by side: both are processes.
        checking = asyncio.ensure_future(asyncio.to_thread(_fault, self._check, policies))
        fresh, why = await self._load(policies)
        try:
            _raised(await checking)  # after the interpreter, whose words about what is not allowed say more
            async with self._changing:
                if confirm is not None:
                    await confirm()
                old = self._worker
                self._takes(fresh, why)
                self._policies, self._withdrawn = policies, None
                if self._watching is None:
                    self._watching = background(self._watch(), "engine-watch", self._count)
        except BaseException:
            await fresh.end()
            raise
        if old is not None:
            await self._retire(old)
        _log.info("policies-in-force", revision=policies.revision, rules=len(policies.rules))

    async def withdraw(self, none: PolicyFolder, problem: HaechiError) -> None:
        """Put the policies out of force without others (``folder.none_of``): every question gets a cause, which names
        the problem, and of which nothing is exempt.
        """
        async with self._changing:
            old, self._worker, self._interpreted = self._worker, None, ""
            self._policies = none
            about: dict[str, JSON] = {name: str(value) for name, value in problem.params.items()}
            self._withdrawn = Cause(NO_POLICIES, {"problem": problem.code, "about": about})
        if old is not None:
            await self._retire(old)
        _log.error("policies-withdrawn", cause=problem.code)

    async def _retire(self, old: WorkerProcess) -> None:
        """Let it answer what it was asked, then end it."""
        if old.pending:
            await asyncio.wait(list(old.pending.values()), timeout=self._deadline)
        await old.end()

    async def evaluate(self, facts: Mapping[str, JSON]) -> Answered | Cause:
        """Judge one input within the deadline. Never raises; see the port for the causes."""
        worker, policies = self._worker, self._policies
        if self._withdrawn is not None:
            return self._withdrawn
        if worker is None or policies is None:
            return Cause("engine-crashed", {"detail": "not started"})
        if len(worker.pending) >= MAX_PENDING:
            return Cause("engine-late", {"detail": "too many questions", "deadline_ms": self._deadline * 1000})
        try:
            body = msgspec.json.encode(facts)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            return Cause("engine-invalid", {"detail": f"input: {error}"})
        if len(body) > MAX_BODY:
            return Cause("engine-invalid", {"detail": "the input is too large"})
        asked = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                kind, answer = await worker.ask(Kind.EVALUATE, body)
        except TimeoutError:
            return Cause("engine-late", {"deadline_ms": self._deadline * 1000})
        except (ConnectionError, OSError):
            return Cause("engine-crashed", {})
        if time.monotonic() - asked > self._deadline:
            # The answer and the end of the waiting came in one turn of the event loop: late all the same.
            return Cause("engine-late", {"deadline_ms": self._deadline * 1000})
        return _understood(kind, answer, policies.rules)

    async def _load(self, policies: PolicyFolder) -> tuple[WorkerProcess, str]:
        """A worker that has these policies and answered the probe, and why it interprets them. Raises
        ``HaechiError('policy.…')``.
        """
        starting = await WorkerProcess.start()  # its imports need not wait for the compiler
        try:
            module, why = await asyncio.to_thread(self._module, policies)
        except BaseException:
            await starting.end()
            raise
        unused = await load(starting, policies, module, beside=self.ready)
        return starting, unused or why

    def _module(self, policies: PolicyFolder) -> tuple[bytes | None, str]:
        """The compiled form, made once for each set of policies; or none, and why."""
        if self._compiler is None:
            return None, ""
        if policies.revision not in self._compiled:
            try:
                made: bytes | NotCompiledError = self._compiler(policies)
            except NotCompiledError as error:
                made = error
            kept = self._policies.revision if self._policies is not None else ""
            self._compiled = {name: known for name, known in self._compiled.items() if name == kept}
            self._compiled[policies.revision] = made
        known = self._compiled[policies.revision]
        return (None, str(known)) if isinstance(known, NotCompiledError) else (known, "")

    def _takes(self, worker: WorkerProcess, why: str) -> None:
        self._worker, self._interpreted = worker, why
        if why:
            _log.warning("policies-not-compiled", why=why)

    async def _watch(self) -> None:
        """Replace a worker that died or hangs."""
        falls = 0
        while True:
            worker = self._worker
            if worker is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._hang / 4):
                        await worker.gone.wait()
                silent = time.monotonic() - worker.heard
                if not worker.gone.is_set() and not (worker.pending and silent > self._hang):
                    continue
                if worker is not self._worker:
                    continue
                falls = 0 if time.monotonic() - worker.born > 30 else falls
                _log.warning("engine-worker-lost", hung=not worker.gone.is_set(), status=worker.process.poll())
            await self._replace(worker)
            await asyncio.sleep(_BACKOFF[min(falls, len(_BACKOFF) - 1)])
            falls += 1

    async def _replace(self, lost: WorkerProcess | None) -> None:
        if lost is not None:
            await lost.end()
        async with self._changing:
            if self._worker is not lost or self._withdrawn is not None:
                return
            self._worker = None
            self._count("haechi_engine_restarts_total")
            try:
                self._takes(*await self._load(self.in_force))
            except (HaechiError, OSError) as error:
                _log.error("engine-worker-not-started", error=str(error))


def _fault(check: Callable[[PolicyFolder], object], policies: PolicyFolder) -> HaechiError | None:
    try:
        check(policies)
    except HaechiError as error:
        return error
    return None


def _raised(fault: HaechiError | None) -> None:
    if fault is not None:
        raise fault


def _understood(kind: Kind, answer: bytes, rules: Mapping[str, RuleInfo]) -> Answered | Cause:
    if kind is Kind.UNDEFINED:
        return Cause("engine-undefined", {})
    if kind is not Kind.ANSWER:
        return Cause("engine-invalid", {"detail": answer.decode(errors="replace")})
    try:
        findings = findings_from(msgspec.json.decode(answer[SECONDS.size :]), rules)
    except (ValueError, msgspec.MsgspecError) as error:
        return Cause("engine-invalid", {"detail": str(error)})
    return Answered(findings, SECONDS.unpack_from(answer)[0])
