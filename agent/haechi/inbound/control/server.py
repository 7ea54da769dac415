"""The agent's end of the control socket. Knows calls by name and role; knows nothing of what they do.

One call at a time a connection; a caller that hangs up cancels its call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from haechi.domain.errors import FULL, HaechiError
from haechi.inbound.control import protocol
from haechi.inbound.control.peer import Authorise, Peer, Role, peer_of
from haechi.inbound.control.wire import Limits, Wire
from haechi.ports.metrics import Metrics

Progress = Callable[[dict[str, Any]], Awaitable[None]]
Handler = Callable[[dict[str, Any], Peer, Progress], Awaitable[dict[str, Any]]]


class Access(Enum):
    """Who may reach the socket at all. Value: modes of the folder and of the socket."""

    PRIVATE = (0o700, 0o600)
    """Cooperative mode: the person's own agent."""
    MACHINE = (0o755, 0o666)
    """Enforced mode: every local user; roles decide the rest."""


@dataclass(frozen=True, slots=True)
class _Registered:
    handler: Handler
    role: Role
    timeout: float


class ControlServer:
    """Listens on ``path``; ``authorise`` tells a peer's roles; ``refused`` counts what was turned away, by cause."""

    def __init__(
        self,
        path: Path,
        authorise: Authorise,
        log: FilteringBoundLogger,
        *,
        access: Access = Access.PRIVATE,
        limits: Limits | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._path = path
        self._authorise = authorise
        self._log = log
        self._access = access
        self._limits = limits or Limits()
        self._metrics = metrics
        self._calls: dict[str, _Registered] = {}
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self.refused: Counter[str] = Counter()

    @property
    def path(self) -> Path:
        """Where it listens."""
        return self._path

    @property
    def calls(self) -> dict[str, Role]:
        """Every registered call with the role it needs."""
        return {name: registered.role for name, registered in self._calls.items()}

    def register(self, name: str, handler: Handler, role: Role, *, timeout: float = 120.0) -> None:
        """Offer a call. ``timeout`` bounds it in seconds. Raises ``ValueError`` for a name offered twice."""
        if name in self._calls:
            raise ValueError(f"{name} is registered already")
        self._calls[name] = _Registered(handler, role, timeout)

    async def start(self) -> None:
        """Listen. Raises ``control.already-running``, ``control.path-too-long``, ``control.no-folder``."""
        folder_mode, socket_mode = self._access.value
        if len(os.fsencode(self._path)) > 107:  # sockaddr_un.sun_path
            raise HaechiError("control.path-too-long", path=str(self._path))
        try:
            self._path.parent.mkdir(mode=folder_mode, parents=True, exist_ok=True)
            if self._access is Access.PRIVATE:
                self._path.parent.chmod(folder_mode)
            await asyncio.to_thread(self._clear_stale)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.setblocking(False)
            listener.bind(str(self._path))
            self._path.chmod(socket_mode)
            listener.listen(64)
        except OSError as error:
            raise HaechiError("control.no-folder", path=str(self._path), reason=error.strerror or "") from error
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept(listener), name="control-accept")

    async def stop(self) -> None:
        """Stop listening, end running calls, remove the socket."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _turn_away(self, cause: str) -> None:
        self.refused[cause] += 1
        if self._metrics is not None:
            self._metrics.count("haechi_control_refused_total", cause=cause)

    def _clear_stale(self) -> None:
        if not self._path.exists():
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
        raise HaechiError("control.already-running", path=str(self._path))

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors: the pause keeps this from spinning
                self._turn_away("accept")
                self._log.warning("control.accept-failed", reason=error.strerror)
                await asyncio.sleep(0.2)
                continue
            connection.setblocking(False)
            try:
                peer = peer_of(connection)
            except OSError:
                self._turn_away("no-peer")
                connection.close()
                continue
            of_user = sum(1 for uid in self._tasks.values() if uid == peer.uid)
            if len(self._tasks) >= self._limits.connections or of_user >= self._limits.connections_per_user:
                self._turn_away("too-many")
                error_line = {"id": "", "error": {"code": "control.too-many", "params": {}}}
                with contextlib.suppress(OSError):
                    connection.send(protocol.encode(error_line))
                connection.close()
                continue
            task = asyncio.create_task(self._serve(connection, peer), name="control-connection")
            self._tasks[task] = peer.uid
            task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _serve(self, connection: socket.socket, peer: Peer) -> None:
        wire = Wire(connection, self._limits)
        try:
            while (line := await wire.line()) is not None:
                if not await self._answer(wire, peer, line):
                    return
        except HaechiError as error:
            self._turn_away(error.code)
            with contextlib.suppress(OSError, TimeoutError):
                await wire.send({"id": "", "error": protocol.error_form(error)})
        except (OSError, TimeoutError):
            self._turn_away("connection")
        finally:
            wire.close()

    async def _answer(self, wire: Wire, peer: Peer, line: bytes) -> bool:
        """Serve one line; False ends the connection."""
        call = protocol.decode_call(line)
        files = wire.take(call.files)

        async def progress(fact: dict[str, Any]) -> None:
            try:
                await wire.send({"id": call.id, "progress": fact})
            except (OSError, TimeoutError) as error:
                raise _GoneError from error

        try:
            answer = await self._outcome(call, replace(peer, files=files), progress, wire)
        except _GoneError:
            self._turn_away("hung-up")
            return False
        finally:
            for descriptor in files:
                os.close(descriptor)
        await wire.send({"id": call.id, **answer})
        return True

    async def _outcome(self, call: protocol.Call, peer: Peer, progress: Progress, wire: Wire) -> dict[str, Any]:
        """Result or error of one call. Raises ``_GoneError`` where the caller hung up."""
        try:
            registered = self._admitted(call, peer)
            return {"result": await self._run(call, registered, registered.handler(call.args, peer, progress), wire)}
        except _GoneError:
            raise
        except HaechiError as error:
            self._turn_away(error.code)
            return {"error": protocol.error_form(error)}
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                self._turn_away("agent.disk-full")
                return {"error": {"code": "agent.disk-full", "params": {"path": str(error.filename or "?")}}}
            reference = secrets.token_hex(4)
            self._turn_away("control.internal")
            self._log.exception("control.call-failed", call=call.name, reference=reference)
            return {"error": {"code": "control.internal", "params": {"call": call.name, "reference": reference}}}

    async def _run(
        self, call: protocol.Call, registered: _Registered, work: Awaitable[dict[str, Any]], wire: Wire
    ) -> dict[str, Any]:
        """Run a call within its time, and only as long as somebody waits for it."""
        gone = False
        within = asyncio.timeout(registered.timeout)

        def hung_up() -> None:
            nonlocal gone
            if not within.expired():
                gone = True
                within.reschedule(0)  # its time is over now

        try:
            async with within:
                wire.on_hang_up = hung_up
                try:
                    return await work
                finally:
                    wire.on_hang_up = None
        except TimeoutError as error:
            if not within.expired():
                raise  # the call's own
            if gone:
                raise _GoneError from error
            raise HaechiError("control.timed-out", call=call.name, seconds=registered.timeout) from error

    def _admitted(self, call: protocol.Call, peer: Peer) -> _Registered:
        registered = self._calls.get(call.name)
        if registered is None:
            raise HaechiError("control.unknown-call", call=call.name)
        if registered.role not in self._authorise(peer):
            self._log.warning("control.not-allowed", call=call.name, role=registered.role.value, uid=peer.uid)
            raise HaechiError("control.not-allowed", call=call.name, role=registered.role.value)
        return registered


class _GoneError(Exception):
    """The caller hung up while its call ran."""
